"""Is the process alive, and can it do its work?"""

import obstore
from fastapi import APIRouter
from sqlalchemy import text

from app.api.problems import Problem, documented
from app.api.services import Given
from workers.database.engine import reading

router = APIRouter(tags=["health"])


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz", responses=documented(503))
def readyz(given: Given) -> dict[str, str]:
    """Database and store answer."""
    try:
        with reading(given.jobs.engine) as connection:
            connection.execute(text("SELECT 1"))
        obstore.list_with_delimiter(given.store, "probe")
    except Exception as error:
        raise Problem(503, "not-ready", "Not ready", f"{type(error).__name__}: {error}") from error
    return {"status": "ready"}
