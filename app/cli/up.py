"""`serein up`: the whole service on this machine."""

import os
from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import ONE_THREAD

NAME = "up"


def command(
    home: Annotated[
        Path | None, typer.Option(help="Folder of everything it keeps. Default: ./serein-data.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on. Default: 8000.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes. Default: 1.")] = None,
) -> None:
    """Start the service: API, workers and beat in one process tree. Ctrl-C stops it; nothing is lost.

    Every setting is also an environment variable (SEREIN_HOME, SEREIN_PORT, SEREIN_DATABASE_URL ...).

    Example: serein up --home ~/serein --port 8080
    """
    from rich.console import Console

    from app.supervisor import run
    from workers.settings import Settings

    os.environ.setdefault(*ONE_THREAD)
    given = {"home": home, "host": host, "port": port, "workers": workers}
    settings = Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    address = f"http://{settings.host}:{settings.port}"

    def ready() -> None:
        console = Console()
        console.print(f"Serein is at [bold]{address}[/bold] (page, and interface at {address}/docs)")
        console.print(f"It keeps everything in {settings.home}. Ctrl-C stops it.", highlight=False)

    raise typer.Exit(run(settings, ready))
