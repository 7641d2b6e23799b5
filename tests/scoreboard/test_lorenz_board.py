"""`serein score lorenz`: the quick form beside one of DAPPER's filters, and how claims are judged."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import app
from app.scoreboard import lorenz, lorenz_peers

pytest.importorskip("dapper", reason="extra `peers` is not installed")


def test_the_quick_form_assimilates_the_same_observations_as_a_filter() -> None:
    result = CliRunner().invoke(app, ["score", "lorenz", "--quick", "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    board = json.loads(result.stdout)
    (run,) = board["detail"]["runs"]
    assert run["serein"]["filter rmse"] < 0.8  # the observations' own error is 1.41
    assert run["serein"]["smoother rmse"] < 0.6
    assert run["peers"]["EnKF-N, N=10"]["filter rmse, all times"] == pytest.approx(0.54, abs=0.15)
    assert [c["id"] for c in board["criteria"]] == ["lorenz63: filter RMSE", "lorenz63: smoother RMSE"]


def test_the_truth_is_what_our_own_model_makes_of_its_start() -> None:
    import torch

    from models.classical import lorenz63, lorenz96, runge_kutta

    for module, tendency in (
        ("Lorenz63.sakov2012", lorenz63.tendency),
        ("Lorenz96.sakov2008", lorenz96.tendency),
    ):
        twin = lorenz_peers.simulate(module, seed=1, cycles=8)
        states = twin.record[0]
        own = runge_kutta.trajectory(
            tendency, torch.from_numpy(states[:1]), 9, twin.model.tseq.dt, twin.model.tseq.dt
        )
        np.testing.assert_allclose(own[0], states[:9], rtol=0, atol=1e-9)


def test_the_same_seed_gives_the_same_twin_and_another_one_does_not() -> None:
    a, b, c = (lorenz_peers.simulate("Lorenz63.sakov2012", seed, 4) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a.observations, b.observations)
    assert not np.array_equal(a.truth, c.truth)
    assert a.truth.shape == a.observations.shape == (5, 3)


def test_errors_are_the_root_over_the_state_averaged_over_times() -> None:
    truth = np.zeros((2, 4))
    ensemble = np.stack([np.full((2, 4), 1.0), np.full((2, 4), 3.0)], axis=1)
    ensemble[1] *= 2
    scores = lorenz_peers.scores("filter", ensemble, truth)
    assert scores["filter rmse"] == pytest.approx((2 + 4) / 2)
    variance = np.mean([2.0, 8.0]) * 3 / 2
    assert scores["filter spread / rmse"] == pytest.approx(np.sqrt(variance / np.mean([4, 16])))


def test_claims_are_judged_on_the_mean_over_seeds() -> None:
    rows = [{"serein": {"filter rmse": f, "filter spread / rmse": 1.2}} for f in (0.22, 0.26)]
    accuracy, spread = lorenz.judge("lorenz96", rows)
    assert accuracy.holds and accuracy.value == pytest.approx(0.24)
    assert not spread.holds


def test_what_saw_the_same_observations_and_knows_the_model_is_no_worse() -> None:
    twin = lorenz_peers.simulate("Lorenz63.sakov2012", seed=1, cycles=80)
    at = lorenz.analysis_times(lorenz.SETUPS["lorenz63"], len(twin.truth), 4)
    few, many = (lorenz_peers.exact(twin, at, states, seed=1) for states in (2, 12))
    assert many["filter rmse"] < few["filter rmse"] < 1.6
    assert many["smoother rmse"] < few["smoother rmse"]
