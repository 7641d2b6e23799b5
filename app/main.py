"""The door: one FastAPI application. `uvicorn --factory app.main:create_app` serves it.

Importing it never imports torch; the routes enter jobs into the book and read what workers published.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

from app.api import batches, ensembles, health, jobs, maps, priors, problems, processes
from workers.services import open_services
from workers.settings import Settings, get_settings
from workers.version import __version__

WEB = Path(__file__).parent / "web"


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application with its database, store and broker opened."""
    given = open_services(settings or get_settings())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        given.close()

    app = FastAPI(
        title="Serein",
        summary="Observations in, verified ensemble out.",
        version=__version__,
        license_info={"name": "Apache-2.0"},
        lifespan=lifespan,
        docs_url=None,  # the framework's page comes from elsewhere; ours needs nothing but this service
        redoc_url=None,
        responses=problems.documented(400, 413, 422),
    )
    app.state.services = given
    problems.install(app)
    app.add_middleware(problems.BodyLimit, limit=_body_limit(given.settings))
    for module in (
        priors,
        batches,
        processes,
        jobs,
        maps,
        ensembles,
        health,
    ):  # maps before ensembles: it is narrower
        app.include_router(module.router)
    app.mount("/static", StaticFiles(directory=WEB))

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(WEB / "index.html")

    @app.get("/docs", include_in_schema=False)
    def interface() -> FileResponse:
        return FileResponse(WEB / "docs.html")

    return app


def _body_limit(settings: Settings) -> Callable[[Scope], int]:
    def limit(scope: Scope) -> int:
        upload = scope["method"] == "PUT" and scope["path"].startswith("/observation-batches/")
        return settings.max_upload_bytes if upload else settings.max_body_bytes

    return limit
