"""`serein simulate earth`: years of weather from a small general circulation model, to train a prior on."""

from pathlib import Path
from typing import Annotated, Literal

import typer

NAME = "earth"


def command(
    out: Annotated[Path, typer.Option(help="The Zarr store; an interrupted run in it goes on.")] = Path(
        "earth.zarr"
    ),
    years: Annotated[int, typer.Option(min=1, help="How many, after 120 days of spin-up.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise that the atmosphere starts from.")] = 0,
    diffusion: Annotated[
        Literal["weak", "default"], typer.Option(help="Weak: errors double in 3.6 days; default: in 5.4.")
    ] = "weak",
    truncation: Annotated[Literal["21", "31"], typer.Option(help="21: 32 x 64 points; 31: 48 x 96.")] = "21",
    step_minutes: Annotated[int, typer.Option(help="Time step: 30, or 60 for half the cost.")] = 30,
) -> None:
    """Simulate the atmosphere: wind, temperature and humidity on eight levels, every six hours.

    A year takes two minutes on one core at truncation 21, and 300 MB. The run can be interrupted at any time;
    the same command goes on. There is no diurnal cycle, and the sea surface is the same every year.

    Needs the extra `simulate`: pip install -c constraints.txt -e '.\\[simulate]'

    Example: serein simulate earth --years 30 --out training.zarr
    """
    from rich.console import Console
    from rich.progress import Progress

    from app.cli.client import ServiceError

    try:
        from models.simulation.earth import Earth
    except ModuleNotFoundError as error:
        install = "pip install -c constraints.txt -e '.[simulate]'"
        raise ServiceError(f"the extra `simulate` is not installed ({error}): {install}") from None
    from models.simulation.archive import simulate

    console = Console()
    try:
        with console.status("building the model"):
            earth = Earth(int(truncation), diffusion, step_minutes)
        with Progress(console=console) as bar:
            task = bar.add_task("days", total=None)
            simulate(
                earth, out, years, seed, lambda done, total: bar.update(task, completed=done, total=total)
            )
    except (OSError, ValueError, FloatingPointError) as error:
        raise ServiceError(str(error)) from None
    console.print(f"{years} year(s), every six hours, in {out}")
