"""`serein score samples`: what it makes of weather that is as it should be, and of weather that is not."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import app
from app.scoreboard import samples_plot
from app.scoreboard.samples import SHOWN, Weather, _criteria, _weather
from models.prior.card import load_card

GRID = load_card("earth-t21").state.grid


def weather(seed: int, scale: float = 1.0) -> Weather:
    """Of two seasons of sixty red-noise trajectories."""
    generator, seasons = np.random.default_rng(seed), []
    for _ in range(2):
        x = generator.standard_normal((60, 17, len(SHOWN), *GRID.shape))
        for t in range(1, 17):
            x[:, t] = 0.9 * x[:, t - 1] + np.sqrt(1 - 0.9**2) * x[:, t]
        seasons.append(scale * x * (1 + np.cos(np.deg2rad(GRID.latitude))[:, None] ** 4))
    return _weather(seasons, np.zeros((len(SHOWN), *GRID.shape)), GRID.latitude, GRID.area_weights)


@pytest.fixture(scope="module")
def truth() -> Weather:
    return weather(0)


def test_two_runs_of_one_climate_meet_every_criterion(truth: Weather):
    criteria = _criteria(weather(1), truth, GRID.area_weights)
    assert len(criteria) == 7 * len(SHOWN) and all(c.holds for c in criteria)


def test_weather_that_is_too_strong_is_found_so(truth: Weather):
    failed = {c.id for c in _criteria(weather(1, scale=1.3), truth, GRID.area_weights) if not c.holds}
    assert {"z500: std, size off by", "z500: storms, size off by"} <= failed
    assert any("spectrum" in name for name in failed) and not any("lag" in name for name in failed)


def test_the_page_is_drawn(truth: Weather, tmp_path: Path):
    pytest.importorskip("matplotlib", reason="extra `train` is not installed")
    samples_plot.draw({"truth": truth, "samples": weather(1)}, GRID, tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 50_000


def test_without_a_run_it_says_how_to_make_one(tmp_path: Path):
    result = CliRunner().invoke(app, ["score", "samples", "--data", str(tmp_path)])
    assert result.exit_code and "serein simulate earth" in str(result.exception)
