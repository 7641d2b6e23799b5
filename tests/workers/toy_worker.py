"""A real Celery worker with the toy steps: `celery --app tests.workers.toy_worker worker`."""

from tests.workers import toy
from workers import steps
from workers.tasks import celery

__all__ = ["celery"]

steps.STEPS.update(toy.STEPS)
