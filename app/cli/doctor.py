"""`serein doctor`: is everything here that the service needs, and if not, what to do."""

import importlib.metadata
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from workers.settings import Settings

NAME = "doctor"
GIB = 2**30


def command() -> None:
    """Check Python, torch, memory, disk, database, broker and store; say what to do where one fails.

    It looks at the same settings as the service (SEREIN_HOME, SEREIN_DATABASE_URL, SEREIN_BROKER_URL,
    SEREIN_STORE_URL), and writes nothing but a probe that it removes again.

    Example: SEREIN_STORE_URL=s3://weather serein doctor
    """
    from rich.console import Console
    from rich.table import Column, Table

    from workers.settings import Settings

    console, settings = Console(), Settings()
    table = Table("", "what", Column("found", overflow="fold"), "what to do", box=None)
    healthy = True
    for name, check, remedy in CHECKS:
        try:
            found, good = check(settings), True
        except Exception as error:
            found, good = str(error).partition("\n")[0][:200] or type(error).__name__, False
        healthy = healthy and good
        table.add_row("[green]ok[/green]" if good else "[red]no[/red]", name, found, "" if good else remedy)
    console.print(table)
    raise typer.Exit(0 if healthy else 1)


def python(_: "Settings") -> str:
    """The interpreter."""
    return ".".join(str(part) for part in sys.version_info[:3])


def torch(_: "Settings") -> str:
    """Torch can be imported; asked in a process of its own, because it is slow and large."""
    version = importlib.metadata.version("torch")
    code = "import torch; print(torch.cuda.device_count())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)  # noqa: S603
    if done.returncode:
        raise RuntimeError(done.stderr.strip().rpartition("\n")[2])
    return f"{version}, {int(done.stdout) or 'no'} GPU"


def memory(_: "Settings") -> str:
    """A worker with a small prior stays below 3 GB."""
    import psutil

    free = psutil.virtual_memory().available / GIB
    if free < 3:
        raise RuntimeError(f"{free:.1f} GB free")
    return f"{free:.1f} GB free"


def home(settings: "Settings") -> str:
    """The home folder can be written."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=settings.home):
        return str(settings.home)


def disk(settings: "Settings") -> str:
    """There is room for ensembles."""
    folder = next(f for f in (settings.home, *settings.home.parents) if f.exists())
    free = shutil.disk_usage(folder).free / GIB
    if free < 2:
        raise RuntimeError(f"{free:.1f} GB free in {folder}")
    return f"{free:.1f} GB free"


def database(settings: "Settings") -> str:
    """The database answers."""
    from sqlalchemy import make_url, text

    from workers.database.engine import open_engine

    with open_engine(settings.database_url).connect() as connection:
        connection.execute(text("SELECT 1"))
    return make_url(settings.database_url).render_as_string(hide_password=True)


def broker(settings: "Settings") -> str:
    """The broker answers."""
    from workers.celery_app import make_celery

    with make_celery(settings).connection_for_read() as connection:
        connection.ensure_connection(max_retries=1, timeout=5)
    return settings.broker_url.rpartition("@")[2]


def store(settings: "Settings") -> str:
    """The store keeps what is written, and refuses to write one key twice: publishing once rests on that."""
    from workers.store.objects import open_store, probe_create_only

    probe_create_only(open_store(settings.store_url))
    return settings.store_url


def priors(_: "Settings") -> str:
    """There is a prior to start from."""
    from models.prior.card import list_priors

    names = [card.name for card in list_priors() if card.weights_path.exists()]
    if not names:
        raise RuntimeError("none that has its weights")
    return ", ".join(names)


CHECKS: list[tuple[str, Callable[["Settings"], str], str]] = [
    ("Python", python, "install a newer Python and make the environment again: make setup"),
    ("torch", torch, "make setup, or pip install -c constraints.txt -e ."),
    ("3 GB of free memory", memory, "close something, or run the worker on a larger machine"),
    ("home folder writable", home, "name another folder: SEREIN_HOME=/some/folder"),
    ("2 GB of free disk", disk, "make room, or name another folder: SEREIN_HOME=/some/folder"),
    ("database", database, "start it, or correct SEREIN_DATABASE_URL (empty: SQLite in the home folder)"),
    ("broker", broker, "start it, or correct SEREIN_BROKER_URL (empty: messages in the home folder)"),
    (
        "store writes a key once",
        store,
        "start it, or correct SEREIN_STORE_URL and the AWS_* variables; the store must honour If-None-Match",
    ),
    ("priors", priors, "install Serein again, or name a folder of priors: SEREIN_PRIORS=/some/folder"),
]
