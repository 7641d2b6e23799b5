"""Posteriors over the starts of trajectories: exact where the model is linear, and of a chaotic one."""

import pytest
import torch

from models.classical import lorenz63, runge_kutta
from models.testing import starts
from models.testing.starts import follow, posterior_trajectories


def test_of_a_linear_model_it_is_the_least_squares_posterior() -> None:
    turn = torch.tensor([[0.9, -0.5], [0.5, 0.8]], dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    first, noise = (torch.randn(2, *n, generator=generator, dtype=torch.float64) for n in ((2,), (5, 2)))
    values, error = follow(lambda x: x @ turn.T, first, 5) + 0.5 * noise, 0.5
    paths = posterior_trajectories(lambda x: x @ turn.T, values, error, 4000, generator)
    powers = torch.stack([torch.linalg.matrix_power(turn, k) for k in range(5)])
    look = powers.flatten(0, 1) / error
    covariance = torch.linalg.inv(look.T @ look)
    mean = (values.flatten(1) / error) @ look @ covariance
    start, last = paths[:, :, 0], paths[:, :, -1]
    std = covariance.diagonal().sqrt()
    assert float(((start.mean(1) - mean) / std).abs().max()) < 0.1
    assert torch.allclose(start.std(1), std.expand(2, 2), rtol=0.06)
    assert torch.allclose(last, start @ powers[-1].T)


def lorenz(x: torch.Tensor) -> torch.Tensor:
    """A quarter of a unit of time later."""
    path = runge_kutta.trajectory(lorenz63.tendency, x.flatten(0, -2), 2, 0.25, 0.0125)
    return path[:, -1].reshape(x.shape)


def observed(windows: int, states: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """True states of Lorenz-63 and what is observed of them."""
    truth = lorenz63.trajectories(windows, states, 0.25, generator)
    return truth, truth + 1.4 * torch.randn(truth.shape, generator=generator, dtype=torch.float64)


def test_of_lorenz_63_the_truth_is_one_of_its_trajectories() -> None:
    generator = torch.Generator().manual_seed(2)
    truth, values = observed(12, 12, generator)
    paths = posterior_trajectories(lorenz, values, 1.4, 200, generator)
    assert torch.allclose(paths, follow(lorenz, paths[:, :, 0], 12))
    error, spread = (paths.mean(1) - truth).square().mean().sqrt(), paths.var(1).mean().sqrt()
    assert 0.8 < float(error / spread) < 1.25
    assert float(error) < 0.6


def test_where_few_starts_lose_the_truth_more_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(3)
    _, values = observed(20, 16, generator)

    def misfit(paths: torch.Tensor) -> torch.Tensor:
        return ((paths - values[:, None]) / 1.4).square().mean((1, 2, 3))

    monkeypatch.setattr(starts, "AGAIN", 0)
    with pytest.raises(ArithmeticError, match="windows \\[") as found:
        posterior_trajectories(lorenz, values, 1.4, 12, generator)
    assert "more starts" in str(found.value)
    monkeypatch.setattr(starts, "AGAIN", 4)
    assert float(misfit(posterior_trajectories(lorenz, values, 1.4, 12, generator)).max()) < 2.5
