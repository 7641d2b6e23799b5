"""The job book: every legal way through, and that nobody else's work is ever written down."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import update

from workers.database.engine import clock
from workers.database.rows import (
    AlreadyFinished,
    Cancelled,
    Claim,
    IdempotencyConflict,
    Job,
    LeaseLost,
    NewStep,
    StepRef,
)
from workers.database.tables import jobs, steps
from workers.services import Services

BLOCKS = [NewStep(f"sample-{i:03d}", "sample", {"first": i, "stop": i + 1}) for i in range(2)]


def submit(services: Services, key: str | None = None, sha: str = "a") -> Job:
    return services.jobs.submit("assimilate", {"prior": "toy"}, sha, key)[0]


def claim(services: Services, job: Job, name: str, attempt: int = 1, owner: str = "w1") -> Claim:
    claimed = services.steps.claim(StepRef(job.id, attempt, name), owner)
    assert claimed is not None
    return claimed


def status(services: Services, job: Job) -> str:
    found = services.jobs.get(job.id)
    assert found is not None
    return found.status


def test_a_job_goes_from_accepted_over_running_to_successful(services: Services) -> None:
    job = submit(services)
    assert job.status == "accepted"
    assert services.sweeps.to_ring(5) == [StepRef(job.id, 1, "prepare")]
    prepare = claim(services, job, "prepare")
    assert status(services, job) == "running"
    following = services.steps.finish(prepare, BLOCKS)
    assert [ref.name for ref in following] == ["sample-000", "sample-001"]
    assert services.steps.finish(claim(services, job, "sample-001")) == []
    assert services.steps.finish(claim(services, job, "sample-000")) == [StepRef(job.id, 1, "publish")]
    claim(services, job, "publish")
    assert services.sweeps.succeed(job.id, 1)
    done = services.jobs.get(job.id)
    assert done is not None
    assert (done.status, done.progress, done.result_attempt) == ("successful", 100, 1)
    events = services.jobs.events_after(job.id, 0)
    assert [e.seq for e in events] == list(range(1, len(events) + 1))
    assert [e.data["status"] for e in events if e.kind == "status"] == ["accepted", "running", "successful"]


def test_of_many_workers_exactly_one_gets_a_step(services: Services) -> None:
    jobs = [submit(services) for _ in range(5)]
    barrier = threading.Barrier(6)

    def grab(worker: int) -> list[str]:
        barrier.wait()
        refs = [StepRef(job.id, 1, "prepare") for job in jobs]
        return [c.job_id for ref in refs if (c := services.steps.claim(ref, f"w{worker}"))]

    with ThreadPoolExecutor(6) as pool:
        taken = [job_id for ids in pool.map(grab, range(6)) for job_id in ids]
    assert sorted(taken) == sorted(job.id for job in jobs)


def test_the_last_of_two_blocks_to_finish_at_once_is_followed_by_one_publish(services: Services) -> None:
    for _ in range(5):
        job = submit(services)
        services.steps.finish(claim(services, job, "prepare"), BLOCKS)
        claims = [claim(services, job, step.name, owner=step.name) for step in BLOCKS]
        with ThreadPoolExecutor(2) as pool:
            following = [ref for refs in pool.map(services.steps.finish, claims) for ref in refs]
        assert following == [StepRef(job.id, 1, "publish")]


def test_an_expired_lease_begins_a_new_attempt_and_the_zombie_can_write_nothing(services: Services) -> None:
    job = submit(services)
    zombie = claim(services, job, "prepare")
    time.sleep(services.settings.lease_seconds + 0.1)
    assert services.sweeps.expire() == 1
    assert services.sweeps.expire() == 0
    found = services.jobs.get(job.id)
    assert found is not None
    assert (found.status, found.attempt) == ("accepted", 2)
    with pytest.raises(LeaseLost):
        services.steps.renew(zombie)
    with pytest.raises(LeaseLost):
        services.steps.progress(zombie, 0.5, {})
    with pytest.raises(LeaseLost):
        services.steps.finish(zombie, BLOCKS)
    assert not services.steps.fail(zombie, {"title": "no"})
    assert not services.steps.give_up(zombie, "no")
    services.steps.stop(zombie)
    assert services.steps.claim(StepRef(job.id, 1, "prepare"), "w1") is None
    assert services.sweeps.to_ring(5) == [StepRef(job.id, 2, "prepare")]
    claim(services, job, "prepare", attempt=2)


def test_a_renewed_lease_does_not_expire(services: Services) -> None:
    job = submit(services)
    held = claim(services, job, "prepare")
    for _ in range(4):
        time.sleep(0.3 * services.settings.lease_seconds)
        services.steps.renew(held)
        assert services.sweeps.expire() == 0
    services.steps.finish(held, BLOCKS)


def test_the_step_of_a_worker_known_to_be_dead_need_not_wait_for_its_lease(services: Services) -> None:
    job, other = submit(services), submit(services)
    claim(services, job, "prepare", owner="host:1:aa")
    claim(services, other, "prepare", owner="host:11:bb")
    assert sorted(services.sweeps.owners()) == ["host:11:bb", "host:1:aa"]
    assert services.sweeps.expire(dead="host:1:aa") == 1
    assert (status(services, job), status(services, other)) == ("accepted", "running")


def test_a_job_is_given_up_after_three_attempts_with_a_problem_that_says_so(services: Services) -> None:
    job = submit(services)
    for attempt in (1, 2, 3):
        assert services.steps.give_up(claim(services, job, "prepare", attempt), "the store was away")
    found = services.jobs.get(job.id)
    assert found is not None
    assert found.status == "failed"
    assert found.problem is not None
    assert "3 attempts" in found.problem["detail"]
    assert "the store was away" in found.problem["detail"]
    assert services.sweeps.to_ring(0) == []


def test_the_same_key_and_request_is_the_same_job_and_another_request_is_refused(services: Services) -> None:
    first, created = services.jobs.submit("assimilate", {"a": 1}, "sha-1", "key")
    again, created_again = services.jobs.submit("assimilate", {"a": 1}, "sha-1", "key")
    assert (created, created_again, again.id) == (True, False, first.id)
    with pytest.raises(IdempotencyConflict):
        services.jobs.submit("assimilate", {"a": 2}, "sha-2", "key")


def test_one_key_sent_by_many_at_once_makes_one_job(services: Services) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: services.jobs.submit("p", {}, "s", "key"), range(16)))
    assert len({job.id for job, _ in found}) == 1
    assert sum(created for _, created in found) == 1


def test_a_job_nobody_works_on_is_dismissed_at_once(services: Services) -> None:
    job = submit(services)
    dismissed = services.jobs.dismiss(job.id)
    assert dismissed is not None
    assert dismissed.status == "dismissed"
    assert services.steps.claim(StepRef(job.id, 1, "prepare"), "w1") is None


def test_a_running_job_is_dismissed_once_its_last_worker_confirms(services: Services) -> None:
    job = submit(services)
    services.steps.finish(claim(services, job, "prepare"), BLOCKS)
    one, two = claim(services, job, "sample-000"), claim(services, job, "sample-001", owner="w2")
    services.jobs.dismiss(job.id)
    assert status(services, job) == "running"
    with pytest.raises(Cancelled):
        services.steps.renew(one)
    services.steps.stop(one)
    assert status(services, job) == "running"
    assert services.steps.finish(two) == []
    assert status(services, job) == "dismissed"


def test_a_dismissed_job_whose_worker_died_is_settled_by_the_sweeper(services: Services) -> None:
    job = submit(services)
    claim(services, job, "prepare")
    services.jobs.dismiss(job.id)
    assert services.sweeps.settle_dismissals() == 0
    time.sleep(services.settings.lease_seconds + 0.1)
    services.sweeps.expire()
    assert status(services, job) == "dismissed"


def test_a_finished_job_cannot_be_dismissed_and_a_dismissed_one_can_again(services: Services) -> None:
    job = submit(services)
    services.steps.fail(
        claim(services, job, "prepare"), {"title": "bad", "detail": "bad data", "status": 422}
    )
    with pytest.raises(AlreadyFinished):
        services.jobs.dismiss(job.id)
    other = submit(services)
    services.jobs.dismiss(other.id)
    assert services.jobs.dismiss(other.id) is not None
    assert services.jobs.dismiss("nobody") is None


def test_what_is_published_is_successful_even_if_dismissal_was_asked_for_meanwhile(
    services: Services,
) -> None:
    job = submit(services)
    claim(services, job, "prepare")
    services.jobs.dismiss(job.id)
    assert services.sweeps.succeed(job.id, 1)
    assert not services.sweeps.succeed(job.id, 2)
    assert status(services, job) == "successful"


def test_jobs_are_listed_newest_first_page_by_page_without_gaps_or_repeats(services: Services) -> None:
    ids = [submit(services).id for _ in range(7)]
    services.jobs.dismiss(ids[3])
    seen, before = [], None
    while page := services.jobs.list_jobs(limit=3, before=before):
        seen += [job.id for job in page]
        before = (page[-1].created, page[-1].id)
    assert seen == ids[::-1]
    assert [job.id for job in services.jobs.list_jobs(["dismissed"])] == [ids[3]]


def test_progress_never_runs_backwards_and_counts_blocks(services: Services) -> None:
    job = submit(services)
    services.steps.finish(claim(services, job, "prepare"), BLOCKS)
    one, two = claim(services, job, "sample-000"), claim(services, job, "sample-001")
    told = []
    for held, fraction in ((one, 0.5), (two, 0.1), (one, 0.9)):
        services.steps.progress(held, fraction, {"stage": "sampling"})
        found = services.jobs.get(job.id)
        assert found is not None
        told.append(found.progress)
    services.steps.finish(one)
    services.steps.progress(two, 1.0, {})
    found = services.jobs.get(job.id)
    assert found is not None
    assert told == sorted(told)
    assert 5 <= told[0] < 50
    assert found.progress == 95


def test_a_bell_is_rung_again_only_after_a_while(services: Services) -> None:
    submit(services)
    assert len(services.sweeps.to_ring(5)) == 1
    assert services.sweeps.to_ring(5) == []
    services.sweeps.forget_bells()
    assert len(services.sweeps.to_ring(5)) == 1


def test_a_report_of_progress_is_told_at_once_that_the_job_shall_stop(services: Services) -> None:
    job = submit(services)
    held = claim(services, job, "prepare")
    services.steps.progress(held, 0.1, {})
    services.jobs.dismiss(job.id)
    with pytest.raises(Cancelled):
        services.steps.progress(held, 0.2, {})


def test_the_time_left_is_reckoned_from_the_sampling_alone(services: Services) -> None:
    job = submit(services)
    services.steps.give_up(claim(services, job, "prepare"), "the store was away")
    with services.jobs.engine.begin() as c:
        long_ago = clock(c) - timedelta(hours=5)
        c.execute(update(jobs).values(started=long_ago))
        c.execute(update(steps).where(steps.c.attempt == 1).values(started=long_ago))
    prepare = claim(services, job, "prepare", attempt=2)
    services.steps.progress(prepare, 0.5, {})
    services.steps.finish(prepare, BLOCKS)
    one = claim(services, job, "sample-000", attempt=2)
    with services.jobs.engine.begin() as c:
        ago = {"prepare": timedelta(hours=1), "sample": timedelta(seconds=30)}
        for kind, age in ago.items():
            c.execute(
                update(steps).where(steps.c.attempt == 2, steps.c.kind == kind).values(started=clock(c) - age)
            )
    for fraction in (0.0, 0.5):
        services.steps.progress(one, fraction, {})
    events = services.jobs.events_after(job.id, 0)
    left = [event.data["eta_seconds"] for event in events if event.kind == "progress"]
    assert left[:2] == [None, None] and 85 <= left[2] <= 100  # a quarter in 30 s
