"""`serein watch JOB`: live progress in the terminal."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import Url

if TYPE_CHECKING:
    from rich.console import Console

    from app.cli.client import Service

NAME = "watch"


def command(
    job: Annotated[str, typer.Argument(help="Number of the job, or its address.")], url: Url = None
) -> None:
    """Follow an analysis until it ends, then print its certificate.

    χ² is the misfit to the observations in units of their errors: near 1 is right, well above 1 the ensemble
    does not fit them, well below 1 it fits their noise.

    Example: serein watch 0b6cde5e-4f0f-4a54-9e0e-3f1c6cbd1c51
    """
    from rich.console import Console

    from app.cli.client import Service

    raise typer.Exit(follow(Service(url), job.rstrip("/").rpartition("/")[2], Console()))


def follow(service: "Service", job_id: str, console: "Console") -> int:
    """Show a job's progress until it ends. Returns 0 where it succeeded, else 1, having said why."""
    from app.cli.show import show_certificate, show_links

    show_progress(service.events(job_id), console)
    job = service.job(job_id)
    if job["status"] == "successful":
        show_certificate(service.get(f"/ensembles/{job_id}/certificate.json"), console)
        show_links(service, job_id, console)
        return 0
    problem = job.get("problem") or {}
    console.print(f"[bold red]{job['status']}[/bold red] {problem.get('detail') or job.get('message') or ''}")
    return 1


def show_progress(events: Iterable[tuple[str, dict[str, Any]]], console: "Console") -> None:
    """A bar with stage, noise level, chi2 and the time left, fed by (kind, data)."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("[bold]{task.description:<10}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("waiting", total=100, note="")
        for kind, data in events:
            if kind == "status":
                bar.update(task, description=data["status"], note=data.get("message") or "")
                if data["status"] == "successful":
                    bar.update(task, completed=100)
            if "progress" in data:
                bar.update(task, completed=data["progress"])
            if kind == "progress":
                bar.update(task, description=data.get("stage") or data.get("step") or "", note=note(data))
            elif kind == "step" and data.get("step"):
                bar.update(task, description=data["step"].partition("-")[0])


def note(data: dict[str, Any]) -> str:
    """One line on where the sampler is: "noise level 3/16 (σ 4.2)  χ² 1.03  about 20 s left"."""
    parts = []
    if data.get("levels"):
        sigma = f" (σ {data['sigma']:.3g})" if data.get("sigma") is not None else ""  # noqa: RUF001
        parts.append(f"noise level {data['level']}/{data['levels']}{sigma}")
    if data.get("chi2") is not None:
        parts.append(f"χ² {data['chi2']:.2f}")
    if data.get("eta_seconds") is not None:
        parts.append(f"about {data['eta_seconds']:.0f} s left")
    return "  ".join(parts)
