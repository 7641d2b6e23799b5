"""An analysis with an ensemble beside it, step by step as workers take it."""

from typing import Any

import numpy as np
import pytest

from models.following import beside
from models.prior.card import load_card
from models.weather import last_window
from workers.database.rows import StepRef
from workers.products.ensemble import read_members
from workers.services import Services
from workers.steps.analysis import the_analysis
from workers.store.objects import attempt_key, get_array, get_json, read_commit
from workers.work import work_on

STATE = load_card("earth-t21").state


@pytest.fixture(scope="module")
def request_() -> dict[str, Any]:
    last = last_window(load_card("earth-t21"))[-1]
    return {
        "prior": "earth-t21",
        "window": {"start": last, "end": last},
        "observations": {},
        "members": 4,
        "preset": "fast",
        "likelihood": "gaussian",
        "following": 16,
        "seed": 3,
        "withheld": 0.0,
        "stations": {},
    }


def test_members_are_published_about_the_mean_of_both_and_nothing_else_is(
    services: Services, request_: dict[str, Any]
) -> None:
    """Whichever of the two ends first, publishing waits for both."""
    services.steps.lease *= 100
    job, _ = services.jobs.submit("assimilate", request_, "0" * 64)
    zarr = attempt_key(job.id, 1, "ensemble.zarr")
    for name in ("prepare", "follow", "sample-000"):
        assert not work_on(services, StepRef(job.id, 1, "publish"), "w1")
        assert work_on(services, StepRef(job.id, 1, name), "w1")
    sampled = read_members(services.store, zarr, STATE)
    followed = get_array(services.store, attempt_key(job.id, 1, "followed.npy"))
    assert work_on(services, StepRef(job.id, 1, "publish"), "w1")
    published = read_members(services.store, zarr, STATE)
    expected = beside(the_analysis(request_), sampled, followed)
    np.testing.assert_array_equal(published, expected)
    assert float(np.abs(published - sampled).max()) > 1.0
    assert get_json(services.store, f"{zarr}/zarr.json")["attributes"]["following"] == 16
    commit = read_commit(services.store, job.id)
    assert commit is not None
    assert not any(entry["key"].endswith(".npy") for entry in commit["manifest"])
    found = services.jobs.get(job.id)
    assert found is not None and (found.status, found.progress) == ("successful", 100)


def test_an_ensemble_is_a_block_among_those_of_members(services: Services, request_: dict[str, Any]) -> None:
    """So progress goes on while it does."""
    services.steps.lease *= 100
    job, _ = services.jobs.submit("assimilate", request_, "0" * 64)
    work_on(services, StepRef(job.id, 1, "prepare"), "w1")
    claim = services.steps.claim(StepRef(job.id, 1, "follow"), "w1")
    assert claim is not None
    services.steps.progress(claim, 0.5, {"stage": "following"})
    found = services.jobs.get(job.id)
    assert found is not None and found.progress == 5 + 90 // 4
    services.steps.finish(claim)
    found = services.jobs.get(job.id)
    assert found is not None and found.progress == 5 + 90 // 2
