"""`serein score oracle`, `mixture` and `nonlinear`: the presets where the posterior is known."""

import importlib
from collections.abc import Callable
from typing import Annotated, Any

import typer

from app.cli.scoreboard import Json, Quick, show

Members = Annotated[int | None, typer.Option(help="Of each problem: 1024 (mixture: 4096) if not given.")]
Some = Annotated[str | None, typer.Option("--presets", help="Of fast, balanced, careful; all if not given.")]
Seed = Annotated[int, typer.Option(help="Of the problem (the first, of several).")]
ALL = ["fast", "balanced", "careful"]


def chosen(presets: str | None, usual: list[str]) -> list[str]:
    """The presets that were asked for, or the usual ones.

    Raises:
        ServiceError: there is no such preset.
    """
    from app.cli.client import ServiceError

    names = presets.split(",") if presets else usual
    if unknown := sorted(set(names) - set(ALL)):
        raise ServiceError(f"no preset {', '.join(unknown)}: there is {', '.join(ALL)}")
    return names


def _command(name: str, text: str, short: dict[str, Any]) -> Callable[..., None]:
    """`serein score NAME`, of the board called so; `short`: its options in the short form."""

    def run(
        members: Members = None,
        presets: Some = None,
        seed: Seed = 0,
        as_json: Json = False,
        quick: Quick = False,
    ) -> None:
        board = importlib.import_module(f"app.scoreboard.{name}")
        settings = {"seed": seed} | (short if quick else {})
        settings |= {"members": members} if members else {}
        settings |= {"presets": chosen(presets, ALL)} if presets else {}
        show(lambda say: board.score(board.Options(**settings), say), as_json)

    run.__name__, run.__doc__ = name, text
    return run


COMMANDS = (
    _command(
        "oracle",
        "The presets on a Gaussian problem in 1536 dimensions whose posterior is known in closed form."
        "\n\nExample: serein score oracle --presets fast",
        {"members": 64, "presets": ["fast"]},
    ),
    _command(
        "mixture",
        "The presets where the posterior has several modes whose weights are known."
        "\n\nExample: serein score mixture --presets balanced",
        {"members": 400, "presets": ["fast", "balanced"], "problems": 1},
    ),
    _command(
        "nonlinear",
        "The presets where observations are not linear: wind speeds, and an instrument that saturates."
        "\n\nExample: serein score nonlinear --presets balanced",
        {"members": 100, "presets": ["fast", "balanced"], "instruments": ["speed"]},
    ),
)
