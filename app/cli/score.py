"""`serein score NAME`: the measured claims, measured again."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

group = typer.Typer(no_args_is_help=True, help="Measure the claims of the README again.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quick = Annotated[bool, typer.Option("--quick", help="A short form, for continuous integration.")]


@group.callback()
def several() -> None:
    """Measure the claims again, each by a command of its own."""


@group.command()
def europe(
    data: Annotated[Path, typer.Option(help="Folder of the reports and the test states.")],
    dates: Annotated[
        str, typer.Option(help="Consecutive days, analysed at 12 UTC; synop_YYYYMMDD.csv.gz is looked for.")
    ] = "2019-02-17,2019-02-18",
    networks: Annotated[
        str | None, typer.Option(help="Numbers of SYNOPs that are kept: 500,50,20,10 if not given.")
    ] = None,
    members: Annotated[int | None, typer.Option(help="Members of each ensemble: 32 if not given.")] = None,
    preset: Annotated[str | None, typer.Option(help="fast, balanced (if not given) or careful.")] = None,
    seeds: Annotated[str, typer.Option(help="Seeds to repeat each analysis with.")] = "0",
    twin_dates: Annotated[
        int | None, typer.Option(help="Test states for the twin part, 12 if not given; 0 leaves it out.")
    ] = None,
    as_json: Json = False,
    quick: Quick = False,
) -> None:
    """The prior `europe` beside climatology, nearest station and optimal interpolation.

    On real reports, verified at withheld stations, and on test states whose truth is known everywhere.

    Example: serein score europe --data data --networks 50,10
    """
    from app.scoreboard import europe as board

    options = board.Options(
        data=data,
        dates=dates.split(","),
        networks=[int(n) for n in (networks or ("50" if quick else "500,50,20,10")).split(",")],
        members=members or (8 if quick else 32),
        preset=preset or ("fast" if quick else "balanced"),
        twin_dates=(1 if quick else 12) if twin_dates is None else twin_dates,
        seeds=[int(s) for s in seeds.split(",")],
    )
    _show(lambda say: board.score(options, say), as_json)


@group.command()
def lorenz(
    setups: Annotated[
        str, typer.Option(help="Of lorenz63, lorenz96, lorenz96-sparse.")
    ] = "lorenz63,lorenz96,lorenz96-sparse",
    seeds: Annotated[str, typer.Option(help="Of truth and observations.")] = "1,2,3,4,5",
    analyses: Annotated[int | None, typer.Option(help="Per seed: the setup's if not given.")] = None,
    members: Annotated[int | None, typer.Option(help="Of each ensemble: the setup's if not given.")] = None,
    as_json: Json = False,
    quick: Quick = False,
) -> None:
    """Lorenz-63 and Lorenz-96 beside DAPPER's filters (extra `peers`), same truth, same observations.

    Example: serein score lorenz --setups lorenz63 --seeds 1,2
    """
    import torch

    from app.cli.client import ServiceError
    from app.scoreboard import lorenz as board

    torch.set_num_threads(1)  # windows are small: threads would wait for each other
    options = board.Options(
        setups=["lorenz63"] if quick else setups.split(","),
        seeds=[int(s) for s in (seeds[:1] if quick else seeds).split(",")],
        analyses=analyses or (10 if quick else None),
        members=members or (8 if quick else None),
        quick=quick,
    )
    try:
        _show(lambda say: board.score(options, say), as_json)
    except ModuleNotFoundError as missing:
        raise ServiceError(f"{missing}: pip install -c constraints.txt -e '.[peers]'") from None


Presets = Annotated[str, typer.Option(help="Presets of the sampler to measure.")]


@group.command()
def oracle(
    members: Annotated[int | None, typer.Option(help="Members of each ensemble: 1024 if not given.")] = None,
    presets: Presets = "fast,balanced,careful",
    seed: Annotated[int, typer.Option(help="Of the problem (the first, of several).")] = 0,
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
    _show(lambda say: board.score(options, say), as_json)


@group.command()
def mixture(
    members: Annotated[int | None, typer.Option(help="Samples of each problem: 4096 if not given.")] = None,
    presets: Presets = "fast,balanced,careful",
    seed: Annotated[int, typer.Option(help="Of the problem (the first, of several).")] = 0,
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
    _show(lambda say: board.score(options, say), as_json)


def _show(measure: Any, as_json: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    with Console(stderr=True).status("starting") as status:
        result = measure(status.update)
    if as_json:
        typer.echo(json.dumps(result, indent=1))
        return
    table = Table("claim", "measured", "target", "", title=f"serein score {result['name']}")
    for row in result["criteria"]:
        mark = "[green]holds[/green]" if row["holds"] else "[red]fails[/red]"
        table.add_row(row["id"], f"{row['value']:.3f}", row["target"], mark)
    Console().print(table)
