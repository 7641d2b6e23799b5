r"""A Climatology of windows of any length and step, from what states have in common with later ones.

Windows of many states are too many numbers for modes of their own: in file and memory, modes of space are
kept once, and how their amplitudes a_t go on in time,

    G_k = E[a_t a_{t+k}^T],        k = 0, 1, ... lags of a few hours.

The covariance of the amplitudes of a window with step s is then block-Toeplitz, with G_{(j - i) s} between
states i and j. Its leading directions, times the modes of space, are the window's modes; what lies outside
them is a floor. Their variances are measured on trajectories they were not found on (as in
`models.prior.climatology`), and so are part of the file, for each step.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import torch
from scipy.optimize import isotonic_regression
from torch import Tensor

from models.prior.climatology import Climatology, seasonal
from models.prior.space_time import SpaceTimeClimatology

PART = 2**29  # bytes of states taken to double precision at a time
SAMPLE = 2**36  # bytes of the states that modes are found on, at most
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
        hours: of one lag.
    """

    seasons: Tensor
    spatial: Tensor
    lags: list[int]
    lagged: Tensor
    variances: dict[int, Tensor]
    floor: dict[int, float]
    hours: int = 6

    @classmethod
    def fit(
        cls,
        latents: Tensor | np.ndarray,
        year_fraction: Tensor,
        years: Tensor,
        *,
        modes: int,
        rank: int,
        window: int,
        steps: Sequence[int],
        hours: int = 6,
    ) -> Self:
        """From a trajectory, one state every `hours`, without gaps.

        Arguments:
            latents: (N, K, h, w), in memory or in a file; gone through three times, a part at a time.
            year_fraction: when in the year, (N,).
            years: what varies together, (N,) int64: with more than one, the variances of window modes are
                what the even ones have along the modes of the odd ones, and the other way round.
            modes: r, of a state; found on every third, or fewer where there are very many.
            rank: of a window.
            window, steps: states of a window, and the hours between them that are asked for.
        """
        size = math.prod(latents.shape[1:])
        seasons = _seasons(latents, year_fraction)

        def anomalies(every: int = 1) -> Iterator[Tensor]:
            """Of every so many states, a part (n, size) at a time."""
            for rows in _parts(len(latents), size, every):
                season = seasonal(year_fraction[rows].double()) @ seasons
                yield _flat(latents, rows) - season.float()

        every = max(min(3, max(1, len(latents) // (2 * modes))), -(-4 * len(latents) * size // SAMPLE))
        spatial = _leading(torch.cat(list(anomalies(every))), modes)
        projected, squares = [], 0.0
        for part in anomalies():
            projected.append(part @ spatial.T)
            squares += float(part.double().square().sum())
        amplitudes = torch.cat(projected)
        lags = sorted({k * step // hours for step in steps for k in range(window)})
        maps = seasons.float().reshape(-1, *latents.shape[1:])
        whole = cls(maps, spatial, lags, torch.empty(0), {}, {}, hours)
        parts = (
            [years % 2 == 0, years % 2 == 1] if len(years.unique()) > 1 else [years == years, years == years]
        )
        folds = [replace(whole, lagged=_lagged(amplitudes, part, lags)) for part in parts]
        total = squares / len(latents) * window
        fitted = replace(whole, lagged=(folds[0].lagged + folds[1].lagged) / 2)
        for step in steps:
            unseen = [
                _along(a._window(window, step // hours), b._window(window, step // hours), rank)
                for a, b in (folds, folds[::-1])
            ]
            values = isotonic_regression(torch.stack(unseen).mean(0).numpy(), increasing=False).x
            values = values.clip(SMALLEST * total / (window * size))
            fitted.variances[step] = torch.from_numpy(values.copy()).float()
            rest = window * size - rank
            fitted.floor[step] = max(total - float(values.sum()), 1e-6 * total) / rest
        return fitted

    def to(self, device: torch.device | str) -> Self:
        """On that device."""
        names = ("seasons", "spatial", "lagged")
        variances = {step: values.to(device) for step, values in self.variances.items()}
        return replace(self, variances=variances, **{name: getattr(self, name).to(device) for name in names})

    @cached_property
    def _spatial(self) -> Tensor:
        """Modes of a state in double precision, which the climatologies of all steps share."""
        return self.spatial.double()

    def climatology(self, window: int, step: int) -> Climatology:
        """The Climatology of windows of `window` states, `step` hours apart."""
        values = self.variances[step]
        _, directions = torch.linalg.eigh(self._window(window, step // self.hours))
        leading = directions.flip(1)[:, : len(values)].T.reshape(len(values), window, -1)
        parts = SpaceTimeClimatology.of(self.seasons, self._spatial, leading, values, self.floor[step])
        return parts.to(self.spatial.device)

    def _window(self, window: int, stride: int) -> Tensor:
        """Covariance of the amplitudes of a window, (window r, window r), float64."""

        def between(i: int, j: int) -> Tensor:
            g = self.lagged[self.lags.index(abs(j - i) * stride)].double()
            return g if j >= i else g.T

        rows = [torch.cat([between(i, j) for j in range(window)], dim=1) for i in range(window)]
        return torch.cat(rows)


def orthonormal(modes: Tensor) -> Tensor:
    """Of modes (r, n) that have been rounded, whatever their length, the nearest in the order they are in."""
    whole = modes.double()
    axes = torch.linalg.qr(whole.T)[0].T
    return (axes * (axes * whole).sum(1, keepdim=True).sign()).to(modes)


def _parts(states: int, size: int, every: int = 1) -> Iterator[slice]:
    """Positions of every so many states, a part at a time."""
    most = max(1, PART // (8 * size)) * every
    return (slice(start, min(start + most, states), every) for start in range(0, states, most))


def _flat(latents: Tensor | np.ndarray, rows: slice) -> Tensor:
    """States (n, size) float32."""
    return torch.from_numpy(np.asarray(latents[rows]).astype(np.float32)).flatten(1)


def _seasons(latents: Tensor | np.ndarray, year_fraction: Tensor) -> Tensor:
    """Least-squares seasonal coefficients (1 + 2 HARMONICS, size), float64, of states (N, K, h, w)."""
    basis = seasonal(year_fraction.double())
    parts = _parts(len(latents), math.prod(latents.shape[1:]))
    products = sum(basis[rows].T @ _flat(latents, rows).double() for rows in parts)
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
