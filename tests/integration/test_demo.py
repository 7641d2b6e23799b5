"""`serein demo`, as somebody runs it who has just installed Serein."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import xarray as xr

ROOT = Path(__file__).parents[2]


def memory_of_worker(demo: psutil.Process) -> int:
    """Bytes of memory the demo's Celery workers hold now; 0 while there are none."""
    try:
        tree = demo.children(recursive=True)
        return sum(process.memory_info().rss for process in tree if "worker" in process.cmdline())
    except psutil.NoSuchProcess:
        return 0


@pytest.mark.timeout(290)
def test_the_demo_prints_a_certificate_and_leaves_an_ensemble_that_opens(tmp_path: Path) -> None:
    home, said = tmp_path / "my demo", tmp_path / "said"
    options = ["--home", str(home), "--members", "4"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120", "PYTHONPATH": str(ROOT)}
    with said.open("w") as out:
        demo = psutil.Popen(
            [sys.executable, "-m", "app.cli", "demo", *options],
            env=environment,
            cwd=tmp_path,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        peak = 0
        while demo.poll() is None:
            peak = max(peak, memory_of_worker(demo))
            time.sleep(0.1)
    text = said.read_text()
    assert demo.returncode == 0, text
    for words in ("Certificate: 4 members", "this ensemble", "optimal interpolation", "z500", "The truth"):
        assert words in text
    printed = re.search(r'From disk: xarray.open_zarr\("(.*)"\)', text)
    assert printed is not None, text
    ensemble = xr.open_zarr(printed[1])
    assert set(ensemble.sizes) == {"number", "time", "level", "latitude", "longitude"}
    assert (ensemble.sizes["number"], ensemble.sizes["time"]) == (4, 5)
    assert ensemble.sizes["longitude"] == 64  # the whole Earth
    assert 50 * 2**20 < peak < 5 * 2**30  # of two workers
