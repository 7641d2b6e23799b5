"""`serein demo`: the whole way from observations to a verified ensemble, on this machine, in minutes."""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import ONE_THREAD, Following

if TYPE_CHECKING:
    from rich.console import Console

    from app.cli.client import Service

NAME = "demo"
SEED = 2019
CORES = 2
"""Workers of the demo, if the machine has as many cores: members are sampled in blocks, one by each."""


def command(
    home: Annotated[Path, typer.Option(envvar="SEREIN_HOME", help="Folder of everything it keeps.")] = Path(
        "serein-demo"
    ),
    members: Annotated[int, typer.Option(min=4, help="Members of the ensemble.")] = 16,
    preset: Annotated[str, typer.Option(help="fast, balanced or careful.")] = "fast",
    prior: Annotated[str, typer.Option(help="Prior to start from, such as europe.")] = "earth-t21",
    following: Following = 0,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the service running afterwards, for the maps.")
    ] = False,
) -> None:
    """Start the service, analyse an example batch, and show what comes out.

    The example: some 150 airports, 60 of them with soundings, observe a day of a simulated Earth that the
    prior was not trained on, with noise; 30 % of them are kept back to verify the ensemble with. (Of a prior
    that brings no such weather they observe a draw.) The same steps as with observations of your own, by the
    same interface.

    Example: serein demo --keep    (then open the address it prints)
    """
    from rich.console import Console

    from app.cli.submit import default_id, show_batch
    from app.cli.watch import follow

    console = Console()
    home.mkdir(parents=True, exist_ok=True)
    console.print("[bold]1[/bold] making the example batch")
    batch = write_example(prior, home / "example.csv")
    console.print(f"  {batch}", highlight=False)
    console.print("[bold]2[/bold] starting the service (serein up)")
    with running_service(home) as service:
        console.print(f"  {service.url}, its log in {home / 'service.log'}", highlight=False)
        name = default_id(batch, {"prior": prior})
        console.print(f"[bold]3[/bold] sending the batch (PUT /observation-batches/{name})", highlight=False)
        with batch.open("rb") as content:
            show_batch(service.put_batch(name, content, content_type="text/csv", prior=prior), console)
        console.print("[bold]4[/bold] starting the analysis (POST /processes/assimilate/execution)")
        job_id = service.execute(
            {
                "prior": prior,
                "window": window_of(batch),
                "observations": {"batches": [name]},
                "members": members,
                "preset": preset,
                "following": following,
                "seed": 1,
                "withheld": 0.3,
            }
        )["jobID"]
        if follow(service, job_id, console):
            console.print(f"what happened is in {home / 'service.log'}", highlight=False)
            raise typer.Exit(1)
        where = next((home / "store").glob(f"ensembles/{job_id}/a*/ensemble.zarr"))
        show_truth(where, prior, console)
        console.print(
            f'[bold]From disk[/bold]: xarray.open_zarr("{where.resolve()}")', soft_wrap=True, highlight=False
        )
        if keep:
            console.print(f"the service keeps running; open {service.url} and end it with Ctrl-C")
            wait_for_interrupt()
        else:
            again = f"serein up --home {shlex.quote(str(home))} --port {service.url.rpartition(':')[2]}"
            console.print(f"The service is stopped; the addresses work again after: [bold]{again}[/bold]")


def write_example(prior: str, path: Path) -> Path:
    """A CSV batch: airports observing weather the prior has not seen, or a draw of it if it brings none.

    Made by `serein osse`, in a process of its own.
    """
    from app.cli.client import ServiceError
    from models.prior.card import load_card
    from models.weather import has_weather

    try:
        which = ["--weather"] if has_weather(load_card(prior)) else []
    except LookupError as error:
        raise ServiceError(str(error)) from None
    osse = [sys.executable, "-m", "app.cli", "osse", "--prior", prior, *which]
    arguments = [*osse, "--seed", str(SEED), "--out", str(path)]
    os.environ.setdefault(*ONE_THREAD)
    done = subprocess.run(arguments, capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        said = done.stderr.strip().rpartition("\n")[2]
        raise ServiceError(f"the example cannot be made: {said.removeprefix('serein: ')}")
    return path


def window_of(batch: Path) -> dict[str, str]:
    """First and last time of the reports of a CSV batch."""
    import pandas as pd

    times = pd.to_datetime(pd.read_csv(batch, usecols=["time"])["time"], utc=True)
    return {"start": f"{times.min():%Y-%m-%dT%H:%M:%SZ}", "end": f"{times.max():%Y-%m-%dT%H:%M:%SZ}"}


def show_truth(ensemble: Path, prior: str, console: "Console") -> None:
    """How far the ensemble mean is from the weather that was observed, if the prior brought it."""
    import xarray as xr

    from models.prior.card import load_card
    from models.verification.truth import against
    from models.weather import has_weather, open_weather

    card = load_card(prior)
    if not has_weather(card):
        return
    with xr.open_zarr(ensemble) as members, open_weather(card) as weather:
        found = against(members, weather, card.maps or card.state.names)
    said = [f"{name} {error:.3g} ({spread:.3g}) {unit}" for name, unit, error, spread in found]
    console.print(
        "[bold]The truth[/bold], known everywhere here: RMSE of the ensemble mean over the globe (spread): "
        + ", ".join(said),
        highlight=False,
    )


@contextmanager
def running_service(home: Path) -> Iterator["Service"]:
    """`serein up` in `home` on a free port, with a worker per core but at most two; stopped afterwards."""
    from app.cli.client import Service, ServiceError

    port = free_port()
    up = [sys.executable, "-m", "app.cli", "up", "--workers", str(min(CORES, os.cpu_count() or 1))]
    log = home / "service.log"
    with log.open("w") as out:
        process = subprocess.Popen(  # noqa: S603
            [*up, "--home", str(home), "--port", str(port)],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={key: value for key, value in os.environ.items() if not key.endswith("_URL")},
            start_new_session=True,  # Ctrl-C is ours; the service is told below
        )
    service = Service(f"http://127.0.0.1:{port}")
    try:
        for _ in range(240):
            if process.poll() is not None:
                raise ServiceError(f"the service ended at once; its last words:\n{log.read_text()[-2000:]}")
            try:
                service.get("/readyz")
                break
            except ServiceError:
                time.sleep(0.25)
        else:
            raise ServiceError(f"the service did not get ready in a minute; see {log}")
        yield service
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def free_port() -> int:
    """8000 if nobody listens there, else any free port of this machine."""
    for port in (8000, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
            except OSError:
                continue
    raise OSError("no free port")


def wait_for_interrupt() -> None:
    """Until Ctrl-C."""
    try:
        signal.pause()
    except KeyboardInterrupt:
        return
