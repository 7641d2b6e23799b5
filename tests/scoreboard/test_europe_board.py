"""`serein score europe`: the quick form on real reports, and how criteria are judged."""

import json
from pathlib import Path

from typer.testing import CliRunner

from app.cli import app
from app.scoreboard.europe import _criteria
from app.scoreboard.report import at_most, within


def test_the_quick_form_scores_real_reports_and_test_states(shared_data: Path) -> None:
    result = CliRunner().invoke(
        app, ["score", "europe", "--data", str(shared_data), "--quick", "--json"], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    board = json.loads(result.stdout)
    real, twin = board["detail"]["real"][0], board["detail"]["twin"][0]
    assert {"name", "criteria", "detail", "machine", "seconds"} == set(board)
    assert real["msl"]["n"] > 300
    for name in ("msl", "z500", "t850"):  # better than knowing only the season, whatever else
        scores = real[name]["scores"]
        assert scores["ensemble"]["rmse"] < 0.6 * scores["climatology"]["rmse"]
        assert twin[name]["rmse"] < 0.8 * twin[name]["climatology_rmse"]


def test_a_criterion_that_fails_is_reported_as_failing() -> None:
    assert at_most("a", 0.94, 0.95).holds and not at_most("a", 0.96, 0.95).holds
    assert within("b", 0.46, 0.5, 0.05).holds and not within("b", 0.44, 0.5, 0.05).holds


def test_each_network_is_judged_beside_the_mean_of_networks_and_seeds_are_averaged() -> None:
    def row(synops: int, rmse: float) -> dict:
        ensemble = {"rmse": rmse, "crps": rmse, "coverage50": 0.5, "coverage90": 0.8}
        oi = {"rmse": 1.0, "crps": 1.0}
        return {"synops": synops, "msl": {"scores": {"ensemble": ensemble, "optimal_interpolation": oi}}}

    held = {c.id: c.holds for c in _criteria([row(50, 1.3), row(50, 0.9), row(10, 0.7)], [])}
    assert held == {
        "real, 50 SYNOPs, msl: RMSE / OI": False,
        "real, 50 SYNOPs, msl: 50 % coverage": True,
        "real, 50 SYNOPs, msl: 90 % coverage": False,
        "real, 10 SYNOPs, msl: RMSE / OI": True,
        "real, 10 SYNOPs, msl: 50 % coverage": True,
        "real, 10 SYNOPs, msl: 90 % coverage": False,
        "real, mean of networks, msl: RMSE / OI": True,
        "real, mean of networks, msl: CRPS / OI": True,
    }
