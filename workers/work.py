"""One step, from claiming it to writing down what came of it."""

import logging
from typing import Any

from obstore.exceptions import BaseError
from sqlalchemy.exc import OperationalError

from workers import steps
from workers.database.rows import Cancelled, Claim, LeaseLost, StepRef
from workers.lease import Lease
from workers.services import Services
from workers.steps.step import Step, StepFailed
from workers.store.objects import read_commit
from workers.sweep import record_commit

AWAY = (BaseError, OSError, OperationalError)
"""What the store or the database raises when it cannot be reached: worth another attempt."""

log = logging.getLogger(__name__)


def work_on(given: Services, ref: StepRef, owner: str) -> bool:
    """Claim the step, do it and write down what came of it; False if it was not to be had."""
    claim = given.steps.claim(ref, owner)
    if claim is None:
        return False
    try:
        with Lease(given.steps, claim) as lease:
            following = steps.run(Step(claim, given, lease))
        if claim.kind == "publish":
            record_commit(given, claim.job_id)
        else:
            given.bell.ring(given.steps.finish(claim, following))
    except Cancelled:
        given.steps.stop(claim)
    except LeaseLost as lost:
        log.warning("%s", lost)
    except Exception as error:
        log.exception("%s of %s", claim.name, claim.job_id)
        _put_down(given, claim, error)
    return True


def _put_down(given: Services, claim: Claim, error: Exception) -> None:
    # If even this look at the store raises, the step is left to the sweeper, which looks again.
    if claim.kind == "publish" and read_commit(given.store, claim.job_id) is not None:
        record_commit(given, claim.job_id)
    elif isinstance(error, AWAY):
        given.steps.give_up(claim, f"{type(error).__name__}: {error}".partition("\n")[0])
        given.bell.ring(given.sweeps.to_ring(given.settings.ring_seconds))
    else:
        given.steps.fail(claim, _problem(error))


def _problem(error: Exception) -> dict[str, Any]:
    if isinstance(error, StepFailed):
        return {
            "type": "/problems/analysis-failed",
            "title": error.title,
            "status": 422,
            "detail": error.detail,
        }
    detail = f"{type(error).__name__}: {error}"
    return {
        "type": "/problems/internal",
        "title": "The analysis ended in an error",
        "status": 500,
        "detail": detail,
    }
