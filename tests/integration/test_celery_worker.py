"""Real Celery workers on a filesystem broker: killed, frozen and robbed of messages, they lose nothing."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from workers.celery_app import WORKER_FLAGS
from workers.database.rows import StepRef
from workers.services import Services, open_services
from workers.settings import Settings
from workers.store.objects import read_commit
from workers.sweep import sweep


class Workers:
    """Worker processes of a test, started with the toy steps."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "celery", "--app", "tests.workers.toy_worker", "--quiet", "worker"]
        environment = {**os.environ, **self.settings.environment(), "OMP_NUM_THREADS": "1"}
        log = (self.settings.home / f"worker-{len(self.running)}.log").open("wb")
        root = Path(__file__).parents[2]
        name = ["--hostname", f"w{len(self.running)}@%h"]
        worker = subprocess.Popen(
            [*command, *WORKER_FLAGS, *name], cwd=root, env=environment, stdout=log, stderr=log
        )
        self.running.append(worker)
        return worker

    def stop(self) -> None:
        for worker in self.running:
            worker.kill()
            worker.wait()


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    settings = Settings(home=tmp_path / "home", lease_seconds=2, ring_seconds=2, sweep_seconds=0.5)
    opened = open_services(settings)
    yield opened
    opened.close()


@pytest.fixture
def workers(services: Services) -> Iterator[Workers]:
    made = Workers(services.settings)
    yield made
    made.stop()


def submit(services: Services, ring: bool = True) -> str:
    job, _ = services.jobs.submit("assimilate", {}, "sha")
    if ring:
        services.bell.ring([StepRef(job.id, 1, "prepare")])
    return job.id


def wait_until(services: Services, statuses: set[str], ids: list[str], seconds: float) -> list[str]:
    """Sweep, as beat would have it done, until all jobs are in one of the states; return the states."""
    end = time.monotonic() + seconds
    while True:
        sweep(services)
        found = [job.status for i in ids if (job := services.jobs.get(i))]
        if set(found) <= statuses:
            return found
        assert time.monotonic() < end, f"{Counter(found)} after {seconds} s"
        time.sleep(0.2)


def attempts_sampled(services: Services) -> list[str]:
    log = services.settings.home / "log"
    return log.read_text().splitlines() if log.exists() else []


def freeze(worker: subprocess.Popen[bytes], services: Services) -> None:
    """Stop the process, but not while it is writing: a frozen writer keeps all of SQLite waiting."""
    path = services.settings.home / "serein.sqlite"
    while True:
        worker.send_signal(signal.SIGSTOP)
        try:
            with closing(sqlite3.connect(path, timeout=0.5, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                other.execute("ROLLBACK")
            return
        except sqlite3.OperationalError:
            worker.send_signal(signal.SIGCONT)
            time.sleep(0.05)


def test_a_worker_killed_in_the_middle_of_a_block_costs_an_attempt_and_publishes_once(
    services: Services, workers: Workers
) -> None:
    options = services.settings.home / "toy.json"
    options.write_text(json.dumps({"seconds": 60}))
    first = workers.start()
    job_id = submit(services)
    end = time.monotonic() + 30
    while not attempts_sampled(services):
        assert time.monotonic() < end
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    options.write_text(json.dumps({"seconds": 0}))
    workers.start()
    assert wait_until(services, {"successful"}, [job_id], 90) == ["successful"]
    commit = read_commit(services.store, job_id)
    job = services.jobs.get(job_id)
    assert commit is not None
    assert job is not None
    assert commit["attempt"] == job.result_attempt == 2
    assert all("/a2/" in entry["key"] for entry in commit["manifest"])
    assert len(commit["manifest"]) == 2


def test_chaos_loses_nothing_and_publishes_nothing_twice(services: Services, workers: Workers) -> None:
    """Twelve jobs, half their bells withheld; a kill, a frozen worker that comes back, an emptied broker."""
    dice = random.Random(1)
    (services.settings.home / "toy.json").write_text(json.dumps({"seconds": 0.1}))
    pool = [workers.start(), workers.start()]
    ids = [submit(services, ring=dice.random() < 0.5) for _ in range(12)]
    end = time.monotonic() + 30
    while len(attempts_sampled(services)) < 3:
        sweep(services)
        assert time.monotonic() < end
        time.sleep(0.1)
    freeze(pool[0], services)
    for message in (services.settings.home / "broker" / "messages").glob("*.msg"):
        message.unlink(missing_ok=True)  # the other worker is taking them, too
    time.sleep(services.settings.lease_seconds + 1)
    sweep(services)
    pool[0].send_signal(signal.SIGCONT)
    pool[1].kill()
    workers.start()
    assert Counter(wait_until(services, {"successful"}, ids, 120)) == {"successful": 12}
    for job_id in ids:
        commit, job = read_commit(services.store, job_id), services.jobs.get(job_id)
        assert commit is not None
        assert job is not None
        assert commit["attempt"] == job.result_attempt
        folder = services.settings.home / "store" / "ensembles" / job_id
        assert [p.name for p in folder.iterdir() if p.is_file()] == ["COMMIT.json"]
