"""The two Celery tasks: work on a step, and sweep. Run by `celery -A workers.tasks worker|beat`."""

import os
import socket
import uuid
import warnings
from functools import lru_cache
from typing import Any

from celery import Celery
from celery.platforms import SecurityWarning
from celery.signals import beat_init, worker_init, worker_ready

from workers import sweep
from workers.celery_app import make_celery, make_folders
from workers.database.rows import StepRef
from workers.services import Services, open_services
from workers.settings import get_settings
from workers.work import work_on

# "absolutely not recommended" to run as root, because of pickled messages: ours are JSON
warnings.filterwarnings("ignore", category=SecurityWarning)

celery: Celery = make_celery(get_settings())


@lru_cache(maxsize=1)
def services() -> Services:
    """The services of this worker process."""
    return open_services(get_settings(), celery)


@lru_cache(maxsize=1)
def owner() -> str:
    """A name no other worker has: leases are held in it."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


@celery.task(name="serein.work")
def work(job_id: str, attempt: int, step: str) -> None:
    """Work on one step, if it is still to be done."""
    work_on(services(), StepRef(job_id, attempt, step), owner())


@celery.task(name="serein.sweep")
def sweep_task() -> None:
    """One round of the sweeper."""
    sweep.sweep(services())


@worker_init.connect
@beat_init.connect
def _make_folders(**_: Any) -> None:
    make_folders(get_settings())


@worker_ready.connect
def _offer_again(**_: Any) -> None:
    services().sweeps.forget_bells()  # messages may have died with the worker whose place this one takes
    sweep.sweep(services())
