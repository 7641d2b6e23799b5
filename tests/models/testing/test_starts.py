"""Posteriors over the starts of trajectories: exact where the model is linear, and of a chaotic one."""

import torch

from models.classical import lorenz63, runge_kutta
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


def test_of_lorenz_63_the_truth_is_one_of_its_trajectories() -> None:
    generator = torch.Generator().manual_seed(2)
    truth = lorenz63.trajectories(12, 12, 0.25, generator)
    values = truth + 1.4 * torch.randn(truth.shape, generator=generator, dtype=torch.float64)

    def model(x: torch.Tensor) -> torch.Tensor:
        return runge_kutta.trajectory(lorenz63.tendency, x.flatten(0, -2), 2, 0.25, 0.0125)[:, -1].reshape(
            x.shape
        )

    paths = posterior_trajectories(model, values, 1.4, 200, generator)
    assert torch.allclose(paths, follow(model, paths[:, :, 0], 12))
    error, spread = (paths.mean(1) - truth).square().mean().sqrt(), paths.var(1).mean().sqrt()
    assert 0.8 < float(error / spread) < 1.25
    assert float(error) < 0.6
