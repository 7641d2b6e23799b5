"""The scoreboards of the sampler in a short form: their claims hold on small problems too."""

from typer.testing import CliRunner

from app.cli import app
from app.scoreboard import mixture, nonlinear, oracle


def test_the_fast_preset_is_right_on_a_gaussian_problem_also_in_bfloat16() -> None:
    result = oracle.score(oracle.Options(members=128, presets=["fast"], states=4, points=64))
    rows = {row["preset"]: row for row in result["detail"]["presets"]}
    assert set(rows) == {"fast", "fast, bfloat16"}
    assert (rows["fast"]["forward"], rows["fast"]["vjp"]) == (20, 39)
    wrong = [c for c in result["criteria"] if not c["holds"] and "spread" not in c["id"]]
    assert not wrong
    assert all(abs(c["value"] - 1) < 0.06 for c in result["criteria"] if "spread" in c["id"])


def test_particles_bring_the_weights_of_modes_near_the_exact_ones() -> None:
    result = mixture.score(mixture.Options(members=120, presets=["fast", "balanced"], problems=1))
    fast, balanced = (row["total_variation"] for row in result["detail"]["problems"])
    assert balanced < 0.6 * fast
    (criterion,) = result["criteria"]
    assert criterion["id"] == "balanced: total variation of mode weights, worst problem"
    assert criterion["holds"] == (balanced <= 0.06)


def test_particles_find_the_winds_that_an_instrument_cannot_tell_apart() -> None:
    options = nonlinear.Options(
        members=150, presets=["fast", "balanced"], instruments=["speed"], draws=500_000
    )
    result = nonlinear.score(options)
    fast, balanced = result["detail"]["runs"]
    assert balanced["distance"] < 0.8 * fast["distance"]
    assert all(c["holds"] for c in result["criteria"])
    assert len(result["criteria"]) == 2


def test_a_preset_that_does_not_exist_is_refused_by_name() -> None:
    result = CliRunner().invoke(app, ["score", "nonlinear", "--presets", "fast,hasty"])
    assert result.exit_code != 0
    assert "no preset hasty" in str(result.exception)
