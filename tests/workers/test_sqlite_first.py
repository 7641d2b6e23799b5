"""The database works also where eccodes, which brings an old SQLite of its own, was loaded before it."""

import subprocess
import sys
from pathlib import Path


def test_the_database_is_pythons_own_after_eccodes_was_imported(tmp_path: Path) -> None:
    code = f"""
import sys
import workers.decoders.bufr
import eccodes
eccodes.codes_bufr_new_from_samples("BUFR4")
from workers.services import open_services
from workers.settings import Settings
services = open_services(Settings(home={str(tmp_path)!r}))
job, _ = services.jobs.submit("assimilate", {{}}, "sha")
print(job.status)
"""
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.stdout.strip() == "accepted", run.stderr
