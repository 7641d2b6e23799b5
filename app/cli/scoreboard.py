"""What the commands of `serein score` share: a scoreboard is measured, shown, and drawn."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

Say = Callable[[str], None]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quick = Annotated[bool, typer.Option("--quick", help="A short form, for continuous integration.")]


def show(
    measure: Callable[[Say], dict[str, Any]],
    as_json: bool,
    draw: Callable[[dict[str, Any]], None] | None = None,
) -> None:
    """Measures, with a line that says what is being done; prints the table, or all of it as JSON.

    Arguments:
        draw: makes a picture of the result.

    Raises:
        ServiceError: a package of an extra is missing; for pictures that is found before measuring.
    """
    from rich.console import Console
    from rich.table import Table

    with extras(), Console(stderr=True).status("starting") as status:
        if draw:
            import matplotlib  # noqa: F401
        result = measure(status.update)
        if draw:
            draw(result)
    if as_json:
        typer.echo(json.dumps(result, indent=1))
        return
    table = Table("claim", "measured", "target", "", title=f"serein score {result['name']}")
    for row in result["criteria"]:
        mark = "[green]holds[/green]" if row["holds"] else "[red]fails[/red]"
        table.add_row(row["id"], "-" if row["value"] is None else f"{row['value']:.3f}", row["target"], mark)
    Console().print(table)


@contextmanager
def extras() -> Iterator[None]:
    """Says how to install what is missing."""
    from app.cli.client import ServiceError

    try:
        yield
    except ModuleNotFoundError as missing:
        what = (
            "--no-deps azula" if (missing.name or "").startswith("azula") else "-e '.[peers,train,simulate]'"
        )
        raise ServiceError(f"{missing}: pip install -c constraints.txt {what}") from None


def numbers(option: str, text: str) -> list[int]:
    """Positive whole numbers, separated by commas.

    Raises:
        ServiceError: they are not; names the option.
    """
    from app.cli.client import ServiceError

    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ServiceError(f"{option} takes positive whole numbers such as 8,16, not {text!r}")
    return [int(part) for part in parts]
