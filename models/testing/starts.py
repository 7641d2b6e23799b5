r"""Oracle: trajectories of a system that is known exactly, all of whose states are observed.

A trajectory is its first state x, so the posterior is one of few numbers, however long the window:

    p(x | y) ~ prod_k N(y_k; M^k x, R),    M the model from one observation time to the next.

It is sampled one observation after the other (iterated batch importance sampling; Chopin 2002): starts are
weighed by the new observation and resampled, then moved by Metropolis steps that leave the posterior of all
observations so far as it is. Before the first observation nothing is known; that x lies on an attractor is
forgotten by a dissipative system within a few observation times, in which it approaches that anyway.

Where chance leaves no start near the truth, what is left of them fits no later observation, and no small step
leads back. That is seen in the fit, and such a window is sampled again, from more starts.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from models.posterior.particles import systematic

Model = Callable[[Tensor], Tensor]
MOVES = (1.4, 0.5, 0.15)  # sizes of the Metropolis steps after each observation, in the starts' own spread
LOST = 6.0  # standard deviations of chi2 beyond which a fit is no chance
AGAIN = 3  # times that windows are sampled again, each with
MORE = 4  # times as many starts
LEAST = 1e-12  # of a covariance, of its largest variance and that of an error, so that it can be factorised


def posterior_trajectories(
    model: Model, values: Tensor, error: float, count: int, generator: torch.Generator
) -> Tensor:
    """States at the observation times, (B, count, n, d), float64, of B windows apart from each other.

    Arguments:
        model: M, (..., d) -> (..., d).
        values: y, (B, n, d).
        error: standard deviation of each of them.
        count: of starts that each posterior is made of.

    Raises:
        ArithmeticError: no trajectory was found that fits the observations of a window.
    """
    paths = _attempt(model, values, error, count, generator)
    lost = _lost(paths, values, error)
    for _ in range(AGAIN):
        if lost.any():
            paths[lost] = _attempt(model, values[lost], error, MORE * count, generator)[:, ::MORE]
            lost = _lost(paths, values, error)
    if lost.any():
        where = lost.nonzero()[:, 0].tolist()
        raise ArithmeticError(f"no trajectories fit the observations of windows {where}: take more starts")
    return paths


def _lost(paths: Tensor, values: Tensor, error: float) -> Tensor:
    """Windows (B,) whose trajectories (B, N, n, d) do not fit their observations."""
    chi2 = -2 * _fit(paths, values.double()[:, None] / error, error).mean(1)
    freedom = values[0].numel()
    return chi2 > freedom + LOST * (2 * freedom) ** 0.5


def _attempt(model: Model, values: Tensor, error: float, count: int, generator: torch.Generator) -> Tensor:
    """Trajectories (B, count, n, d), of which a window's may all be lost."""
    y = values.double()[:, None] / error
    white = torch.randn(len(y), count, y.shape[-1], generator=generator, dtype=torch.float64)
    path = values.double()[:, None, None, 0] + error * white[:, :, None]
    fit = _fit(path, y, error)
    for _ in range(1, y.shape[2]):
        path = torch.cat([path, model(path[:, :, -1:])], dim=2)
        better = _fit(path, y, error)
        path, fit = _resampled(better - fit, path, better, generator)
        for size in MOVES:
            path, fit = _moved(model, size, path, fit, y, error, generator)
    return path


def _fit(path: Tensor, y: Tensor, error: float) -> Tensor:
    """Log likelihood of the observations along paths (B, N, k, d), (B, N); none where the model blew up."""
    misfit = path / error - y[:, :, : path.shape[2]]
    return -0.5 * misfit.square().sum((-1, -2)).nan_to_num(nan=torch.inf)


def _resampled(log: Tensor, path: Tensor, fit: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Paths in proportion to exp(log) (B, N)."""
    kept = systematic(log, torch.rand(len(log), 1, generator=generator, dtype=torch.float64))
    return path.gather(1, kept[..., None, None].expand(-1, -1, *path.shape[2:])), fit.gather(1, kept)


def _moved(
    model: Model, size: float, path: Tensor, fit: Tensor, y: Tensor, error: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A Metropolis step of `size` times the starts' spread."""
    start = path[:, :, 0]
    apart = start - start.mean(1, keepdim=True)
    covariance = apart.mT @ apart / apart.shape[1]
    largest = covariance.diagonal(dim1=1, dim2=2).amax(1)[:, None, None] + error**2
    factor = torch.linalg.cholesky(covariance + LEAST * largest * torch.eye(start.shape[2]).double())
    white = torch.randn(start.shape, generator=generator, dtype=torch.float64)
    other = follow(model, start + size * white @ factor.mT, path.shape[2])
    better = _fit(other, y, error)
    taken = torch.rand(fit.shape, generator=generator, dtype=torch.float64).log() < better - fit
    return torch.where(taken[..., None, None], other, path), torch.where(taken, better, fit)


def follow(model: Model, start: Tensor, states: int) -> Tensor:
    """Trajectories (..., states, d) of starts (..., d)."""
    path = [start]
    while len(path) < states:
        path.append(model(path[-1]))
    return torch.stack(path, dim=-2)
