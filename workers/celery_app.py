"""Celery: the broker is only the door bell. What there is to do stands in the job book.

So messages are acknowledged early, results ignored, and a message nobody came for expires: the sweeper sends
another. Workers run in a solo pool (a forked pool breaks CUDA, a thread pool cannot be killed), one per GPU.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from celery import Celery
from sqlalchemy import Engine

from workers import filesystem_broker
from workers.database.rows import StepRef
from workers.database.sweep_book import mark_rung
from workers.settings import Settings

QUEUE = "serein"
WORKER_FLAGS = (
    *("--pool", "solo", "--concurrency", "1", "--queues", QUEUE),
    # with gossip on, a reconnect to Redis can end a worker; and a busy solo worker has no heartbeat anyway
    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
)

log = logging.getLogger(__name__)


def make_celery(settings: Settings) -> Celery:
    """The Celery application for these settings."""
    celery = Celery("serein", broker=settings.broker_url, set_as_current=False)
    celery.conf.update(
        task_default_queue=QUEUE,
        task_ignore_result=True,
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
        worker_hijack_root_logger=False,
        timezone="UTC",
        beat_schedule={
            "sweep": {
                "task": "serein.sweep",
                "schedule": settings.sweep_seconds,
                "options": {"expires": max(settings.sweep_seconds, 1.0)},
            }
        },
        broker_transport_options=_transport_options(settings),
    )
    return celery


def _transport_options(settings: Settings) -> dict[str, object]:
    if not settings.broker_url.startswith("filesystem://"):
        return {}
    filesystem_broker.install()
    messages, control = _folders(settings)
    return {
        "data_folder_in": str(messages),
        "data_folder_out": str(messages),
        "control_folder": str(control),
        "polling_interval": 0.1,
    }


def _folders(settings: Settings) -> tuple[Path, Path]:
    return settings.home / "broker" / "messages", settings.home / "broker" / "control"


def make_folders(settings: Settings) -> None:
    """What the filesystem broker needs before anybody uses it."""
    if settings.broker_url.startswith("filesystem://"):
        for folder in _folders(settings):
            folder.mkdir(parents=True, exist_ok=True)


class Bell:
    """Tells workers that a step waits. A bell that does not ring is no failure: the sweeper rings again."""

    def __init__(self, celery: Celery, engine: Engine, expires_seconds: float) -> None:
        self.celery = celery
        self.engine = engine
        self.expires_seconds = expires_seconds

    def ring(self, refs: Sequence[StepRef]) -> None:
        """Send one message per step."""
        try:
            for ref in refs:
                self.celery.send_task(
                    "serein.work",
                    args=(ref.job_id, ref.attempt, ref.name),
                    queue=QUEUE,
                    expires=self.expires_seconds,
                    ignore_result=True,
                    retry=False,
                )
            mark_rung(self.engine, refs)
        except Exception:  # the broker is away; the row stands
            log.warning("the broker cannot be reached; the sweeper will try again", exc_info=True)
