"""`serein submit FILE...`: observations in, an analysis started."""

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import Following, Url

if TYPE_CHECKING:
    from rich.console import Console

NAME = "submit"
CONTENT_TYPES = {
    ".csv": "text/csv",
    ".parquet": "application/vnd.apache.parquet",
    ".json": "application/json",
    ".bufr": "application/bufr",
}


def command(
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE...", help="Observation files.")] = None,
    kind: Annotated[str | None, typer.Option(help="Kind of report: SYNOP, TEMP, SHIP ...")] = None,
    columns: Annotated[str | None, typer.Option(help="Column map: JSON, or a file that holds it.")] = None,
    prior: Annotated[
        str | None, typer.Option(help="Prior to start from, of those that `serein priors` lists.")
    ] = None,
    batch_id: Annotated[
        str | None, typer.Option("--id", help="Name of the batch. Default: made of the file.")
    ] = None,
    batch: Annotated[
        list[str] | None, typer.Option(help="Also use this batch, uploaded before (repeatable).")
    ] = None,
    batch_only: Annotated[bool, typer.Option("--batch-only", help="Upload, but start no analysis.")] = False,
    start: Annotated[
        str | None, typer.Option(help="First state, e.g. 2019-02-17T12. Default: as observed.")
    ] = None,
    end: Annotated[str | None, typer.Option(help="Last state. Default: as observed.")] = None,
    members: Annotated[int, typer.Option(min=1, help="Members; fewer than three cannot be verified.")] = 32,
    preset: Annotated[str, typer.Option(help="fast, balanced or careful.")] = "balanced",
    likelihood: Annotated[
        str, typer.Option(help="gaussian; or huber or varqc, which believe reports less that do not fit.")
    ] = "gaussian",
    following: Following = 0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same ensemble.")] = 0,
    withheld: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of stations kept back to verify with.")
    ] = 0.3,
    stations: Annotated[
        list[str] | None, typer.Option(help="Keep so many of a kind: SYNOP=50 (repeatable).")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Follow the analysis until it ends.")] = False,
    url: Url = None,
) -> None:
    """Upload observation files and start an analysis of them.

    FILE is CSV, Parquet, JSON rows or BUFR (SYNOP, TEMP), gzipped or not, up to 128 MiB when unpacked (the
    service's SEREIN_MAX_UPLOAD_BYTES; split what is larger). Where a file's columns have names
    of their own, --columns says which variable or coordinate each one is, and in which unit; time, position
    and station are recognised by their usual names. For HARP / HIRLAM "vobs" files:

    [cyan]serein submit synop.csv.gz --kind SYNOP
    --columns '{"PS": {"variable": "msl", "unit": "hPa"}}'[/cyan]

    [cyan]serein submit temp.csv.gz --kind TEMP --columns '{"PP": {"coordinate": "pressure", "unit": "hPa"},
    "FI": {"variable": "z", "unit": "gpm"}, "TT": {"variable": "t", "unit": "K"}}'[/cyan]

    Files that need different options are uploaded one by one with --batch-only, then analysed together:

    [cyan]serein submit --batch synop-17 --batch temp-17 --prior europe --withheld 0.3 --watch[/cyan]
    """
    from rich.console import Console

    from app.cli.client import Service, ServiceError
    from app.cli.watch import follow

    if batch_id and len(files or []) > 1:
        raise typer.BadParameter("one --id names one file; leave it out or upload the files one by one")
    for time in (start, end):
        if time:
            _time(time)  # before anything is sent
    kept = station_counts(stations or [])
    service, console = Service(url), Console()
    if not files and not batch:
        raise typer.BadParameter("nothing to analyse: give a FILE or a --batch")
    if missing := [path for path in files or [] if not path.is_file()]:
        raise ServiceError(f"no file {missing[0]}")
    column_map = read_columns(columns) if columns else ""
    card = None if batch_only else the_prior(service.get("/priors")["priors"], prior)
    batches = [service.get(f"/observation-batches/{name}") for name in batch or []]
    for path in files or []:
        parameters = {"kind": kind or "", "columns": column_map, "prior": prior or ""}
        with path.open("rb") as content:
            name = batch_id or default_id(path, parameters)
            reply = service.put_batch(name, content, content_type=content_type(path), **parameters)
        show_batch(reply, console)
        batches.append(reply)
    if card is None:
        return
    first, last = window(card, batches, start, end)
    inputs: dict[str, Any] = {
        "prior": card["name"],
        "window": {"start": first, "end": last},
        "observations": {"batches": [reply["id"] for reply in batches]},
        "members": members,
        "preset": preset,
        "likelihood": likelihood,
        "following": following,
        "seed": seed,
        "withheld": withheld,
    }
    if kept:
        inputs["stations"] = kept
    job = service.execute(inputs)["jobID"]
    console.print(f"analysis [bold]{job}[/bold]: {members} members, {first} to {last}, prior {card['name']}")
    if watch:
        raise typer.Exit(follow(service, job, console))
    console.print(f"follow it with: serein watch {job}", highlight=False)


def content_type(path: Path) -> str:
    """By the ending of the name, `.gz` aside; the service looks into the file where the name says nothing."""
    suffixes = [s.lower() for s in path.suffixes if s.lower() != ".gz"]
    return CONTENT_TYPES.get(suffixes[-1] if suffixes else "", "application/octet-stream")


def default_id(path: Path, parameters: dict[str, str]) -> str:
    """Name of a batch made of the file's name and content, so that sending it twice changes nothing."""
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode())
    with path.open("rb") as content:
        while chunk := content.read(2**20):
            digest.update(chunk)
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", path.name.partition(".")[0]).strip("-") or "batch"
    return f"{stem[:60]}-{digest.hexdigest()[:8]}"


def read_columns(text: str) -> str:
    """The column map as compact JSON, from JSON itself or from the file of that name.

    Raises:
        typer.BadParameter: neither.
    """
    source = text if text.lstrip().startswith("{") else _read(text)
    try:
        return json.dumps(json.loads(source), separators=(",", ":"))
    except ValueError as error:
        raise typer.BadParameter(f"the column map is not JSON: {error}") from None


def _read(name: str) -> str:
    try:
        return Path(name).read_text()
    except OSError as error:
        raise typer.BadParameter(f"the column map is neither JSON nor a readable file: {error}") from None


def station_counts(texts: list[str]) -> dict[str, int]:
    """{"SYNOP": 50} from ["SYNOP=50"]."""
    counts = {}
    for text in texts:
        kind, _, number = text.partition("=")
        if not kind or not number.isdigit():
            raise typer.BadParameter(f"--stations {text}: write KIND=NUMBER, e.g. SYNOP=50")
        counts[kind] = int(number)
    return counts


def the_prior(cards: list[dict[str, Any]], name: str | None) -> dict[str, Any]:
    """The card of that name, or the only one there is, classical problems aside."""
    if not name:
        cards = [card for card in cards if card["architecture"].get("kind") != "classical"]
    names = ", ".join(card["name"] for card in cards) or "none"
    found = [card for card in cards if name in (None, card["name"])]
    if len(found) != 1:
        wanted = f"there is no prior {name!r}" if name else "choose a prior"
        raise typer.BadParameter(f"{wanted}: give --prior one of {names}")
    return found[0]


def window(card: dict, batches: list[dict], start: str | None, end: str | None) -> tuple[str, str]:
    """First and last state, ISO 8601: as given, else the valid times that the observations touch."""
    spans = [(_time(b["time_start"]), _time(b["time_end"])) for b in batches if b.get("time_start")]
    if (start is None or end is None) and not spans:
        raise typer.BadParameter(
            "the batches hold no usable observation: give --start and --end, or look at the receipts"
        )
    tolerance = timedelta(minutes=card["time_tolerance_minutes"])
    valid = (
        valid_times(card, min(s[0] for s in spans) - tolerance, max(s[1] for s in spans) + tolerance)
        if spans
        else []
    )
    if (start is None or end is None) and not valid:
        hours = ", ".join(f"{h:02d}" for h in card["valid_hours"])
        raise typer.BadParameter(
            f"no observation near {hours} UTC, where {card['name']} has states: give --start and --end"
        )
    first = _time(start) if start else valid[0]
    last = _time(end) if end else valid[-1]
    return first.strftime("%Y-%m-%dT%H:%M:%SZ"), last.strftime("%Y-%m-%dT%H:%M:%SZ")


def valid_times(card: dict, first: datetime, last: datetime) -> list[datetime]:
    """The times between two others at which the prior has states."""
    step = timedelta(hours=card["state"]["step_hours"])
    time = first.replace(hour=card["valid_hours"][0], minute=0, second=0, microsecond=0) - timedelta(days=1)
    times = []
    while time <= last:
        if time >= first:
            times.append(time)
        time += step
    return times


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time: write 2019-02-17T12 (UTC)") from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def show_batch(reply: dict[str, Any], console: "Console") -> None:
    """One line on what was accepted, one per reason on what was not."""
    counts = reply["counts"]
    console.print(
        f"batch [bold]{reply['id']}[/bold]: {counts['received']} rows, {counts['accepted']} accepted, "
        f"{counts['rejected']} rejected"
    )
    for flag, number in counts.get("by_flag", {}).items():
        if str(flag) not in ("0", "PASS", "pass"):
            console.print(f"  [yellow]{number}[/yellow] {flag}", highlight=False)
