"""A prior of Lorenz-96, as small as can be, is trained for a few steps and loaded again."""

import dataclasses

import torch

from models.classical.prior import load
from models.classical.problem import PROBLEMS
from models.prior.denoiser import Denoiser
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


def test_some_batches_are_of_shorter_windows(tmp_path, monkeypatch):
    monkeypatch.setattr(classical, "LAGS", 8)
    monkeypatch.setattr(classical, "VALIDATION", 4)
    tiny = dataclasses.replace(
        PROBLEMS["lorenz63"],
        window=8,
        brief=(3, 5),
        width=8,
        blocks=2,
        dilations=(1, 2),
        pool=(8, 40),
        steps=80,
        batch=4,
        every=80,
    )
    seen, loss = [], classical._loss

    def watched(module, clean, *arguments):
        if torch.is_grad_enabled():
            seen.append(clean.shape[1])
        return loss(module, clean, *arguments)

    monkeypatch.setattr(classical, "_loss", watched)
    rows = []
    classical.train_classical(tiny, tmp_path, rows.append)
    assert len(seen) == 80 and set(seen) == {3, 5, 8}
    assert 0.6 < seen.count(8) / 80 < 0.9
    assert rows[-1]["loss"] < 3


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


class Wrong(Denoiser):
    """Off by one in one state of a window of zeros."""

    state = 0

    def forward(self, z, sigma, season):
        """As `Denoiser`."""
        out = torch.zeros_like(z)
        out[:, self.state] = 1
        return out


def test_an_error_in_the_last_state_counts_more():
    prior = load("lorenz63")
    gaussian = prior.climatology(32)
    denoiser, losses = Wrong(gaussian, prior.network), []
    for denoiser.state in (0, 29, 31):
        generator = torch.Generator().manual_seed(1)
        zeros, sigma = torch.zeros(2, *gaussian.shape), torch.full((2,), 0.1)
        losses.append(classical._loss(denoiser, zeros, sigma, generator, gaussian, last=15.0)[0])
    torch.testing.assert_close(losses[2] / losses[0], torch.tensor(16.0), rtol=1e-4, atol=0)
    torch.testing.assert_close(losses[1] / losses[0], 1 + 15 * torch.tensor(-1.0).exp(), rtol=1e-4, atol=0)


def test_bundled_priors_are_those_of_the_problems():
    for name, problem in PROBLEMS.items():
        prior = load(name)
        assert prior.shape == problem.shape
        assert prior.spacing == problem.spacing
