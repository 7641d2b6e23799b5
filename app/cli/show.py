"""Certificates and results on the terminal."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from app.cli.client import Service

METHODS = {
    "ensemble": "this ensemble",
    "optimal_interpolation": "optimal interpolation",
    "nearest_station": "nearest station",
    "climatology": "climatology",
}


def show_certificate(certificate: dict[str, Any], console: "Console") -> None:
    """The ensemble beside the simple methods, at the stations it has not seen; one block per field."""
    console.print(f"\n[bold]Certificate[/bold]: {summary(certificate)}", highlight=False)
    if certificate["channels"]:
        show_scores(certificate["channels"], console)
    for note in certificate.get("notes") or []:
        console.print(f"[yellow]note[/yellow] {note}", highlight=False)


def summary(certificate: dict[str, Any]) -> str:
    """What was compared with what; an ensemble that could not be verified has fewer numbers."""
    text = f"{certificate['members']} members"
    if stations := certificate.get("withheld_stations"):
        text += f" against {certificate['withheld']} withheld observations of {stations} stations"
    else:
        text += ", of whose errors nothing can be said"
    if "assimilated" in certificate:
        used = "were used, counting reports that share a grid cell and an hour as one"
        text += f"; {certificate['assimilated']} {used}"
    return text


def show_scores(channels: dict[str, Any], console: "Console") -> None:
    """The table, and what its columns mean."""
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table("field", "method", box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("RMSE", "CRPS", "inside\n50 %", "inside\n90 %", "spread/\nskill"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, part in channels.items():
        scores = part["scores"]
        if not scores:
            table.add_row(f"[bold]{name}[/bold]", "[dim]nothing was withheld[/dim]", end_section=True)
        for position, (method, score) in enumerate(scores.items()):
            style = "bold" if method == "ensemble" else ""
            table.add_row(
                (f"[bold]{name}[/bold]", f"[dim]{part['unit']}, n {part['n']}[/dim]", "")[min(position, 2)],
                METHODS.get(method, method),
                *(number(score.get(key), 2) for key in ("rmse", "crps")),
                *(percent(score.get(key)) for key in ("coverage50", "coverage90")),
                number(score.get("spread_skill"), 2),
                style=style,
                end_section=position == len(scores) - 1,
            )
    console.print(table)
    console.print(
        "RMSE: typical error of the mean. CRPS: error of the whole distribution. Inside 50 % / 90 %: "
        "share of the observations within those intervals; honest is 50 and 90. Spread/skill: honest is 1.",
        style="dim",
        highlight=False,
    )


def number(value: float | None, digits: int) -> str:
    """A number, or a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def percent(value: float | None) -> str:
    """A share as percent, or a dash."""
    return "-" if value is None else f"{100 * value:.0f} %"


def show_links(service: "Service", job_id: str, console: "Console") -> None:
    """Where the ensemble is, and how to open it."""
    zarr = f"{service.url}/ensembles/{job_id}/ensemble.zarr"
    console.print("\n[bold]The ensemble[/bold]: open it in Python")
    console.print(f'  import xarray; xarray.open_zarr("{zarr}")', soft_wrap=True, highlight=False)
    console.print(f"[bold]A copy of everything[/bold]: serein fetch {job_id}", highlight=False)
    console.print(f"[bold]Maps[/bold]: {service.url}/#{job_id}", soft_wrap=True, highlight=False)
