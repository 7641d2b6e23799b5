"""`serein train CONFIG`: make a prior."""

from pathlib import Path
from typing import Annotated

import typer

NAME = "train"


def command(
    config: Annotated[str, typer.Argument(help="A YAML file, or the name of a bundled configuration.")],
    data: Annotated[
        str,
        typer.Option(help="Training data: a NetCDF or GRIB file, or a Zarr store, also at s3:// or gs://."),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the run; an interrupted run in it goes on.")] = Path(
        "runs"
    ),
    device: Annotated[str, typer.Option(help="For a prior of the Earth: cpu, cuda ...")] = "cpu",
    static: Annotated[
        str | None, typer.Option(help="Another data set, with orography and lsm, where --data has none.")
    ] = None,
    member: Annotated[int | None, typer.Option(help="Which member of an ensemble to train on.")] = None,
    accumulate: Annotated[
        int, typer.Option(min=1, help="Parts in which a batch is computed, where memory is small.")
    ] = 1,
    recompute: Annotated[
        bool, typer.Option(help="Keep fewer activations and compute them again: less memory, more time.")
    ] = False,
    bfloat16: Annotated[
        bool, typer.Option(help="Compute in bfloat16 on the CPU: faster where it can, a little less exact.")
    ] = False,
    compile: Annotated[bool, typer.Option(help="Compile the networks with torch.compile.")] = False,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 leaves the choice to torch.")] = 0,
) -> None:
    """Train a prior: autoencoder, climatology, denoiser, and a forecaster if the configuration has one.

    The run can be interrupted at any time; the same command goes on. Losses are logged to log.jsonl and
    plotted to losses.png in the run's folder. The prior is written to RUN/prior; let SEREIN_PRIORS name the
    folder RUN and every command and the service can use it.

    A prior of the Earth can be trained by several processes, each of which takes its share of every batch:
    torchrun --nproc-per-node 8 -m app.cli train CONFIG --data DATA --device cuda. What a run needs is said
    by serein plan.

    Example: serein train europe --data era_interim_europe_daily.nc
    """
    import torch
    from rich.console import Console
    from rich.progress import Progress

    from app.cli.client import ServiceError
    from models.training.accelerator import Machine
    from models.training.config import SphereConfig, load_config
    from models.training.plots import plot_losses
    from models.training.processes import joined
    from models.training.run import train_prior
    from models.training.source import Source
    from models.training.sphere import train_sphere

    if threads:
        torch.set_num_threads(threads)
    source = Source(data, static, member)
    try:
        settings = load_config(config)
        run = out / settings.name
        with joined(device) as (processes, device):
            machine = Machine(device, bfloat16, accumulate, compile, recompute, processes)
            if machine != Machine() and not isinstance(settings, SphereConfig):
                raise ValueError(
                    f"{settings.name} is not of the whole Earth: one process on the CPU trains it, in float32"
                )
            console = Console(quiet=not processes.first)
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
                    losses = f"training {row['train']:.4f}, validation {row['loss']:.4f}"
                    bar.console.print(f"{stage} {row['step']:.0f}: {losses}", highlight=False)

                def tick(stage: str, step: int) -> None:
                    bar.update(tasks[stage], completed=step)

                if isinstance(settings, SphereConfig):
                    prior = train_sphere(settings, source, run, report, tick, reading, machine)
                else:
                    prior = train_prior(settings, source, run, report, tick)
            console.print(f"the prior is in {prior.card.folder}")
    except (OSError, ValueError, FloatingPointError) as error:
        raise ServiceError(str(error)) from None
