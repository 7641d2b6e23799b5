"""What a process of Serein works with: settings, the books, the store, the bell. Opened once per process."""

from dataclasses import dataclass

from celery import Celery
from obstore.store import ObjectStore

from workers.celery_app import Bell, make_celery, make_folders
from workers.database.batch_book import BatchBook
from workers.database.engine import migrate, open_engine
from workers.database.job_book import JobBook
from workers.database.step_book import StepBook
from workers.database.sweep_book import SweepBook
from workers.settings import Settings
from workers.store.objects import open_store


@dataclass(frozen=True, eq=False)
class Services:
    """The open connections of a process."""

    settings: Settings
    jobs: JobBook
    steps: StepBook
    sweeps: SweepBook
    batches: BatchBook
    store: ObjectStore
    bell: Bell

    def close(self) -> None:
        """Let go of the database."""
        self.jobs.engine.dispose()


def open_services(settings: Settings, celery: Celery | None = None) -> Services:
    """Open the database (bringing its tables up to date), the store and the broker."""
    make_folders(settings)
    engine = open_engine(settings.database_url)
    migrate(engine)
    steps = StepBook(engine, settings.lease_seconds, settings.max_attempts)
    return Services(
        settings=settings,
        jobs=JobBook(engine),
        steps=steps,
        sweeps=SweepBook(engine, settings.max_attempts),
        batches=BatchBook(engine),
        store=open_store(settings.store_url),
        bell=Bell(celery or make_celery(settings), steps.engine, settings.ring_seconds),
    )
