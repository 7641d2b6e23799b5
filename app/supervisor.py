"""`serein up`: API, workers and beat in one process tree.

A child that dies is started again, ever more patiently if it keeps dying. SIGTERM or Ctrl-C stops them all,
and if this process is killed outright Linux kills its children (PR_SET_PDEATHSIG): leases and markers
make a kill as good as any other end. The steps of workers that are known to be dead begin anew at once.
"""

import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType

import psutil

from workers.celery_app import WORKER_FLAGS
from workers.services import Services, open_services
from workers.settings import Settings
from workers.sweep import record_commits

GRACE_SECONDS = 5.0
PR_SET_PDEATHSIG = 1

log = logging.getLogger(__name__)


def commands(settings: Settings) -> dict[str, list[str]]:
    """The command line of each child."""
    python = sys.executable
    uvicorn = [python, "-m", "uvicorn", "--factory", "app.main:create_app", "--log-level", "warning"]
    celery = [python, "-m", "celery", "--app", "workers.tasks", "--quiet"]
    where = ["--host", settings.host, "--port", str(settings.port)]
    stop = ["--timeout-graceful-shutdown", "2"]  # event streams stay open as long as their jobs run
    beat = ["--schedule", str(settings.home / "beat" / "schedule"), "--pidfile", ""]
    names = [f"worker {k}" for k in range(1, settings.workers + 1)]
    worker = [*celery, "worker", *WORKER_FLAGS, "--loglevel", "warning"]
    return {
        "api": [*uvicorn, *where, *stop],
        **{name: [*worker, "--hostname", f"{name.replace(' ', '-')}@%h"] for name in names},
        "beat": [*celery, "beat", *beat, "--loglevel", "warning"],
    }


@dataclass
class Child:
    """A process that is to run for as long as the supervisor does."""

    name: str
    command: list[str]
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    deaths: list[float] = field(default_factory=list)
    start_at: float = 0.0

    def start(self) -> None:
        """Start it."""
        self.process = subprocess.Popen(  # noqa: S603 - our own command line
            self.command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C goes to the supervisor alone, which stops its children in order
            preexec_fn=_die_with_parent
            if sys.platform == "linux"
            else None,  # nothing else tells of our death
        )

    def died(self) -> bool:
        """Has it ended since this was last asked? Then it is due again after a while."""
        if self.process is None or self.process.poll() is None:
            return False
        now = time.monotonic()
        self.deaths = [t for t in self.deaths if now - t < 60] + [now]
        self.start_at = now + min(0.2 * 2 ** (len(self.deaths) - 1), 15)
        log.warning("%s ended with status %s", self.name, self.process.returncode)
        self.process = None
        return True


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run(settings: Settings, ready: Callable[[], None] | None = None) -> int:
    """Run the service until SIGTERM or SIGINT; `ready` is called once the API answers.

    Exits with a message if the port is taken.
    """
    if _listening(settings):
        sys.exit(f"port {settings.port} of {settings.host} is taken: stop what listens there or use --port")
    settings.home.mkdir(parents=True, exist_ok=True)
    (settings.home / "beat").mkdir(exist_ok=True)
    services = open_services(settings)  # the tables are up to date before anybody uses them
    release_the_dead(services)
    environment = {**os.environ, **settings.environment()}
    children = [Child(name, command, environment) for name, command in commands(settings).items()]
    stop = threading.Event()

    def asked(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, asked) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        for child in children:
            child.start()
        while not stop.wait(0.1):
            if ready is not None and _listening(settings):
                ready()
                ready = None
            for child in children:
                _look_after(child, services)
    finally:
        _stop(children)
        services.close()
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


def _listening(settings: Settings) -> bool:
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "") else settings.host  # noqa: S104 - compared only
    try:
        with socket.create_connection((host, settings.port), timeout=1):
            return True
    except OSError:
        return False


def _look_after(child: Child, services: Services) -> None:
    if child.died() and child.name.startswith("worker"):
        release_the_dead(services)
    if child.process is None and time.monotonic() >= child.start_at:
        child.start()


def release_the_dead(services: Services) -> None:
    """Steps of workers of this machine whose process is gone need not wait for their lease to run out."""
    try:
        record_commits(services)  # a worker may have died right after publishing
        for owner in services.sweeps.owners():
            host, pid, _ = owner.rsplit(":", 2)
            if host == socket.gethostname() and not psutil.pid_exists(int(pid)):
                services.sweeps.expire(dead=owner)
    except Exception:  # the database or the store is away; the lease will run out
        log.warning("could not release the work of a dead worker", exc_info=True)


def _stop(children: list[Child]) -> None:
    running = [child.process for child in children if child.process is not None]
    for process in running:
        process.terminate()
    end = time.monotonic() + GRACE_SECONDS
    for process in running:
        try:
            process.wait(max(end - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:  # a worker in the middle of a step: the lease brings the step back
            process.kill()
            process.wait()
