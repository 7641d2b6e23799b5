"""`serein train CONFIG`: make a prior."""

from pathlib import Path
from typing import Annotated

import typer

NAME = "train"


def command(
    config: Annotated[str, typer.Argument(help="A YAML file, or the name of a bundled configuration.")],
    data: Annotated[str, typer.Option(help="Training data: a NetCDF or GRIB file or a Zarr store.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; an interrupted run in it goes on.")] = Path(
        "runs"
    ),
    device: Annotated[str, typer.Option(help="For a prior of the Earth: cpu, cuda ...")] = "cpu",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 leaves the choice to torch.")] = 0,
) -> None:
    """Train a prior: autoencoder, climatology, denoiser.

    The run can be interrupted at any time; the same command goes on. Losses are logged to log.jsonl and
    plotted to losses.png in the run's folder. The prior is written to RUN/prior; let SEREIN_PRIORS name the
    folder RUN and every command and the service can use it.

    Example: serein train europe --data era_interim_europe_daily.nc
    """
    import torch
    from rich.console import Console
    from rich.progress import Progress

    from app.cli.client import ServiceError
    from models.training.config import SphereConfig, load_config
    from models.training.plots import plot_losses
    from models.training.run import train_prior
    from models.training.sphere import train_sphere

    console = Console()
    if threads:
        torch.set_num_threads(threads)
    try:
        settings = load_config(config)
        run = out / settings.name
        with Progress(console=console) as bar:
            tasks = {
                stage: bar.add_task(stage, total=getattr(settings, stage).steps)
                for stage in ("autoencoder", "denoiser")
            }

            def reading(stage: str, percent: int) -> None:
                if stage not in tasks:
                    tasks[stage] = bar.add_task(stage, total=100)
                tick(stage, percent)

            def report(stage: str, row: dict[str, float]) -> None:
                plot_losses(run)
                bar.console.print(
                    f"{stage} {row['step']:.0f}: training {row['train']:.4f}, validation {row['loss']:.4f}",
                    highlight=False,
                )

            def tick(stage: str, step: int) -> None:
                bar.update(tasks[stage], completed=step)

            if isinstance(settings, SphereConfig):
                prior = train_sphere(settings, data, run, report, tick, reading, device)
            else:
                prior = train_prior(settings, data, run, report, tick)
    except (OSError, ValueError, FloatingPointError) as error:
        raise ServiceError(str(error)) from None
    console.print(f"the prior is in {prior.card.folder}")
