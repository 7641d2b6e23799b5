"""Steps at work: what becomes of a job when a step succeeds, fails, is stopped or overtaken."""

import json
import shutil
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from app.supervisor import release_the_dead
from tests.workers import toy
from workers import steps
from workers.database.engine import clock
from workers.database.rows import Job, NewStep, StepRef
from workers.database.tables import jobs as job_table
from workers.database.tables import steps as table
from workers.services import Services
from workers.steps.step import Step
from workers.store.objects import attempt_key, commit_key, create_only, exists, put_json, read_commit
from workers.sweep import sweep
from workers.work import work_on


@pytest.fixture(autouse=True)
def toy_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, name in toy.STEPS.items():
        monkeypatch.setitem(steps.STEPS, kind, name)


def submit(services: Services, **options: Any) -> Job:
    (services.settings.home / "toy.json").write_text(json.dumps(options))
    return services.jobs.submit("assimilate", {}, "sha")[0]


def work_it_off(services: Services, owner: str = "w1") -> None:
    """As a worker would to whom every bell is rung twice."""
    services.sweeps.forget_bells()
    while refs := services.sweeps.to_ring(3600):
        for ref in refs * 2:
            work_on(services, ref, owner)
        services.sweeps.forget_bells()


def found(services: Services, job: Job) -> Job:
    row = services.jobs.get(job.id)
    assert row is not None
    return row


def test_a_job_is_prepared_sampled_published_and_successful(services: Services) -> None:
    job = submit(services)
    work_it_off(services)
    assert (found(services, job).status, found(services, job).result_attempt) == ("successful", 1)
    commit = read_commit(services.store, job.id)
    assert commit is not None
    names = [entry["key"].rsplit("/", 1)[1] for entry in commit["manifest"]]
    assert names == ["sample-000.json", "sample-001.json"]
    assert len((services.settings.home / "log").read_text().splitlines()) == 2  # each block once


def test_a_step_that_cannot_be_done_fails_the_job_with_its_reason(services: Services) -> None:
    job = submit(services, error="data")
    work_it_off(services)
    problem = found(services, job).problem
    assert found(services, job).status == "failed"
    assert problem is not None
    assert problem["detail"] == "there is nothing here; send something"


def test_a_bug_fails_the_job_at_once_and_is_named(services: Services) -> None:
    job = submit(services, error="bug")
    work_it_off(services)
    problem = found(services, job).problem
    assert problem is not None
    assert (problem["status"], problem["detail"]) == (500, "ZeroDivisionError: a bug")
    assert found(services, job).attempt == 1


def test_a_store_that_was_away_costs_an_attempt_not_the_job(services: Services) -> None:
    job = submit(services, error="store")
    work_it_off(services)
    assert (found(services, job).status, found(services, job).result_attempt) == ("successful", 2)
    commit = read_commit(services.store, job.id)
    assert commit is not None
    assert all("/a2/" in entry["key"] for entry in commit["manifest"])


def test_a_job_published_by_a_worker_that_died_before_saying_so_is_found_by_the_sweeper(
    services: Services,
) -> None:
    job = submit(services)
    for name in ("prepare", "sample-000", "sample-001"):
        work_on(services, StepRef(job.id, 1, name), "w1")
    services.steps.claim(StepRef(job.id, 1, "publish"), "w1")
    create_only(services.store, commit_key(job.id), {"attempt": 1, "manifest": []})
    services.sweeps.expire(dead="nobody")
    sweep(services)
    sweep(services)
    assert (found(services, job).status, found(services, job).result_attempt) == ("successful", 1)


def test_an_attempt_overtaken_by_a_zombies_marker_accepts_what_was_published(services: Services) -> None:
    job = submit(services)
    for name in ("prepare", "sample-000", "sample-001"):
        work_on(services, StepRef(job.id, 1, name), "zombie")
    services.steps.claim(StepRef(job.id, 1, "publish"), "zombie")
    services.sweeps.expire(dead="zombie")
    for name in ("prepare", "sample-000", "sample-001"):
        work_on(services, StepRef(job.id, 2, name), "w2")
    create_only(services.store, commit_key(job.id), {"attempt": 1, "manifest": []})  # the zombie wakes up
    work_on(services, StepRef(job.id, 2, "publish"), "w2")
    assert (found(services, job).status, found(services, job).result_attempt) == ("successful", 1)


def test_a_job_dismissed_while_a_block_is_sampled_stops_within_a_report(services: Services) -> None:
    services.steps.lease = timedelta(minutes=5)  # renewed too seldom to be what stops it
    job = submit(services, seconds=30)
    work_on(services, StepRef(job.id, 1, "prepare"), "w1")

    thread = threading.Thread(target=work_on, args=(services, StepRef(job.id, 1, "sample-000"), "w1"))
    thread.start()
    while found(services, job).progress < 6:
        thread.join(0.02)
    services.jobs.dismiss(job.id)
    thread.join(5)
    assert not thread.is_alive()
    assert found(services, job).status == "dismissed"
    assert read_commit(services.store, job.id) is None


@pytest.mark.parametrize("error", [OSError(), ZeroDivisionError("a bug")])
def test_a_job_whose_marker_was_written_before_publishing_broke_is_successful(
    services: Services, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    publish = toy.publish

    def publish_and_break(step: Step) -> list[NewStep]:
        publish(step)
        raise error

    monkeypatch.setattr(toy, "publish", publish_and_break)
    services.steps.max_attempts = 1
    job = submit(services)
    work_it_off(services)
    assert (found(services, job).status, found(services, job).result_attempt) == ("successful", 1)


def test_a_job_published_by_a_worker_that_died_is_successful_before_its_lease_is_taken_away(
    services: Services,
) -> None:
    services.sweeps.max_attempts = 1
    job = submit(services)
    dead = f"{socket.gethostname()}:{2**22 + 1}:dead"  # above the largest process id of Linux
    for name in ("prepare", "sample-000", "sample-001"):
        work_on(services, StepRef(job.id, 1, name), dead)
    services.steps.claim(StepRef(job.id, 1, "publish"), dead)
    create_only(services.store, commit_key(job.id), {"attempt": 1, "manifest": []})
    release_the_dead(services)
    assert (found(services, job).status, found(services, job).result_attempt) == ("successful", 1)


def test_an_error_without_a_message_is_given_by_its_name(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(step: Step) -> list[NewStep]:
        raise OSError

    monkeypatch.setattr(toy, "prepare", silent)
    job = submit(services)
    work_on(services, StepRef(job.id, 1, "prepare"), "w1")
    assert found(services, job).attempt == 2
    assert "OSError" in found(services, job).message


def test_two_sweeps_at_once_are_as_good_as_one(services: Services) -> None:
    jobs = [submit(services) for _ in range(4)]
    for job in jobs:
        services.steps.claim(StepRef(job.id, 1, "prepare"), "w1")
    with services.jobs.engine.begin() as c:
        c.execute(update(table).values(lease_until=clock(c)))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: sweep(services), range(4)))
    assert [found(services, job).attempt for job in jobs] == [2, 2, 2, 2]
    messages = list((services.settings.home / "broker" / "messages").iterdir())
    assert len(messages) == 4


def test_a_broker_that_is_away_fails_no_submission(services: Services) -> None:
    job = submit(services)
    shutil.rmtree(services.settings.home / "broker")
    services.bell.ring([StepRef(job.id, 1, "prepare")])
    assert services.sweeps.to_ring(60) == [StepRef(job.id, 1, "prepare")]  # still to be rung


def test_files_of_attempts_that_came_to_nothing_are_removed_a_day_after_their_job(services: Services) -> None:
    retried, failed, running = submit(services, error="store"), submit(services), submit(services)
    for job in (retried, failed):
        put_json(services.store, attempt_key(job.id, 1, "left.json"), {})
    put_json(services.store, attempt_key(failed.id, 10, "other.json"), {})
    put_json(services.store, attempt_key(running.id, 1, "made.json"), {})
    claim = services.steps.claim(StepRef(failed.id, 1, "prepare"), "w1")
    assert claim is not None
    services.steps.fail(claim, {"detail": "no"})
    held = services.steps.claim(StepRef(running.id, 1, "prepare"), "w1")
    assert held is not None
    (services.settings.home / "toy.json").write_text(json.dumps({"error": "store"}))
    for name in ("prepare", "sample-000"):
        work_on(services, StepRef(retried.id, 1, name), "w1")
    for name in ("prepare", "sample-000", "sample-001", "publish"):
        work_on(services, StepRef(retried.id, 2, name), "w1")
    assert found(services, retried).result_attempt == 2
    sweep(services)
    assert exists(services.store, attempt_key(failed.id, 1, "left.json"))  # not yet
    with services.jobs.engine.begin() as c:
        long_ago = clock(c) - timedelta(hours=25)
        c.execute(update(job_table).where(job_table.c.finished.is_not(None)).values(finished=long_ago))
    sweep(services)
    for gone in (attempt_key(retried.id, 1, "left.json"), attempt_key(failed.id, 1, "left.json")):
        assert not exists(services.store, gone)
    for kept in (
        attempt_key(retried.id, 2, "sample-000.json"),
        attempt_key(running.id, 1, "made.json"),
        attempt_key(failed.id, 10, "other.json"),
    ):
        assert exists(services.store, kept)
    assert services.sweeps.fruitless(24) == []


def test_what_a_marker_names_is_never_removed(services: Services) -> None:
    job = submit(services, error="bug")
    put_json(services.store, attempt_key(job.id, 1, "made.json"), {})
    create_only(services.store, commit_key(job.id), {"attempt": 1, "manifest": []})
    services.jobs.dismiss(job.id)
    with services.jobs.engine.begin() as c:
        c.execute(update(job_table).values(finished=clock(c) - timedelta(hours=25)))
    sweep(services)
    assert exists(services.store, attempt_key(job.id, 1, "made.json"))
