"""`serein simulate problem`: reports and truth of a classical problem, and what it refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import xarray as xr

Serein = Callable[..., Any]


def test_reports_and_truth_are_written(serein: Serein, tmp_path: Path):
    out, truth = tmp_path / "reports.csv", tmp_path / "truth.nc"
    said = serein(
        "simulate", "problem", "lorenz63", "--out", out, "--truth", truth, "--states", 3, "--seed", 4
    )
    assert said.code == 0 and f"serein submit {out} --prior lorenz63" in said.out
    reports, states = pd.read_csv(out, parse_dates=["time"]), xr.open_dataset(truth)
    assert set(reports["variable"]) == set(states) == {"lorenz_x", "lorenz_y", "lorenz_z"}
    assert reports["time"].dt.tz_localize(None).unique().tolist() == states["time"].to_series().tolist()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["europe"], "europe cannot be simulated, but lorenz63"),
        (["mars"], "no prior 'mars'"),
        (["lorenz96", "--states", "1000"], "up to"),
        (["lorenz96", "--start", "garbage"], "garbage"),
        (["lorenz96", "--network", "gone.csv"], "gone.csv"),
        (["lorenz96", "--out", "nowhere/x.csv"], "nowhere"),
    ],
)
def test_what_cannot_be_simulated_is_said_in_a_line(
    serein: Serein, tmp_path: Path, monkeypatch, arguments: list[str], words: str
):
    monkeypatch.chdir(tmp_path)
    said = serein("simulate", "problem", *arguments)
    assert said.code == 1 and words in said.err and said.err.count("\n") == 1
