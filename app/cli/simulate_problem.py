"""`serein simulate problem PRIOR`: a classical problem runs and is observed: reports, and the truth."""

from pathlib import Path
from typing import Annotated

import typer

NAME = "problem"


def command(
    prior: Annotated[str, typer.Argument(help="Prior of the problem: lorenz63, lorenz96 ...")],
    out: Annotated[Path, typer.Option(help="Where the reports go (CSV).")] = Path("reports.csv"),
    truth: Annotated[Path, typer.Option(help="Where the truth goes (NetCDF).")] = Path("truth.nc"),
    network: Annotated[
        Path | None, typer.Option(help="CSV of stations, as of serein osse; an example if not given.")
    ] = None,
    start: Annotated[str, typer.Option(help="First state, UTC.")] = "2000-01-01T00:00Z",
    states: Annotated[int, typer.Option(min=0, help="How many; 0: as many as the prior analyses.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of trajectory and noise.")] = 0,
) -> None:
    """Run the model of a classical problem, and observe it with noise.

    The reports are submitted like any others; the truth is what the ensemble can be compared with.

    Example: serein simulate problem lorenz96 && serein submit reports.csv --prior lorenz96 --watch
    """
    from rich.console import Console

    from app.cli.client import ServiceError
    from app.cli.osse import COLUMNS, REPORT, read_network

    console = Console()
    with console.status("running the model"):
        import pandas as pd

        from models import osse
        from models.classical.simulate import simulate, the_problem
        from models.prior.card import load_card

        try:
            card = load_card(prior)
            the_problem(card)
            stations = osse.example_network(card) if network is None else read_network(network)
            if missing := [name for name in COLUMNS if name not in stations]:
                raise ServiceError(f"{network} lacks the column(s) {', '.join(missing)}")
            first, step = pd.Timestamp(start), pd.Timedelta(hours=card.state.step_hours)
            first = first.tz_localize("UTC") if first.tzinfo is None else first.tz_convert("UTC")
            times = pd.date_range(first, periods=states or card.window, freq=step).as_unit("ns")
            osse.demand(card, stations, [str(time) for time in times], next(iter(card.presets)))
            reports, trajectory = simulate(card, stations, times, seed)
            reports[list(REPORT)].to_csv(out, index=False)
            trajectory.to_netcdf(truth)
        except (LookupError, OSError, ValueError) as error:
            raise ServiceError(str(error)) from None
    console.print(f"{len(reports)} reports of {len(times)} states in {out}, the truth in {truth}")
    console.print(f"analyse them: serein submit {out} --prior {prior} --watch", highlight=False)
