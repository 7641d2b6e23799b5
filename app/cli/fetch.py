"""`serein fetch JOB`: a verified copy of an ensemble on this machine."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import Url

if TYPE_CHECKING:
    from app.cli.client import Service

NAME = "fetch"


def command(
    job: Annotated[str, typer.Argument(help="Number of the job, or its address.")],
    to: Annotated[Path | None, typer.Option("--to", help="Folder to put it in. Default: ./<job>.")] = None,
    url: Url = None,
) -> None:
    """Download the ensemble (Zarr), receipts, certificate and maps, checking every file's checksum.

    Files that are already there and right are not fetched again, so an interrupted fetch can be repeated.

    Example: serein fetch 0b6cde5e-4f0f-4a54-9e0e-3f1c6cbd1c51 --to analysis
    """
    from rich.console import Console
    from rich.progress import track

    from app.cli.client import Service

    console, service = Console(), Service(url)
    job_id = job.rstrip("/").rpartition("/")[2]
    folder = to or Path(job_id)
    files = service.get(f"/ensembles/{job_id}/manifest.json")["files"]
    with ThreadPoolExecutor(8) as pool:
        done = pool.map(lambda entry: fetch_one(service, job_id, entry, folder), files)
        fetched = sum(track(done, total=len(files), description="fetching", console=console))
    console.print(f"{len(files)} files in [bold]{folder}[/bold], {fetched} fetched now, all checksums right")
    console.print(
        f'  import xarray; xarray.open_zarr("{folder / "ensemble.zarr"}")', soft_wrap=True, highlight=False
    )


def fetch_one(service: "Service", job_id: str, entry: dict[str, Any], folder: Path) -> bool:
    """Fetch one file of the manifest into `folder`; False where a right copy was there already.

    Raises:
        ServiceError: what came does not match the manifest, or would lie outside `folder`.
    """
    from app.cli.client import ServiceError

    target = (folder / entry["path"]).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise ServiceError(f"the manifest names {entry['path']!r}, which lies outside the folder: refused")
    if target.is_file() and matches(target.read_bytes(), entry):
        return False
    content = service.request("GET", f"/ensembles/{job_id}/{entry['path']}").content
    if not matches(content, entry):
        raise ServiceError(
            f"{entry['path']} came damaged: fetch again; if it stays so, the stored copy is bad"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return True


def matches(content: bytes, entry: dict[str, Any]) -> bool:
    """Whether content has the size and the checksum of a manifest's entry."""
    import google_crc32c

    return len(content) == entry["size"] and f"{google_crc32c.value(content):08x}" == entry["crc32c"]
