"""The whole service as `serein up` runs it, with a small but real prior, and a kill in the middle."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import psutil
import pytest
import xarray as xr

from models.testing.toy import save_gaussian_prior

START, END = "2019-02-17T12:00:00Z", "2019-02-18T12:00:00Z"


class Running:
    """A service in a process tree of its own."""

    def __init__(self, home: Path, priors: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = {
            "SEREIN_HOME": home,
            "SEREIN_PORT": port,
            "SEREIN_PRIORS": priors,
            "SEREIN_BLOCK_MEMBERS": 2,
            "SEREIN_SWEEP_SECONDS": 0.5,
            "SEREIN_POLL_SECONDS": 0.1,
            "OMP_NUM_THREADS": 1,
        }
        environment = {**os.environ, **{name: str(value) for name, value in settings.items()}}
        command = [sys.executable, "-m", "app.cli", "up"]
        self.process = subprocess.Popen(command, env=environment, cwd=Path(__file__).parents[2])
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.Client(base_url=self.url, timeout=30)
        self.wait(self._answers, 30)

    def _answers(self) -> bool:
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def wait(self, until: Callable[[], Any], seconds: float) -> Any:
        end = time.monotonic() + seconds
        while not (value := until()):
            assert time.monotonic() < end, f"not within {seconds} s"
            assert self.process.poll() is None
            time.sleep(0.05)
        return value

    def tree(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def worker(self) -> psutil.Process:
        return next(p for p in self.tree() if "worker" in p.cmdline())


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    save_gaussian_prior(tmp_path / "priors")
    service = Running(tmp_path / "home", tmp_path / "priors")
    yield service
    tree = service.tree() if service.process.poll() is None else []
    service.process.terminate()
    service.process.wait(15)
    assert not [p for p in tree if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def reports() -> bytes:
    generator = np.random.default_rng(1)
    n = 60
    frame = pd.DataFrame(
        {
            "station_id": [f"S{i % 30:02d}" for i in range(n)],
            "time": [START, END] * (n // 2),
            "lat": np.repeat(generator.uniform(39, 57, 30), 2),
            "lon": np.repeat(generator.uniform(-11, 15, 30), 2),
            "elevation": 50.0,
            "variable": "msl",
            "value": 101_500 + 300 * generator.standard_normal(n),
            "kind": "SYNOP",
        }
    )
    return frame.to_csv(index=False).encode()


def execute(running: Running, **inputs: Any) -> str:
    window = {"start": START, "end": END}
    asked = {"prior": "gaussian", "window": window, "members": 6, "withheld": 0.3, **inputs}
    reply = running.http.post("/processes/assimilate/execution", json={"inputs": asked})
    assert reply.status_code == 201, reply.text
    return reply.json()["jobID"]


def status(running: Running, job_id: str) -> dict[str, Any]:
    return running.http.get(f"/jobs/{job_id}").json()


def caught(running: Running, job_id: str) -> psutil.Process | None:
    """The worker, stopped amid its sampling; None, and it goes on, if it's not there yet."""
    worker = running.worker()
    worker.suspend()
    if 10 <= status(running, job_id)["progress"] < 90:
        return worker
    worker.resume()
    return None


def test_an_analysis_survives_the_death_of_its_worker_and_is_published_once_and_whole(
    running: Running, tmp_path: Path
) -> None:
    http = running.http
    batch = http.put("/observation-batches/b1", content=reports(), headers={"Content-Type": "text/csv"})
    assert batch.status_code == 201, batch.text
    assert batch.json()["counts"]["accepted"] == 60
    job_id = execute(running, observations={"batches": ["b1"]}, preset="careful", members=32)
    running.wait(lambda: caught(running, job_id), 60).kill()
    running.wait(lambda: status(running, job_id)["status"] not in ("accepted", "running"), 120)
    job = status(running, job_id)
    assert (job["status"], job["attempt"], job["progress"]) == ("successful", 2, 100), job

    folder = tmp_path / "home" / "store" / "ensembles" / job_id
    assert [p.name for p in folder.iterdir() if p.is_file()] == ["COMMIT.json"]
    over_http = xr.open_zarr(f"{running.url}/ensembles/{job_id}/ensemble.zarr")
    on_disk = xr.open_zarr(folder / "a2" / "ensemble.zarr")
    xr.testing.assert_identical(over_http.load(), on_disk.load())
    assert over_http["msl"].sizes == {"number": 32, "time": 2, "latitude": 6, "longitude": 8}
    assert np.isfinite(over_http["msl"]).all()
    assert over_http.attrs["job_id"] == job_id
    assert len(over_http.attrs["prior_weights_sha256"]) == 64

    certificate = http.get(f"/ensembles/{job_id}/certificate.json").json()
    assert certificate["withheld"] > 0
    shown = http.get(f"/ensembles/{job_id}/observations.json").json()
    assert shown["total"] == 60
    listed = http.get(f"/ensembles/{job_id}/maps/index.json").json()["maps"]
    picture = http.get(f"/ensembles/{job_id}/maps/{listed[0]['name']}")
    assert picture.content.startswith(b"\x89PNG")

    with http.stream("GET", f"/jobs/{job_id}/events") as stream:
        lines = list(stream.iter_lines())
    ids = [int(line[3:]) for line in lines if line.startswith("id:")]
    assert ids == list(range(1, len(ids) + 1))
    assert any('"chi2":' in line for line in lines)
    resumed = http.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": str(ids[-2])})
    assert resumed.text.count("id: ") == 1


def test_no_observations_at_all_give_an_ensemble_too_and_stopping_one_works(running: Running) -> None:
    quick = execute(running, preset="fast", members=2)
    running.wait(lambda: status(running, quick)["status"] == "successful", 60)
    slow = execute(running, preset="careful", members=1024)
    running.wait(lambda: status(running, slow)["progress"] >= 5, 60)
    assert running.http.delete(f"/jobs/{slow}").status_code == 200
    running.wait(lambda: status(running, slow)["status"] == "dismissed", 20)
    assert running.http.get(f"/ensembles/{slow}/certificate.json").status_code == 404


def test_killing_the_supervisor_leaves_no_orphan(running: Running) -> None:
    tree = running.wait(lambda: len(found := running.tree()) >= 3 and found, 20)
    running.process.send_signal(signal.SIGKILL)
    running.process.wait(5)
    gone, alive = psutil.wait_procs(tree, timeout=5)
    assert (len(gone), alive) == (len(tree), [])
