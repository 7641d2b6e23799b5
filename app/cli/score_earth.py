"""`serein score earth` and `samples`: the whole atmosphere, beside an LETKF that has its model."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.scoreboard import Json, Quick, Say, show


def earth(
    data: Annotated[
        Path | None,
        typer.Option(help="A run of two years, of serein simulate earth; without it no LETKF is run."),
    ] = None,
    networks: Annotated[
        str, typer.Option(help="Of sondes, surface, swath, all.")
    ] = "sondes,surface,swath,all",
    modes: Annotated[
        str, typer.Option(help="Of cold, cycled, forecast, smoother.")
    ] = "cold,cycled,forecast,smoother",
    windows: Annotated[int | None, typer.Option(min=1, help="Cold ones: 4 if not given.")] = None,
    first_day: Annotated[int, typer.Option(min=0, help="Of the run, from which on windows are cycled.")] = 0,
    days: Annotated[int | None, typer.Option(min=1, help="Cycled: 30 if not given, 5 without a run.")] = None,
    spin_up: Annotated[int | None, typer.Option(min=0, help="Of them, not counted: a third.")] = None,
    members: Annotated[
        int | None, typer.Option(min=4, help="Of the posterior, an even number: 16 if not given.")
    ] = None,
    following: Annotated[
        int | None, typer.Option(min=2, help="Of the ensemble beside it: 256 if not given.")
    ] = None,
    peers: Annotated[int, typer.Option(min=2, help="Members of the LETKFs.")] = 40,
    preset: Annotated[
        str | None, typer.Option(help="fast, balanced or careful; balanced, and fast in the short form.")
    ] = None,
    length: Annotated[float, typer.Option(help="Of the LETKFs' localisation, km.")] = 700.0,
    relaxation: Annotated[float, typer.Option(help="Of the LETKF to prior spread, 0 to 1.")] = 0.6,
    relaxation_another: Annotated[float, typer.Option(help="Of that with another model.")] = 0.9,
    seed: Annotated[int, typer.Option(min=0, help="Of observations and samplers.")] = 1,
    as_json: Json = False,
    quick: Quick = False,
) -> None:
    """The prior `earth-t21` beside optimal interpolation and LETKFs, where the truth is known everywhere.

    Cold: one window of 24 hours. Cycled: windows in a row, and an ensemble that the prior's forecaster
    takes from one to the next. Smoother: the same with a day of reports to come. Forecast: five days, from
    every other day. LETKFs need the extra `simulate`; some hours on two cores with all networks, minutes
    of them the LETKFs'.

    Example: serein simulate earth --years 2 --seed 1001 --out truth.zarr

             serein score earth --data truth.zarr --networks all --modes cold
    """
    import torch

    from app.cli.client import ServiceError
    from app.scoreboard import earth as board
    from app.scoreboard.earth_board import MODES, Options
    from models.ensemble.letkf import Tuning
    from models.simulation.networks import NETWORKS

    torch.set_num_threads(1)  # CPU seconds are those of one core
    chosen = ["surface"] if quick else networks.split(",")
    for option, given, known in (("network", chosen, NETWORKS), ("mode", modes.split(","), MODES)):
        if unknown := sorted(set(given) - set(known)):
            raise ServiceError(f"no {option} {', '.join(unknown)}: there is {', '.join(known)}")
    if members and members % 2:
        raise ServiceError(f"--members {members}: they come in pairs, so an even number")
    length_of_run = days or (1 if quick else 30 if data else 5)
    options = Options(
        data=data,
        networks=chosen,
        modes=["cold"] if quick else modes.split(","),
        windows=windows or (1 if quick else 4),
        first_day=first_day,
        days=length_of_run,
        spin_up=length_of_run // 3 if spin_up is None else spin_up,
        members=members or (4 if quick else 16),
        following=following or (24 if quick else Options.following),
        peers=peers,
        preset=preset or ("fast" if quick else "balanced"),
        tuning=Tuning(length, relaxation),
        another=Tuning(length, relaxation_another),
        seed=seed,
    )
    try:
        show(lambda say: board.score(options, say), as_json)
    except (FileNotFoundError, ValueError) as error:
        raise ServiceError(str(error)) from None


def samples(
    data: Annotated[Path, typer.Option(help="A run of a year or more, of serein simulate earth.")],
    members: Annotated[int | None, typer.Option(min=2, help="Per season: 8 if not given.")] = None,
    preset: Annotated[str, typer.Option(help="fast, balanced or careful.")] = "fast",
    seed: Annotated[int, typer.Option(min=0, help="Of the samples.")] = 1,
    plot: Annotated[Path | None, typer.Option(help="Draw the page into this PNG or SVG.")] = None,
    as_json: Json = False,
    quick: Quick = False,
) -> None:
    """Weather that the prior `earth-t21` makes up, four days at a time, beside that of the model.

    Spectra, the memory of a state, maps of mean and variance, storm tracks. Weather of the right size takes
    the preset careful, some 140 CPU seconds a member; fast is a first look, and has too little variance.

    Example: serein score samples --data truth.zarr --preset careful --members 4 --plot samples.png
    """
    import torch

    from app.cli.client import ServiceError
    from app.scoreboard import samples as board
    from app.scoreboard import samples_plot
    from models.prior.card import load_card

    torch.set_num_threads(1)
    options = board.Options(
        data, members or (2 if quick else 8), preset, seed, seasons=1 if quick else len(board.SEASONS)
    )
    found: dict[str, board.Weather] = {}

    def measure(say: Say) -> dict[str, object]:
        result, weather = board.score(options, say)
        found.update(weather)
        return result

    def draw(result: dict[str, object]) -> None:
        assert plot is not None  # noqa: S101, for the type checker
        samples_plot.draw(found, load_card(options.prior).state.grid, plot)

    try:
        show(measure, as_json, draw if plot else None)
    except (FileNotFoundError, ValueError) as error:
        raise ServiceError(str(error)) from None
