"""Errors as RFC 9457 problem details, whatever they are and wherever they come from.

Also the limit on the size of bodies: the framework's own answers a declared length that is too long in plain
text, before any handler is asked.
"""

import json
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MEDIA_TYPE = "application/problem+json"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "description": "which kind of problem, a URI reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what is wrong here and what to do"},
        "instance": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}


class Problem(Exception):
    """A refusal: `slug` names the kind of problem, `errors` the places ({pointer, detail})."""

    def __init__(
        self,
        status: int,
        slug: str,
        title: str,
        detail: str = "",
        errors: Sequence[dict[str, Any]] = (),
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail or title)
        self.status = status
        self.headers = headers
        self.body = {"type": f"/problems/{slug}", "title": title, "status": status, **more}
        if detail:
            self.body["detail"] = detail
        if errors:
            self.body["errors"] = list(errors)


def not_found(what: str, name: str) -> Problem:
    """404: there is no such thing."""
    return Problem(404, "not-found", f"No such {what}", f"there is no {what} {name!r}")


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """These answers, for the API's own description."""
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": SCHEMA}}}
        for status in statuses
    }


def problem_response(body: dict[str, Any], headers: Any = None) -> JSONResponse:
    """The problem as a response."""
    return _Ascii(body, status_code=body["status"], media_type=MEDIA_TYPE, headers=headers)


class _Ascii(JSONResponse):
    """JSON that can be sent whatever the request quoted in it held, half a surrogate pair included."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content).encode()


def install(app: FastAPI) -> None:
    """Answer every error with problem details."""
    app.add_exception_handler(Problem, _own)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, _http)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, _invalid)  # type: ignore[arg-type]
    app.add_exception_handler(Exception, _unexpected)


async def _own(request: Request, problem: Problem) -> JSONResponse:
    return problem_response(problem.body | {"instance": request.url.path}, problem.headers)


async def _http(request: Request, error: HTTPException) -> JSONResponse:
    title = HTTPStatus(error.status_code).phrase
    body = {"type": "about:blank", "title": title, "status": error.status_code, "instance": request.url.path}
    if error.detail and error.detail != title:
        body["detail"] = str(error.detail)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_allowed(request))
    return problem_response(body, headers)


def _allowed(request: Request) -> list[str]:
    """Methods this path has; the framework looks at the first of its routes only."""

    def served(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] == Match.FULL for route in request.app.routes)

    return [method for method in ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT") if served(method)]


async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    errors = [{"pointer": _pointer(e["loc"]), "detail": e["msg"]} for e in error.errors()]
    first = "; ".join(f"{e['pointer']}: {e['detail']}" for e in errors[:3])
    body = {"type": "/problems/invalid-request", "title": "Invalid request", "status": 422, "detail": first}
    return problem_response(body | {"errors": errors, "instance": request.url.path})


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    detail = "This is a fault of the service, not of the request; its log says more."
    body = {"type": "about:blank", "title": "Internal Server Error", "status": 500, "detail": detail}
    return problem_response(body | {"instance": request.url.path})


def _pointer(loc: Sequence[Any]) -> str:
    where, *path = [str(part) for part in loc] or ["body"]
    joined = "/".join(part.replace("~", "~0").replace("/", "~1") for part in path)
    return f"#/{joined}" if where == "body" else f"{where}/{joined}"


class BodyLimit:
    """ASGI middleware: bodies longer than `limit(scope)` bytes are refused, declared or counted."""

    def __init__(self, app: ASGIApp, limit: Callable[[Scope], int]) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        limit, received = self.limit(scope), 0
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > limit:
            body = {
                "type": "about:blank",
                "title": "Content Too Large",
                "status": 413,
                "detail": _too_long(limit),
            }
            return await problem_response(body, {"Connection": "close"})(scope, receive, send)

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(413, _too_long(limit))
            return message

        return await self.app(scope, counted, send)


def _too_long(limit: int) -> str:
    return f"the body is longer than {limit} bytes, the limit here: send it in parts"
