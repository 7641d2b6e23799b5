"""With an untrained network and white states the posterior is known, so calibration can be seen to hold."""

import dataclasses

import numpy as np
import pytest
import torch

from models.classical import lorenz96, trials
from models.classical.prior import ClassicalPrior, build, load
from models.classical.problem import PROBLEMS
from models.posterior.sampler import Preset
from models.verification.sbc import calibration

ARCHITECTURE = {"latent_shape": [1, 1, 6], "width": 8, "blocks": 1, "kernel": [3, 3]}
PRESET = Preset(steps=24, sigma_start=5.0, sigma_stop=0.02, stochastic=True)
LAYOUT = trials.Layout(window=4, every=2, error=1.0)


def white_prior() -> ClassicalPrior:
    c = torch.zeros(8, 1, 1, 6, dtype=torch.float64)
    c[0, 0, 0, 0] = 1
    two = torch.tensor([2.0]).double()
    return ClassicalPrior(0.05, two, two, c, build(ARCHITECTURE), ARCHITECTURE)


def run(error: float = 1.0) -> trials.Trials:
    """With members that believe the errors to be `error` times as large as they are."""
    prior = white_prior()
    truth = trials.from_prior(prior, (0.02, 5.0), LAYOUT.window, 300, seed=1)
    done = trials.run(prior, LAYOUT, truth, PRESET, members=5, seed=0)
    if error == 1.0:
        return done
    wrong = dataclasses.replace(done.network, error=done.network.error * error)
    drawn = trials.assimilate(prior, wrong, done.values, PRESET, 5, 0)
    return dataclasses.replace(done, members=drawn)


def test_every_other_variable_of_every_other_state_is_seen() -> None:
    network = LAYOUT.network(white_prior())
    assert network.states.tolist() == [0, 0, 0, 2, 2, 2]
    assert network.points.tolist() == [0, 2, 4, 0, 2, 4]
    assert network.error.tolist() == [0.5] * 6  # in standard deviations
    z = torch.arange(24.0).reshape(1, 4, 1, 1, 6)
    assert trials.seen(network, z).tolist() == [[0, 2, 4, 12, 14, 16]]


def test_a_right_sampler_is_calibrated_and_a_wrong_likelihood_is_seen() -> None:
    generator = np.random.default_rng(0)
    assert calibration(run().compared(), generator)["p"] > 0.01
    wrong = calibration(run(error=0.5).compared(), generator)
    assert wrong["functions"]["likelihood"]["p"] < 1e-6


def test_members_share_no_noise_with_the_truth() -> None:
    done = run()
    departure = (done.members.mean(1) - done.truth)[:, 1].flatten()  # a state not seen
    assert float(departure.std()) == pytest.approx((1 + 1 / 5) ** 0.5, rel=0.05)


def test_simulated_truths_are_new_and_bring_their_force() -> None:
    prior, problem = load("lorenz96-forcing"), PROBLEMS["lorenz96-forcing"]
    z = trials.from_simulator(prior, problem, 3, 400, seed=0)
    force = prior.restore(z)[:, :, 1]
    assert z.shape == (400, 3, 2, 1, 40)
    assert float(force.std(dim=(1, 2, 3)).max()) < 1e-5
    assert abs(float(force.mean()) - lorenz96.FORCE) < 0.4
    assert float(force[:, 0, 0, 0].std()) == pytest.approx(lorenz96.FORCE_SPREAD, rel=0.15)
    again = trials.from_simulator(prior, problem, 3, 4, seed=0)
    trained = problem.trajectories(4, 3, torch.Generator().manual_seed(0))
    assert not torch.allclose(prior.restore(again), trained, atol=0.1)
