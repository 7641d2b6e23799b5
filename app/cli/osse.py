"""`serein osse`: are the settings honest for my network, before I trust them with real observations?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd

NAME = "osse"

COLUMNS = ("station_id", "latitude", "longitude", "elevation", "channel", "error", "kind")


def command(
    prior: Annotated[str, typer.Option(help="Prior to draw the truth from.")] = "europe",
    network: Annotated[
        Path | None, typer.Option(help="CSV of stations (columns: see above); an example if not given.")
    ] = None,
    times: Annotated[
        list[str] | None, typer.Option("--time", help="Analysis time (UTC); repeat for more.")
    ] = None,
    weather: Annotated[
        bool, typer.Option("--weather", help="With --out: observe weather that comes with the prior.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Write the simulated reports here (CSV) and stop.")] = None,
    draws: Annotated[int, typer.Option(min=1, help="Truths to draw and analyse.")] = 4,
    members: Annotated[int, typer.Option(min=3, help="Members of each analysis.")] = 16,
    preset: Annotated[str, typer.Option(help="fast, balanced or careful.")] = "balanced",
    seed: Annotated[int, typer.Option(help="Of truths and noise.")] = 0,
) -> None:
    """Observe draws of the prior with your network, analyse them, and compare with the known truth.

    A spread/skill of 1 and coverages of 50 and 90 % mean that the ensemble says honestly how wrong it is.
    What fails here, where prior and errors are exactly right, cannot work on real observations.

    The network is a CSV with columns station_id, latitude, longitude, elevation (m), channel (such as msl or
    z500), error (Pa, m2 s-2, K; empty for the prior's default) and kind (SYNOP, TEMP, ...).

    Example: serein osse --network stations.csv --draws 8

    Example: serein osse --out reports.csv    (reports to submit, made from one draw)

    Example: serein osse --prior earth-t21 --weather --out reports.csv    (of weather it has never seen)
    """
    from rich.console import Console
    from rich.progress import Progress

    from app.cli.client import ServiceError

    console = Console()
    with console.status("loading the prior"):
        from models import osse
        from models.prior.card import load_card
        from models.prior.prior import load_prior

        try:
            card = load_card(prior)
            when = times or osse.example_times(card)
            stations = osse.example_network(card) if network is None else read_network(network)
            if missing := [name for name in COLUMNS if name not in stations]:
                raise ServiceError(f"{network} lacks the column(s) {', '.join(missing)}")
            osse.demand(card, stations, when, preset)
            if weather and out is None:
                raise ServiceError("reports of weather are written and submitted: say where, with --out")
            if out is not None:
                if weather:
                    reports = osse.simulate_weather(card, stations, when, seed)
                else:
                    reports = osse.simulate(load_prior(card), stations, when, seed)
                reports[list(REPORT)].to_csv(out, index=False)
        except (LookupError, OSError, ValueError) as error:
            raise ServiceError(str(error)) from None
    if out is not None:
        console.print(f"{len(reports)} reports in {out}: now serein submit {out} --prior {prior}")
        return
    with Progress(console=console) as bar:
        task = bar.add_task("analysing", total=draws)
        scores = osse.check(
            load_prior(card),
            stations,
            when,
            draws=draws,
            members=members,
            preset=preset,
            seed=seed,
            progress=lambda done: bar.update(task, completed=done),
        )
    console.print(_table(scores, draws))


def read_network(network: Path) -> "pd.DataFrame":
    """The stations of a CSV; ValueError if it is none."""
    import pandas as pd

    try:
        return pd.read_csv(network)
    except ValueError as error:
        raise ValueError(f"{network} cannot be read as CSV: {error}") from None


REPORT = (
    "station_id",
    "time",
    "latitude",
    "longitude",
    "elevation",
    "pressure",
    "variable",
    "value",
    "error",
    "kind",
)


FEW_DRAWS = 4
"""Below so many, chance alone can make an honest ensemble look dishonest, and the other way round."""


def _table(scores: dict[str, dict[str, float]], draws: int) -> object:
    from rich.box import SIMPLE
    from rich.table import Table

    from models.observations.display import display_unit

    table = Table(
        *("field", "RMSE", "optimal\ninterp.", "clima-\ntology", "spread/\nskill"),
        *("50 %\ncovers", "90 %\ncovers", "verdict"),
        title="Against the known truth, everywhere on the grid",
        box=SIMPLE,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for channel, row in scores.items():
        unit, size = display_unit(channel.rstrip("0123456789"))
        honest = 0.85 <= row["spread_skill"] <= 1.15 and abs(row["coverage90"] - 0.9) <= 0.05
        errors = [f"{row[name] / size:.2f}" for name in ("rmse", "oi_rmse", "climatology_rmse")]
        shares = [f"{100 * row[name]:.0f} %" for name in ("coverage50", "coverage90")]
        verdict = "[green]honest[/green]" if honest else "[yellow]look closer[/yellow]"
        if draws < FEW_DRAWS:
            verdict = "more draws"
        table.add_row(f"{channel}, {unit}", *errors, f"{row['spread_skill']:.2f}", *shares, verdict)
    return table
