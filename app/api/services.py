"""What the routes work with, and pages of long lists."""

import base64
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response

from app.api.problems import Problem
from workers.services import Services

Limit = Annotated[int, Query(ge=1, le=1000, description="at most so many entries")]
Cursor = Annotated[str | None, Query(max_length=400, description="from the Link header of the page before")]


def _services(request: Request) -> Services:
    return request.app.state.services


Given = Annotated[Services, Depends(_services)]


def read_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    """(created, id) of the last entry of the page before."""
    if cursor is None:
        return None
    try:
        created, _, name = base64.urlsafe_b64decode(cursor.encode("ascii")).decode().partition("|")
        time = datetime.fromisoformat(created)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        detail = "take the cursor from the Link header of the page before, unchanged"
        raise Problem(422, "invalid-request", "Invalid cursor", detail)
    return time, name


def link_next(request: Request, response: Response, last: Any) -> list[dict[str, str]]:
    """Say where the next page is, in the header and as a list of links; `last` has `created` and `id`."""
    cursor = base64.urlsafe_b64encode(f"{last.created.isoformat()}|{last.id}".encode()).decode()
    url = str(request.url.include_query_params(cursor=cursor))
    response.headers["Link"] = f'<{url}>; rel="next"'
    return [{"rel": "next", "href": url}]
