"""Preparing an analysis: stopped between two pieces of work, and saying where the ensemble comes from."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models import analysis
from models.testing.toy import save_gaussian_prior
from workers.batches import take_in
from workers.database.rows import Cancelled, StepRef
from workers.lease import Lease
from workers.services import Services
from workers.steps import prepare
from workers.steps.analysis import the_prior
from workers.steps.step import Step
from workers.store.objects import get_json, get_parquet

NOON = "2019-02-17T12:00:00Z"


@pytest.fixture
def step(services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Step]:
    """The first step of a job that asks for whatever was observed at noon."""
    save_gaussian_prior(tmp_path / "priors")
    monkeypatch.setenv("SEREIN_PRIORS", str(tmp_path / "priors"))
    the_prior.cache_clear()
    the_prior("gaussian").card.data.update(licence="free to all", attribution="nobody")
    file = tmp_path / "sent.csv"
    file.write_text(f"station_id,lat,lon,elevation,time,variable,value\nA,50,5,9,{NOON},msl,101500\n")
    take_in(services, "sent", file, "text/csv", {"kind": "SYNOP", "columns": None, "prior": ""}, "5" * 64)
    window = {"start": NOON, "end": NOON}
    request: dict[str, Any] = {
        **{"prior": "gaussian", "window": window, "observations": {"query": window}, "members": 2},
        **{"seed": 0, "preset": "balanced", "withheld": 0.0, "stations": {}},
    }
    job, _ = services.jobs.submit("assimilate", request, "0" * 64)
    claim = services.steps.claim(StepRef(job.id, 1, "prepare"), "w1")
    assert claim is not None
    with Lease(services.steps, claim) as lease:
        yield Step(claim, services, lease)


def test_an_ensemble_names_its_batches_by_content_its_prior_and_what_is_owed(step: Step) -> None:
    prepare.prepare(step)
    told = get_json(step.store, step.key("ensemble.zarr/zarr.json"))["attributes"]
    assert json.loads(told["observation_batches"]) == {"sent": "5" * 64}
    assert (told["license"], told["acknowledgement"]) == ("free to all", "nobody")


def test_what_is_prepared_can_be_traced_to_its_line(step: Step) -> None:
    prepare.prepare(step)
    rows = get_parquet(step.store, step.key("prepared.parquet"))
    assert rows[["batch", "row"]].to_numpy().tolist() == [["sent", 1]]


def test_quality_control_stops_when_the_job_is_dismissed(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    check_observations = analysis.prepare

    def dismissed_meanwhile(*arguments: Any, **options: Any) -> Any:
        step.services.jobs.dismiss(step.job_id)
        monkeypatch.setattr("workers.lease.REPORT_SECONDS", 0)
        return check_observations(*arguments, **options)

    monkeypatch.setattr(analysis, "prepare", dismissed_meanwhile)
    with pytest.raises(Cancelled):
        prepare.prepare(step)
