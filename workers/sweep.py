"""The sweeper: whatever a crash, a lost message or a lost reply left behind is set right.

Safe at any time, in any number of copies. A marker in the store is looked for before a silent worker's job is
begun anew, since the worker may have died right after publishing.
"""

import logging

from workers.services import Services
from workers.store.objects import read_commit, remove_attempt

log = logging.getLogger(__name__)


def sweep(services: Services) -> None:
    """One round."""
    record_commits(services)
    if expired := services.sweeps.expire():
        log.warning("%d jobs lost their worker and begin a new attempt", expired)
    services.sweeps.settle_dismissals()
    services.bell.ring(services.sweeps.to_ring(services.settings.ring_seconds))
    remove_fruitless(services)


def remove_fruitless(services: Services) -> None:
    """Remove the files of attempts that came to nothing, long after their job has ended and nobody writes.

    What a marker names stays, whatever the job's row says. The steps are struck out last: if this is broken
    off, the next round begins it again.
    """
    for job_id, attempt in services.sweeps.fruitless(services.settings.keep_attempts_hours):
        commit = read_commit(services.store, job_id)
        if commit is None or commit["attempt"] != attempt:
            remove_attempt(services.store, job_id, attempt)
        services.sweeps.forget(job_id, attempt)


def record_commits(services: Services) -> None:
    """Finish every job that was published without its row being told; to be done before leases expire."""
    for job_id in services.sweeps.publishing():
        if record_commit(services, job_id):
            log.info("job %s was published by a worker that could not say so", job_id)


def record_commit(services: Services, job_id: str) -> bool:
    """If the job's marker lies in the store, say so in its row; False if there is none or the row knows."""
    commit = read_commit(services.store, job_id)
    return commit is not None and services.sweeps.succeed(job_id, commit["attempt"])
