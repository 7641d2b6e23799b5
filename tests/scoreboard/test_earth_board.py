"""`serein score earth`, the short form: the days that the prior brings, no LETKF."""

import json

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.scoreboard.earth import SHOWN

runner = CliRunner()


def test_the_short_form_compares_with_optimal_interpolation_and_climatology():
    result = runner.invoke(app, ["score", "earth", "--quick", "--json"])
    assert result.exit_code == 0, result.output
    board = json.loads(result.stdout)
    (row,) = board["detail"]["cold"]
    assert row["network"] == "surface" and set(row) == {"network", "serein", "oi", "climatology"}
    for channel in ("sp", "z500"):
        crps = {name: row[name]["channels"][channel]["crps"] for name in ("serein", "oi", "climatology")}
        assert crps["serein"] < crps["climatology"] > crps["oi"]
    ids = {c["id"] for c in board["criteria"]}
    assert all(f"cold, surface, {channel}: CRPS / oi" in ids for channel in SHOWN)
    assert not any("letkf" in name for name in ids)
    assert row["serein"]["cpu_seconds"] > row["oi"]["cpu_seconds"]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--networks", "ships", "no network ships: there is"),
        ("--modes", "warm", "no mode warm: there is"),
        ("--days", "9", "--days 9: the truth is long enough for 5"),
        ("--spin-up", "5", "--spin-up 5: of 5 days none is left to be scored"),
    ],
)
def test_what_there_is_none_of_is_an_error(option, value, message):
    result = runner.invoke(app, ["score", "earth", option, value])
    assert result.exit_code and message in str(result.exception)


def test_a_run_that_is_not_there_is_an_error(tmp_path):
    result = runner.invoke(app, ["score", "earth", "--data", str(tmp_path), "--networks", "all"])
    assert result.exit_code and "serein simulate earth" in str(result.exception)
