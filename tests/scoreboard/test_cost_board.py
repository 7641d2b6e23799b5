"""`serein score cost`: the quick form, azula beside a known posterior, and how fronts are judged."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from app.cli import app
from app.cli.client import ServiceError
from models.testing.counted import counted
from models.testing.linear import ring

pytest.importorskip("azula", reason="azula is not installed: pip install --no-deps azula")

from app.scoreboard import cost, twins
from app.scoreboard.cost import Point
from app.scoreboard.peers import Azula


def test_the_quick_form_measures_all_families_and_draws_their_fronts(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="extra `train` is not installed")
    picture = tmp_path / "cost.svg"
    arguments = ["score", "cost", "--quick", "--json", "--plot", str(picture)]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    board = json.loads(result.stdout)
    points = {p["name"]: p for p in board["detail"]["problems"]["lorenz96"]["points"]}
    assert {p["family"] for p in points.values()} == {"ours", "azula", "sda"}
    ours, theirs = points["Serein, 4 steps"], points["azula, ddpm 4, GMRES(2)"]
    assert (ours["forward"], ours["vjp"], ours["cost"]) == (4, 4, 12)
    assert (theirs["forward"], theirs["vjp"], theirs["cost"]) == (4, 12, 28)
    assert ours["crps"] < 0.06  # the observations' own error is 0.27
    assert [c["id"] for c in board["criteria"]] == [
        "lorenz96: cost at CRPS within 2 % of azula's best, ours / azula's",
        "lorenz96: points of others below our front",
    ]
    assert "<svg" in picture.read_text()


def test_azula_samples_the_posterior_of_a_gaussian_problem() -> None:
    oracle = ring(states=2, points=16)
    posterior, spent = counted(oracle.posterior(), 256)
    z = Azula("ddpm", 48, 5, (0.01, 20.0)).sample(posterior, 256, seed=1).flatten(1).double()
    assert (spent.forward, spent.backward) == (48, 48 * 6)
    spread = oracle.posterior_covariance.diagonal().sqrt()
    assert ((z.mean(0) - oracle.mean) / spread).square().mean().sqrt() < 0.4
    assert 0.7 < (z.std(0) / spread).median() < 1.4


def test_azulas_seed_decides_and_the_global_generator_is_left_alone() -> None:
    posterior, before = ring(states=2, points=16).posterior(), torch.random.get_rng_state()
    a, b, c = (Azula("xeab", 4, 1, (0.1, 5.0)).sample(posterior, 3, seed) for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_twins_share_truth_and_observations_whatever_the_number_of_members() -> None:
    lorenz = twins.LORENZ["lorenz96-sparse"]
    (few,), (many,) = (list(lorenz.twins(2, members, seed=3)) for members in (2, 3))
    np.testing.assert_array_equal(few.truth, many.truth)
    assert (few.rows, many.rows) == (4, 6)
    z = torch.from_numpy(few.truth).repeat_interleave(2, dim=0).reshape(4, *few.posterior.mean.shape).float()
    np.testing.assert_allclose(few.crps(z), 0, atol=1e-6)
    departure = few.posterior.observe(z) / few.posterior.gaussian.error  # errors alone are left
    assert abs(float(departure.std()) - 1) < 0.1


def point(family: str, cost: float, crps: list[float]) -> Point:
    return Point(family, f"{family} {cost:g}", forward=cost, seconds=cost / 100, crps=np.array(crps))


def test_the_cheapest_settings_of_equal_crps_are_compared() -> None:
    points = [
        point("ours", 10, [1.2, 1.4, 1.3]),
        point("ours", 20, [0.99, 1.02, 1.02]),
        point("ours", 90, [0.9, 0.9, 0.9]),
        point("azula", 50, [2.0, 2.2, 2.1]),
        point("azula", 100, [1.01, 1.01, 1.01]),
        point("azula", 200, [1.0, 1.0, 1.0]),
        Point("sda", "sda, diverged"),
    ]
    (ratio, below), detail = cost.judge("problem", points)
    assert (ratio.value, ratio.holds) == (0.2, True)
    assert (below.value, below.holds) == (0, True)
    assert (detail["ours"], detail["azula_best"]) == ("ours 20", "azula 100")
    assert detail["crps_difference"] == pytest.approx(0.0, abs=1e-9)
    assert detail["standard_error"] == pytest.approx(0.01 / 1.01, abs=1e-4)


def test_better_points_of_others_are_below_our_front() -> None:
    points = [
        point("ours", 20, [1.0, 1.1, 1.2]),
        point("azula", 10, [5.0, 5.0, 5.0]),  # nothing of ours is as cheap
        point("azula", 40, [0.8, 0.9, 1.0]),
        point("sda", 40, [0.5, 1.6, 1.1]),  # within its error
    ]
    (ratio, below), detail = cost.judge("problem", points)
    assert ratio.value is None and not ratio.holds
    assert (below.value, below.holds) == (2, False)
    assert detail["below_our_front"] == ["azula 10", "azula 40"]


def test_a_front_is_what_nothing_cheaper_equals() -> None:
    pytest.importorskip("matplotlib", reason="extra `train` is not installed")
    from app.scoreboard.cost_plot import front

    assert front([(3, 1.0), (1, 2.0), (2, 2.0), (4, 1.5)]) == [(1, 2.0), (3, 1.0)]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--problems", "lorenz69"], "no problem 'lorenz69': there are lorenz96"),
        (["--problems", "europe"], "the problem europe needs --data"),
        (["--problems", "europe", "--data", "nowhere"], "no era_interim_europe_daily.nc in nowhere"),
        (["--problems", "lorenz96", "--members", "1"], "at least two members"),
        (["--azula-steps", "8,x"], "--azula-steps takes positive whole numbers such as 8,16, not '8,x'"),
    ],
)
def test_what_cannot_be_scored_is_said_before_anything_runs(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(app, ["score", "cost", *arguments])
    assert isinstance(result.exception, ServiceError)
    assert says in str(result.exception)
