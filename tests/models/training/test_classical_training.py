"""A prior of Lorenz-96, as small as can be, is trained for a few steps and loaded again."""

import dataclasses

import torch

from models.classical.prior import load
from models.classical.problem import PROBLEMS
from models.training import classical


def test_a_prior_is_trained_and_can_be_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(classical, "LAGS", 8)
    monkeypatch.setattr(classical, "VALIDATION", 16)
    tiny = dataclasses.replace(
        PROBLEMS["lorenz96"], window=8, width=8, blocks=1, pool=(8, 40), steps=40, batch=4, half_steps=20
    )
    rows = []
    prior = classical.train_classical(tiny, tmp_path, rows.append)
    assert rows[-1]["step"] == 40
    assert rows[-1]["loss"] < 3  # 1 is the Gaussian's
    again = load(tmp_path / "prior")
    z = torch.randn(2, 8, 1, 1, 40, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        a, b = (p.denoiser(8)(z, torch.full((2,), 0.3), torch.zeros(2, 8)) for p in (prior, again))
    torch.testing.assert_close(a, b)


def test_windows_that_pass_the_saddle_are_chosen_among_many():
    problem = dataclasses.replace(PROBLEMS["lorenz63"], window=16)
    generator = torch.Generator().manual_seed(3)
    z = problem.trajectories(8, 200, generator)
    z = (z - z.mean((0, 1))) / z.std((0, 1))
    lowest = [
        choose(z, problem, 64, generator, 0)[..., 2, 0, 0].amin(1).mean()
        for choose in (classical._windows, classical._rarest)
    ]
    assert lowest[1] < lowest[0] - 0.4


def test_bundled_priors_are_those_of_the_problems():
    for name, problem in PROBLEMS.items():
        prior = load(name)
        assert prior.shape == problem.shape
        assert prior.spacing == problem.spacing
