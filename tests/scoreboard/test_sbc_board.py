"""`serein score sbc`: the quick form, what is tried, and how ranks are judged."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import app
from app.scoreboard import sbc, sbc_europe, sbc_plot, sbc_reynolds
from models.posterior.sampler import Preset

ROW = {
    "problem": "europe",
    "preset": "balanced",
    "truth": "simulator",
    "p": 0.2,
    "functions": {"mean": {"counts": [5, 7], "p": 0.56}, "energy": {"counts": [12, 0], "p": 0.0005}},
}


def test_the_quick_form_has_the_control_and_an_estimate_of_the_force() -> None:
    result = CliRunner().invoke(app, ["score", "sbc", "--quick", "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    board = json.loads(result.stdout)
    control, force = board["detail"]["runs"]
    assert control["problem"] == "gaussian"
    assert board["criteria"][0]["holds"], board["criteria"][0]
    assert force["parameter"]["rmse"] < 0.75 * force["parameter"]["prior_spread"]
    assert set(control["functions"]) < set(force["functions"])
    assert len(board["criteria"]) == 3


def test_an_unknown_problem_is_refused_by_name() -> None:
    result = CliRunner().invoke(app, ["score", "sbc", "--problems", "lorenz97"])
    assert result.exit_code != 0
    assert "lorenz97" in str(result.exception) + result.output


def test_claims_are_judged() -> None:
    (ranks,) = sbc.judge(ROW)
    assert ranks.id == "europe, balanced, truth from the test year: least p of 2 rank histograms, times 2"
    assert ranks.holds
    force = {"name": "force", "coverage90": 0.8, "rmse": 0.5, "filters": {"rmse": 0.6}}
    bad, coverage, ratio = sbc.judge({**ROW, "problem": "lorenz96-forcing", "p": 0.001, "parameter": force})
    assert (bad.holds, coverage.holds, ratio.holds) == (False, False, True)


def test_europe_gives_one_rank_per_window_and_function_whatever_the_truth() -> None:
    compared = sbc_europe.compared("fast", windows=2, members=3, seed=0, data=None)
    assert set(compared) == {"observed", "unobserved", "last state", "mean", "energy", "likelihood"}
    for members, truth in compared.values():
        assert members.shape == (2, 3)
        assert truth.shape == (2,)
        assert len(np.unique(members)) == 6
    members, truth = compared["observed"]
    assert np.abs(members - truth[:, None]).max() < 0.5  # of the climatological standard deviation


@pytest.mark.parametrize("source", ["prior", "simulator"])
def test_a_flow_gives_ranks_of_its_reynolds_number_too(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sbc_reynolds.PRESETS, "short", Preset(3, 1.0, 0.05, stochastic=True, iterations=1))
    monkeypatch.setattr(sbc_reynolds, "LEVELS", 4)
    compared = sbc_reynolds.compared("short", windows=2, members=2, seed=0, source=source)
    members, truth = compared["parameter"]
    assert members.shape == (2, 2)
    assert len(np.unique(members)) == 4
    assert np.abs(truth - np.log(500)).max() < 3  # ln Re
    misfit = -2 * compared["likelihood"][1] / 1536
    assert np.abs(misfit - 1).max() < 0.15  # of the truth, whose errors are the sensor's


def test_histograms_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    sbc_plot.plot([ROW, {**ROW, "functions": {"mean": ROW["functions"]["mean"]}}], tmp_path / "ranks.svg")
    text = (tmp_path / "ranks.svg").read_text()
    assert text.startswith("<?xml") and len(text) > 5000
