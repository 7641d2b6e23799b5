"""`serein score oracle`, `mixture` and `nonlinear`: the presets where the posterior is known."""

from typing import Annotated

import typer

from app.cli.scoreboard import Json, Quick, show

Members = Annotated[int | None, typer.Option(help="Of each problem: 1024 (mixture: 4096) if not given.")]
Presets = Annotated[str, typer.Option(help="Presets of the sampler to measure.")]
Seed = Annotated[int, typer.Option(help="Of the problem (the first, of several).")]
ALL = "fast,balanced,careful"


def oracle(
    members: Members = None,
    presets: Presets = ALL,
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
        presets=["fast"] if quick else presets.split(","),
        seed=seed,
    )
    show(lambda say: board.score(options, say), as_json)


def mixture(
    members: Members = None,
    presets: Presets = ALL,
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
        presets=["fast", "balanced"] if quick else presets.split(","),
        problems=1 if quick else 4,
        seed=seed,
    )
    show(lambda say: board.score(options, say), as_json)


def nonlinear(
    members: Members = None,
    presets: Presets = ALL,
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
        presets=["fast", "balanced"] if quick else presets.split(","),
        instruments=["speed"] if quick else board.Options.instruments,
        seed=seed,
    )
    show(lambda say: board.score(options, say), as_json)


COMMANDS = (oracle, mixture, nonlinear)
