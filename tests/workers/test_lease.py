"""A lease is kept while the work runs, and bad news reach the work at its next report."""

import time

import pytest

from workers.database.rows import Cancelled, Claim, LeaseLost, StepRef
from workers.lease import Lease
from workers.services import Services


def claim(services: Services) -> Claim:
    job, _ = services.jobs.submit("assimilate", {}, "sha")
    claimed = services.steps.claim(StepRef(job.id, 1, "prepare"), "w1")
    assert claimed is not None
    return claimed


def report_until(lease: Lease, seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        lease.report(0.5, stage="x")
        time.sleep(0.02)


def test_work_that_takes_longer_than_the_lease_keeps_it(services: Services) -> None:
    held = claim(services)
    with Lease(services.steps, held) as lease:
        end = time.monotonic() + 1.5 * services.settings.lease_seconds
        while time.monotonic() < end:
            lease.report(0.5)
            assert services.sweeps.expire() == 0
            time.sleep(0.05)
    services.steps.finish(held)


def test_a_request_to_stop_reaches_the_work_at_a_report(services: Services) -> None:
    held = claim(services)
    with pytest.raises(Cancelled), Lease(services.steps, held) as lease:
        services.jobs.dismiss(held.job_id)
        report_until(lease)


def test_a_lost_lease_reaches_the_work_at_a_report(services: Services) -> None:
    held = claim(services)
    with pytest.raises(LeaseLost), Lease(services.steps, held) as lease:
        services.sweeps.expire(dead="w1")
        report_until(lease)


def test_after_a_standstill_the_clock_alone_ends_the_lease(services: Services) -> None:
    lease = Lease(
        services.steps, claim(services)
    )  # not entered: its thread stands still like everything else
    lease.check()
    time.sleep(services.settings.lease_seconds + 0.1)
    with pytest.raises(LeaseLost):
        lease.check()


def test_reports_are_told_a_few_times_a_second_not_each_one(services: Services) -> None:
    held = claim(services)
    with Lease(services.steps, held) as lease:
        for _ in range(200):
            lease.report(0.5, stage="x")
    told = [e for e in services.jobs.events_after(held.job_id, 0) if e.kind == "progress"]
    assert 1 <= len(told) <= 10
    assert told[0].data["stage"] == "x"


def test_a_new_stage_is_always_told(services: Services) -> None:
    held = claim(services)
    with Lease(services.steps, held) as lease:
        for stage in ("loading", "sampling", "writing"):
            lease.report(0.5, stage=stage)
    told = [e.data["stage"] for e in services.jobs.events_after(held.job_id, 0) if e.kind == "progress"]
    assert told == ["loading", "sampling", "writing"]
