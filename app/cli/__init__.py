"""The command `serein`. One command per file; whatever is slow to import is imported inside the commands."""

import sys
from typing import Annotated

import typer

from app.cli import demo, doctor, fetch, osse, plan, priors, score, simulate, submit, train, up, watch
from app.cli.register import register

app = typer.Typer(
    name="serein",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="""Observations in, verified ensemble out.

    [bold]Start[/bold]: [cyan]serein demo[/cyan] shows the whole way with an example.
    [cyan]serein up[/cyan] starts the service; in another terminal:

    serein submit reports.csv --prior europe --watch

    The commands talk to the service at http://127.0.0.1:8000, or at the address in SEREIN_URL.""",
)


def _version(asked: bool) -> None:
    if asked:
        from workers.version import __version__

        typer.echo(f"serein {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of `serein` itself."""


register(app, up, demo, submit, watch, fetch, priors, doctor, osse, plan, train)
app.add_typer(simulate.group, name="simulate")
app.add_typer(score.group, name="score")


def main() -> None:
    """Run the command; what a person can put right is said in a sentence, never as a traceback."""
    from app.cli.client import ServiceError

    try:
        app(prog_name="serein")
    except ServiceError as error:
        sys.stderr.write(f"serein: {error}\n")
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
