"""`serein plan CONFIG`: what training a prior needs."""

import json
import math
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from models.training.plan import Plan

NAME = "plan"


def command(
    config: Annotated[str, typer.Argument(help="A YAML file, or the name of a bundled configuration.")],
    at_once: Annotated[int, typer.Option(min=1, help="States or windows computed at once on a device.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say what training a prior of the Earth needs: weights, tokens, memory, operations, disk.

    A step of each stage is run on tensors that have shapes but no values, and what it does is counted:
    operations of multiplying matrices, forward and back, and the memory held at once, by torch without
    compiling, in bfloat16. It takes some seconds and no accelerator.

    Example: serein plan era5-0p25
    """
    import warnings

    from rich.console import Console

    from app.cli.client import ServiceError
    from models.training.config import SphereConfig, load_config
    from models.training.plan import plan

    try:
        settings = load_config(config)
        if not isinstance(settings, SphereConfig):
            raise ValueError(f"{settings.name} is not of the whole Earth: it trains on any computer")
        with warnings.catch_warnings():  # kernels that no values are computed with
            warnings.filterwarnings("ignore", "Mismatch dtype between input and weight")
            found = plan(settings, at_once)
    except ValueError as error:
        raise ServiceError(str(error)) from None
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=1))
        return
    console = Console()
    for table in (_sizes(found), _stages(found)):
        console.print(table)


def _sizes(plan: "Plan") -> "Table":
    from rich.table import Table

    table = Table(title=plan.name, box=None, show_header=False, title_justify="left")
    ratio = math.prod(plan.state) / math.prod(plan.latent)
    tokens = plan.stage("denoiser").tokens
    for row in (
        ("a state", " x ".join(map(str, plan.state))),
        ("its latents", f"{' x '.join(map(str, plan.latent))}, {ratio:.1f} times fewer numbers"),
        ("tokens of a window", f"{tokens:,}"),
        ("states a year", f"{plan.states_per_year:,}"),
        ("read from the source, a year", f"{_of(plan.source_bytes, 'B')} (float32, before compression)"),
        (
            "kept on disk, a year",
            f"{_of(plan.copy_bytes, 'B')} states, {_of(plan.latent_bytes, 'B')} latents",
        ),
        ("modes of the Climatology", f"{_of(plan.climatology_bytes, 'B')} in memory"),
    ):
        table.add_row(*row)
    return table


def _stages(plan: "Plan") -> "Table":
    from rich.table import Table

    at_once = plan.stages[0].at_once
    table = Table("stage", box=None, title=f"training, {at_once} at once on a device", title_justify="left")
    for name in ("weights", "batch", "FLOP a step", "steps", "FLOP in all", "memory"):
        table.add_column(name, justify="right")
    for stage in plan.stages:
        table.add_row(
            f"{stage.name}, --recompute" if stage.recompute else stage.name,
            _of(stage.parameters, ""),
            str(stage.batch),
            _of(stage.flop, ""),
            f"{stage.steps:,}",
            _of(stage.flop * stage.steps, ""),
            _of(stage.memory, "B"),
        )
    return table


def _of(value: float, unit: str) -> str:
    """With three figures and a decimal prefix."""
    power = min(int(math.log10(value) // 3), 7) if value >= 1 else 0
    return f"{value / 1000**power:.3g} {' kMGTPEZ'[power].strip()}{unit}".strip()
