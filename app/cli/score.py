"""`serein score NAME`: the measured claims, measured again."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli import score_earth, score_oracles
from app.cli.scoreboard import Json, Quick, extras, numbers, show

group = typer.Typer(no_args_is_help=True, help="Measure the claims of the README again.")


@group.callback()
def several() -> None:
    """Measure the claims again, each by a command of its own."""


for command in score_oracles.COMMANDS:
    group.command()(command)
group.command()(score_earth.earth)
group.command()(score_earth.samples)


@group.command()
def europe(
    data: Annotated[Path, typer.Option(help="Folder of the reports and the test states.")],
    dates: Annotated[
        str, typer.Option(help="Consecutive days, analysed at 12 UTC; synop_YYYYMMDD.csv.gz is looked for.")
    ] = "2019-02-17,2019-02-18",
    networks: Annotated[
        str | None, typer.Option(help="Numbers of SYNOPs that are kept: 500,50,20,10 if not given.")
    ] = None,
    members: Annotated[
        int | None, typer.Option(min=4, help="Members of each ensemble: 32 if not given.")
    ] = None,
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
    show(lambda say: board.score(options, say), as_json)


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

    from app.scoreboard import lorenz as board

    torch.set_num_threads(1)  # windows are small: threads would wait for each other
    options = board.Options(
        setups=["lorenz63"] if quick else setups.split(","),
        seeds=[int(s) for s in (seeds[:1] if quick else seeds).split(",")],
        analyses=analyses or (10 if quick else None),
        members=members or (8 if quick else None),
        quick=quick,
    )
    show(lambda say: board.score(options, say), as_json)


@group.command()
def kolmogorov(
    experiments: Annotated[
        str, typer.Option(help="Of coarse, sparse, saturating.")
    ] = "coarse,sparse,saturating",
    presets: score_oracles.Some = None,
    seeds: Annotated[str, typer.Option(help="Of the trajectories to find.")] = "1,2",
    members: Annotated[int | None, typer.Option(help="Of each ensemble: 8 if not given.")] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw truth, observations and two members into this PNG or SVG.")
    ] = None,
    as_json: Json = False,
    quick: Quick = False,
) -> None:
    """SDA's three experiments with Kolmogorov flow, beside climatology and optimal interpolation.

    Example: serein score kolmogorov --experiments sparse --presets fast
    """
    import torch

    from app.scoreboard import kolmogorov as board
    from app.scoreboard import kolmogorov_plot

    torch.set_num_threads(1)  # seconds are those of one core
    options = board.Options(
        experiments=["sparse"] if quick else experiments.split(","),
        presets=score_oracles.chosen(presets, ["fast"] if quick else score_oracles.ALL),
        seeds=[int(s) for s in (seeds[:1] if quick else seeds).split(",")],
        members=members or (4 if quick else 8),
        free=2 if quick else 8,
    )
    pictures: list[board.Picture] = []
    draw = (lambda _: kolmogorov_plot.draw(pictures, plot)) if plot else None
    show(lambda say: board.score(options, say, pictures.append if plot else None), as_json, draw)


@group.command()
def cost(
    problems: Annotated[
        str, typer.Option(help="Of lorenz96, lorenz96-sparse, europe.")
    ] = "lorenz96,lorenz96-sparse,europe",
    data: Annotated[Path | None, typer.Option(help="Folder of the test states; only for europe.")] = None,
    windows: Annotated[int | None, typer.Option(help="Of each problem: 64 if not given.")] = None,
    members: Annotated[int | None, typer.Option(help="Of each window: 4 if not given.")] = None,
    seed: Annotated[int, typer.Option(help="Of truth, observations and samplers.")] = 1,
    azula_steps: Annotated[str, typer.Option(help="Steps of azula's samplers.")] = "8,16,32,64",
    sda_steps: Annotated[str, typer.Option(help="Steps with SDA's guidance.")] = "16,64,256",
    plot: Annotated[Path | None, typer.Option(help="Draw the fronts into this PNG or SVG.")] = None,
    as_json: Json = False,
    quick: Quick = False,
) -> None:
    """CRPS against cost: our presets beside azula's MMPS and SDA's diagonal guidance.

    Example: serein score cost --data data --plot cost.svg
    """
    import torch

    from app.cli.client import ServiceError

    torch.set_num_threads(1)  # seconds are those of one core
    with extras():
        from app.scoreboard import cost as board
        from app.scoreboard import cost_plot
    options = board.Options(
        problems=["lorenz96"] if quick else problems.split(","),
        data=data,
        windows=windows or (2 if quick else 64),
        members=members or (2 if quick else 4),
        seed=seed,
        steps=(4, 8) if quick else board.Options.steps,
        azula_steps=[4] if quick else numbers("--azula-steps", azula_steps),
        azula_iterations=(1, 2) if quick else board.Options.azula_iterations,
        sda_steps=[8] if quick else numbers("--sda-steps", sda_steps),
        published=not quick,
    )
    try:
        board.check(options)
    except (ValueError, FileNotFoundError) as error:
        raise ServiceError(str(error)) from None

    draw = (lambda result: cost_plot.draw(result, plot)) if plot else None
    show(lambda say: board.score(options, say), as_json, draw)


@group.command()
def sbc(
    problems: Annotated[
        str, typer.Option(help="Of gaussian, lorenz96, lorenz96-forcing, kolmogorov-reynolds, europe.")
    ] = "gaussian,lorenz96,lorenz96-forcing,kolmogorov-reynolds,europe",
    data: Annotated[Path | None, typer.Option(help="Folder of the test states; only for europe.")] = None,
    presets: Annotated[str | None, typer.Option(help="If not those of each problem.")] = None,
    windows: Annotated[int | None, typer.Option(help="Of each problem, if not its own number.")] = None,
    members: Annotated[int | None, typer.Option(help="Of each window, if not the problem's.")] = None,
    seed: Annotated[int, typer.Option(help="Of truths, observations and samplers.")] = 0,
    truths: Annotated[
        str, typer.Option(help="From the prior, from the simulator (europe: the test year), or both.")
    ] = "prior,simulator",
    plot: Annotated[Path | None, typer.Option(help="Draw the histograms into this PNG or SVG.")] = None,
    as_json: Json = False,
    quick: Quick = False,
) -> None:
    """Simulation-based calibration: are the ranks of truths among members uniform?

    Example: serein score sbc --problems lorenz96-forcing --plot ranks.svg
    """
    import torch

    from app.cli.client import ServiceError
    from app.scoreboard import sbc as board
    from app.scoreboard import sbc_plot

    torch.set_num_threads(1)  # windows are small: threads would wait for each other
    options = board.Options(
        problems=["gaussian", "lorenz96-forcing"] if quick else problems.split(","),
        presets=score_oracles.chosen(presets, ["fast"]) if presets or quick else None,
        windows=windows or (20 if quick else None),
        members=members or (3 if quick else None),
        seed=seed,
        data=data,
        sources=["prior"] if quick else truths.split(","),
    )
    if unknown := set(options.problems) - set(board.TRIALS):
        raise ServiceError(f"no problem {', '.join(sorted(unknown))}: there is {', '.join(board.TRIALS)}")

    draw = (lambda result: sbc_plot.plot(result["detail"]["runs"], plot)) if plot else None
    show(lambda say: board.score(options, say), as_json, draw)


@group.command()
def scale(
    observations: Annotated[
        str, typer.Option(help="How many, at 8 members.")
    ] = "100,1000,10000,100000,1000000",
    members: Annotated[str, typer.Option(help="How many, at 1000 observations.")] = "1,4,16,64",
    plot: Annotated[Path | None, typer.Option(help="Draw memory and time into this PNG or SVG.")] = None,
    as_json: Json = False,
    quick: Quick = False,
) -> None:
    """Memory and time against observations and members; members alone, in a batch and by two processes.

    Example: serein score scale --observations 100,10000 --plot scale.svg
    """
    from app.scoreboard import scale as board

    options = board.Options(
        observations=[100] if quick else numbers("--observations", observations),
        members=[1] if quick else numbers("--members", members),
        few=2 if quick else 8,
    )
    draw = (lambda result: board.plot(result["detail"], plot)) if plot else None
    show(lambda say: board.score(options, say), as_json, draw)
