"""`serein priors`: what the service can start from."""

from typing import Annotated, Any

import typer

from app.cli.options import Url

NAME = "priors"


def command(
    name: Annotated[str | None, typer.Argument(help="Show the whole card of this prior.")] = None,
    url: Url = None,
) -> None:
    """List the priors: region, fields, time step, and what they were trained on.

    A prior is what Serein knows of the weather before it sees an observation.

    Example: serein priors europe
    """
    from rich.console import Console
    from rich.table import Table

    from app.cli.client import Service

    console = Console()
    service = Service(url)
    if name:
        console.print_json(data=service.get(f"/priors/{name}"))
        return
    table = Table("prior", "region", "fields", "every", "valid at", title=f"Priors at {service.url}")
    cards = service.get("/priors")["priors"]
    for card in cards:
        state = card["state"]
        lat, lon = state["latitude"], state["longitude"]
        table.add_row(
            f"[bold]{card['name']}[/bold]\n{card['title']}",
            f"{_degrees(lat[-1], 'NS')} to {_degrees(lat[0], 'NS')}\n{_degrees(lon[0], 'EW')} to "
            f"{_degrees(lon[-1], 'EW')}\n{len(lat)} x {len(lon)} points",
            ", ".join(state["channels"]),
            f"{state['step_hours']:g} h",
            " ".join(f"{hour:02d}" for hour in card["valid_hours"]) + " UTC",
        )
    console.print(table)
    for card in cards:
        text = f"[bold]{card['name']}[/bold], trained on: {'; '.join(origin(card['data']))}"
        console.print(text, soft_wrap=True, highlight=False)  # never cut: attribution is owed in full


def origin(data: dict[str, Any]) -> list[str]:
    """Source, years of training, licence and attribution, as far as the card says."""
    trained = data.get("years", {}).get("train", [])
    lines = [data.get("source"), _spans(trained), data.get("licence"), data.get("attribution")]
    return [str(line) for line in lines if line]


def _spans(years: list[int]) -> str:
    """ "2000-2006, 2009" from a list of years."""
    starts = [year for year in years if year - 1 not in years]
    ends = [year for year in years if year + 1 not in years]
    pairs = zip(sorted(starts), sorted(ends), strict=True)
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in pairs)


def _degrees(value: float, signs: str) -> str:
    return f"{abs(value):g}°{signs[0] if value >= 0 else signs[1]}"
