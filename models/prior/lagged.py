r"""A Climatology of windows of any length and step, from what states have in common with later ones.

Windows of many states are too many numbers for modes of their own: in file and memory, modes of space are
kept once, and how their amplitudes a_t go on in time,

    G_k = E[a_t a_{t+k}^T],        k = 0, 1, ... lags of six hours.

The covariance of the amplitudes of a window with step s is then block-Toeplitz, with G_{(j - i) s} between
states i and j. Its leading directions, times the modes of space, are the window's modes; what lies outside
them is a floor. Their variances are measured on trajectories they were not found on (as in
`models.prior.climatology`), and so are part of the file, for each step.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from scipy.optimize import isotonic_regression
from torch import Tensor

from models.prior.climatology import Climatology, seasonal
from models.prior.space_time import SpaceTimeClimatology

LAG = 6  # hours
ROWS = 4096  # states taken to double precision at a time
SMALLEST = 1e-4  # variance of a mode, of the mean variance: an estimate from few states may be negative


@dataclass(frozen=True, eq=False)
class LaggedCovariance:
    """Second moments of trajectories of latents.

    Attributes:
        seasons: coefficients of the mean, (1 + 2 HARMONICS, K, h, w).
        spatial: orthonormal modes of a state, (r, K h w).
        lags: k, ascending, (n,).
        lagged: G_k, (n, r, r).
        variances: of the leading modes of a window, per step in hours, (rank,).
        floor: variance outside of them, per step.
    """

    seasons: Tensor
    spatial: Tensor
    lags: list[int]
    lagged: Tensor
    variances: dict[int, Tensor]
    floor: dict[int, float]

    @classmethod
    def fit(
        cls,
        latents: Tensor,
        year_fraction: Tensor,
        years: Tensor,
        *,
        modes: int,
        rank: int,
        window: int,
        steps: Sequence[int],
    ) -> Self:
        """From a trajectory, one state every six hours, without gaps.

        Arguments:
            latents: (N, K, h, w).
            year_fraction: when in the year, (N,).
            years: what varies together, (N,) int64: with more than one, the variances of window modes are
                what the even ones have along the modes of the odd ones, and the other way round.
            modes: r, of a state; found on every third.
            rank: of a window.
            window, steps: states of a window, and the hours between them that are asked for.
        """
        flat = latents.flatten(1)
        seasons = _seasons(flat, year_fraction)
        anomalies = flat.clone()
        basis = seasonal(year_fraction.double())
        for part, harmonics in zip(anomalies.split(ROWS), basis.split(ROWS), strict=True):
            part -= (harmonics @ seasons).float()
        spatial = _leading(anomalies[:: min(3, max(1, len(flat) // (2 * modes)))], modes)
        amplitudes = anomalies @ spatial.T
        lags = sorted({k * step // LAG for step in steps for k in range(window)})
        whole = cls(seasons.float().reshape(-1, *latents.shape[1:]), spatial, lags, torch.empty(0), {}, {})
        parts = (
            [years % 2 == 0, years % 2 == 1] if len(years.unique()) > 1 else [years == years, years == years]
        )
        folds = [replace(whole, lagged=_lagged(amplitudes, part, lags)) for part in parts]
        total = float(anomalies.square().mean()) * window * flat.shape[1]
        fitted = replace(whole, lagged=(folds[0].lagged + folds[1].lagged) / 2)
        for step in steps:
            unseen = [
                _along(a._window(window, step // LAG), b._window(window, step // LAG), rank)
                for a, b in (folds, folds[::-1])
            ]
            values = isotonic_regression(torch.stack(unseen).mean(0).numpy(), increasing=False).x
            values = values.clip(SMALLEST * total / (window * flat.shape[1]))
            fitted.variances[step] = torch.from_numpy(values.copy()).float()
            rest = window * flat.shape[1] - rank
            fitted.floor[step] = max(total - float(values.sum()), 1e-6 * total) / rest
        return fitted

    def climatology(self, window: int, step: int) -> Climatology:
        """The Climatology of windows of `window` states, `step` hours apart."""
        values = self.variances[step]
        _, directions = torch.linalg.eigh(self._window(window, step // LAG))
        leading = directions.flip(1)[:, : len(values)].T.reshape(len(values), window, -1)
        return SpaceTimeClimatology.of(self.seasons, self.spatial, leading, values, self.floor[step])

    def _window(self, window: int, stride: int) -> Tensor:
        """Covariance of the amplitudes of a window, (window r, window r), float64."""

        def between(i: int, j: int) -> Tensor:
            g = self.lagged[self.lags.index(abs(j - i) * stride)].double()
            return g if j >= i else g.T

        rows = [torch.cat([between(i, j) for j in range(window)], dim=1) for i in range(window)]
        return torch.cat(rows)


def _seasons(flat: Tensor, year_fraction: Tensor) -> Tensor:
    """Least-squares seasonal coefficients (1 + 2 HARMONICS, size), float64, of states (N, size)."""
    basis = seasonal(year_fraction.double())
    products = sum(b.T @ x.double() for b, x in zip(basis.split(ROWS), flat.split(ROWS), strict=True))
    return torch.linalg.solve(basis.T @ basis, products)


def _leading(anomalies: Tensor, modes: int) -> Tensor:
    """Leading principal directions (modes, size) of anomalies (N, size), by subspace iteration."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        more = min(modes + modes // 4 + 8, *anomalies.shape)
        _, _, directions = torch.svd_lowrank(anomalies, q=more, niter=6)
    return directions[:, :modes].T.contiguous()


def _lagged(amplitudes: Tensor, chosen: Tensor, lags: Sequence[int]) -> Tensor:
    """G_k of the states chosen (N,), (n, r, r), float64."""
    covariances = []
    for k in lags:
        both = (chosen[: len(chosen) - k] & chosen[k:]).nonzero()[:, 0]
        covariances.append(amplitudes[both].double().T @ amplitudes[both + k].double() / len(both))
    return torch.stack(covariances)


def _along(directions_of: Tensor, covariance: Tensor, rank: int) -> Tensor:
    """What one covariance has along the leading directions of another, (rank,)."""
    _, vectors = torch.linalg.eigh(directions_of)
    leading = vectors.flip(1)[:, :rank]
    return (leading * (covariance @ leading)).sum(0)
