"""A real service without a worker, a small prior, and a job brought to its end by hand, step by step."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import google_crc32c
import numpy as np
import obstore
import pandas as pd
import pytest
import uvicorn

from app.cli import main
from app.main import create_app
from models.observations.table import conform
from models.prior.card import PriorCard
from models.state.channels import channel
from models.state.grid import Grid
from models.state.spec import StateSpec
from models.verification.baselines import Baseline
from models.verification.certificate import certificate
from workers.database.rows import StepRef
from workers.products.ensemble import consolidate, create_ensemble, mean_and_spread, write_members
from workers.products.maps import draw_all
from workers.products.receipts import page_observations
from workers.services import Services
from workers.settings import Settings
from workers.store.objects import attempt_key, commit_key, create_only, put_bytes, put_json, put_parquet

STATE = StateSpec(
    channels=(channel("msl"),),
    grid=Grid(np.linspace(60, 50, 6), np.linspace(-10, 10, 9)),
    step_hours=24,
    mean=np.array([101_000.0]),
    std=np.array([900.0]),
)
TIME = datetime(2019, 2, 17, 12, tzinfo=UTC)
MEMBERS = 4


@dataclass
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture
def serein(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """The command, run in this process: `serein("priors")`."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["serein", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        code = ended.value.code
        return Outcome(code if isinstance(code, int) else 0, captured.out, captured.err)

    return run


@pytest.fixture
def prior(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PriorCard:
    """The card of a prior `small` over the British Isles and the North Sea."""
    folder = tmp_path / "priors" / "small"
    folder.mkdir(parents=True)
    card = PriorCard(
        name="small",
        title="A small prior",
        description="for tests",
        folder=folder,
        state=STATE,
        window=4,
        valid_hours=(12,),
        time_tolerance_minutes=30,
        max_station_elevation={"msl": 500},
        observation_error={"msl": 100.0},
        representativeness={"msl": 20.0},
        superob_correlation=0.3,
        presets={"fast": {}, "balanced": {}, "careful": {}},
        architecture={},
        network={},
        data={
            "source": "dice",
            "licence": "free to all",
            "attribution": "nobody",
            "years": {"train": [2009, 2001, 2000]},
        },
    )
    (folder / "card.json").write_text(json.dumps(card.to_dict(), default=str))
    monkeypatch.setenv("SEREIN_PRIORS", str(folder.parent))
    return card


@pytest.fixture
def services(tmp_path: Path, prior: PriorCard, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """The connections of a service that listens at SEREIN_URL; nobody works on its jobs."""
    app = create_app(Settings(home=tmp_path / "home", poll_seconds=0.05))
    quiet = uvicorn.Config(app, port=0, log_level="warning", log_config=None)  # others' handlers stay open
    server = uvicorn.Server(quiet)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    monkeypatch.setenv("SEREIN_URL", f"http://127.0.0.1:{port}")
    yield app.state.services
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Forty reports of pressure at 12 UTC, one of them impossible."""
    frame = observations().rename(columns={"latitude": "lat", "longitude": "lon", "value": "PS"})
    frame["PS"] /= 100
    frame.loc[frame.index[0], "PS"] = 10.0
    path = tmp_path / "synop.csv"
    frame[["station_id", "lat", "lon", "time", "PS"]].to_csv(path, index=False)
    return path


def observations() -> pd.DataFrame:
    generator = np.random.default_rng(5)
    n = 40
    return conform(
        pd.DataFrame(
            {
                "station_id": [f"S{i:02d}" for i in range(n)],
                "time": TIME,
                "latitude": generator.uniform(51, 59, n),
                "longitude": generator.uniform(-9, 9, n),
                "variable": "msl",
                "value": 101_000 + 100 * generator.standard_normal(n),
                "error": 100.0,
                "kind": "SYNOP",
                "use": np.where(np.arange(n) % 3 == 0, "withheld", "active"),
            }
        )
    )


@pytest.fixture
def published(services: Services) -> str:
    """The id of a job that has ended well, with all its files."""
    request = {
        "prior": "small",
        "window": {"start": "2019-02-17T12:00:00Z", "end": "2019-02-17T12:00:00Z"},
        "members": MEMBERS,
    }
    job, _ = services.jobs.submit("assimilate", request, "0" * 64)
    claim = services.steps.claim(StepRef(job.id, 1, "prepare"), "test")
    assert claim is not None
    services.steps.progress(
        claim, 0.5, {"stage": "prepare", "level": 3, "levels": 16, "sigma": 1.5, "chi2": 1.1}
    )
    services.steps.finish(claim)
    write_products(services, job.id)
    assert services.sweeps.succeed(job.id, 1)
    return job.id


def write_products(services: Services, job_id: str) -> None:
    store, folder = services.store, attempt_key(job_id, 1)
    fields = 101_000 + 100 * np.random.default_rng(6).standard_normal((MEMBERS, 1, *STATE.shape))
    create_ensemble(store, f"{folder}/ensemble.zarr", STATE, MEMBERS, [TIME], {"job": job_id})
    write_members(store, f"{folder}/ensemble.zarr", STATE, range(MEMBERS), fields.astype(np.float32))
    consolidate(store, f"{folder}/ensemble.zarr")
    mean, spread = mean_and_spread(store, f"{folder}/ensemble.zarr", STATE)
    grid = STATE.grid
    for name, body in draw_all(
        {"mean": mean, "spread": spread}, [TIME], STATE.names, grid.latitude, grid.longitude
    ).items():
        put_bytes(store, f"{folder}/{name}", body)
    table = observations()
    receipts = table.assign(o_minus_a=table["value"] - 101_000)
    put_parquet(store, f"{folder}/receipts.parquet", receipts)
    put_json(store, f"{folder}/observations.json", page_observations(receipts))
    put_json(store, f"{folder}/certificate.json", small_certificate(table))
    manifest = [
        {"key": meta["path"], "size": meta["size"], "crc32c": checksum(store, meta["path"])}
        for page in obstore.list(store, folder)
        for meta in page
    ]
    document = {"attempt": 1, "job": job_id, "created": TIME.isoformat(), "manifest": manifest}
    create_only(store, commit_key(job_id), document)


def checksum(store: obstore.store.ObjectStore, key: str) -> str:
    return f"{google_crc32c.value(bytes(obstore.get(store, key).bytes())):08x}"


def small_certificate(table: pd.DataFrame) -> dict:
    generator = np.random.default_rng(7)
    kept = table[table["use"] == "withheld"]
    members = 101_000 + 100 * generator.standard_normal((MEMBERS, len(kept)))
    flat = np.full(len(kept), 101_000.0)
    baselines = {
        "climatology": Baseline(flat, np.full(len(kept), 900.0)),
        "nearest_station": Baseline(flat, None),
        "optimal_interpolation": Baseline(flat, np.full(len(kept), 90.0)),
    }
    return certificate(kept, members, baselines, generator, resamples=10)
