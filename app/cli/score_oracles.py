"""`serein score oracle`, `mixture` and `nonlinear`: the presets where the posterior is known."""

from typing import Annotated

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


def oracle(
    members: Members = None,
    presets: Some = None,
    seed: Seed = 0,
    as_json: Json = False,
    quick: Quick = False,
) -> None:
    """The presets on a Gaussian problem in 1536 dimensions whose posterior is known in closed form.

    Example: serein score oracle --presets fast
    """
    from app.scoreboard import oracle as board

    options = board.Options(
        members=members or (64 if quick else 1024),
        presets=chosen(presets, ["fast"] if quick else ALL),
        seed=seed,
    )
    show(lambda say: board.score(options, say), as_json)


def mixture(
    members: Members = None,
    presets: Some = None,
    seed: Seed = 0,
    as_json: Json = False,
    quick: Quick = False,
) -> None:
    """The presets where the posterior has several modes whose weights are known.

    Example: serein score mixture --presets balanced
    """
    from app.scoreboard import mixture as board

    options = board.Options(
        members=members or (400 if quick else 4096),
        presets=chosen(presets, ["fast", "balanced"] if quick else ALL),
        problems=1 if quick else 4,
        seed=seed,
    )
    show(lambda say: board.score(options, say), as_json)


def nonlinear(
    members: Members = None,
    presets: Some = None,
    seed: Seed = 0,
    as_json: Json = False,
    quick: Quick = False,
) -> None:
    """The presets where observations are not linear: wind speeds, and an instrument that saturates.

    Example: serein score nonlinear --presets balanced
    """
    from app.scoreboard import nonlinear as board

    options = board.Options(
        members=members or (100 if quick else 1024),
        presets=chosen(presets, ["fast", "balanced"] if quick else ALL),
        instruments=["speed"] if quick else board.Options.instruments,
        seed=seed,
    )
    show(lambda say: board.score(options, say), as_json)


COMMANDS = (oracle, mixture, nonlinear)
