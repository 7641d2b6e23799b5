r"""Climatology: a Gaussian model of the same latents the diffusion prior models.

A window of L latents is z ~ N(m(t), C) with a mean that follows the seasons,

    m(t) = a_0 + sum_k a_k cos(2 pi k t) + b_k sin(2 pi k t),        t the fraction of the year,

and a low-rank-plus-isotropic covariance (probabilistic PCA; Tipping & Bishop 1999)

    C = U diag(lambda - delta) U^T + delta I.

Any function of C is then cheap, f(C) x = f(delta) x + U (f(lambda) - f(delta)) U^T x, which is all that the
exact denoiser, the sampler's start and the preconditioned network need. It is the optimal-interpolation
baseline, the approximation inside the guidance, and the oracle in tests.

A covariance estimated from few independent states is over-confident: in other years the variance along its
leading modes is smaller, and along its trailing modes much larger, than its eigenvalues say. So variances
are cross-validated (`fit_cross_validated`; Lam 2016, Bartz 2016): that of mode k is what each year has along
mode k of the others.
"""

import math
from collections.abc import Callable
from copy import deepcopy

import torch
from scipy.optimize import isotonic_regression
from torch import Tensor, nn

HARMONICS = 2


def seasonal(year_fraction: Tensor) -> Tensor:
    """Harmonic basis (..., 1 + 2 HARMONICS) of the fraction of the year (...), starting with 1."""
    waves = torch.arange(1, HARMONICS + 1, device=year_fraction.device)
    angle = 2 * torch.pi * year_fraction[..., None] * waves
    return torch.cat([torch.ones_like(year_fraction)[..., None], angle.cos(), angle.sin()], dim=-1)


class Climatology(nn.Module):
    """N(m(t), C) over windows of L latents of shape (K, h, w).

    Attributes:
        seasons: coefficients of the mean, (1 + 2 HARMONICS, K, h, w).
        modes: U^T, (rank, L K h w), orthonormal rows, float64: what f(C) takes from one mode and gives to
            another must not depend on how many windows there are at a time, as sums in float32 do.
        variances: lambda, (rank,).
        floor: delta, ().
    """

    seasons: Tensor
    modes: Tensor
    variances: Tensor
    floor: Tensor

    def __init__(self, window: int, latent_shape: tuple[int, int, int], rank: int) -> None:
        super().__init__()
        self.shape = (window, *latent_shape)
        size = window * latent_shape[0] * latent_shape[1] * latent_shape[2]
        self.register_buffer("seasons", torch.zeros(1 + 2 * HARMONICS, *latent_shape))
        self.register_buffer("modes", torch.zeros(rank, size, dtype=torch.float64))
        self.register_buffer("variances", torch.ones(rank))
        self.register_buffer("floor", torch.ones(()))

    def mean(self, year_fraction: Tensor) -> Tensor:
        """m at fractions of the year (..., L): (..., L, K, h, w)."""
        return torch.einsum("...s,skhw->...khw", seasonal(year_fraction).to(self.seasons), self.seasons)

    def apply(self, function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:  # type: ignore[override]
        """f(C) x for x (N, L, K, h, w).

        `function` maps variances (rank,) or () to the same shape, or to (N, rank) and (N, 1) if it differs
        between the rows of x.
        """
        flat = x.flatten(1).double()
        bulk = function(self.floor)
        along = self.along(flat) * (function(self.variances) - bulk)
        return (bulk * flat + self.across(along)).reshape(x.shape).to(x)

    def along(self, x: Tensor) -> Tensor:
        """U^T x, (N, rank), for x (N, L K h w), in its precision."""
        return x @ self.modes.to(x).T

    def along_state(self, x: Tensor, state: int) -> Tensor:
        """The same of windows that are zero but for one state: x (N, K h w)."""
        return x @ self.modes.unflatten(1, (self.shape[0], -1))[:, state].to(x).T

    def at_state(self, state: int) -> Tensor:
        """The modes at a state, (K h w, rank), float32."""
        return self.modes.unflatten(1, (self.shape[0], -1))[:, state].float().T

    def marginal(self, state: int) -> Tensor:
        """Variances of the latents of a state of the window, (K, h, w)."""
        own = self.at_state(state).square() @ (self.variances - self.floor) + self.floor
        return own.reshape(self.shape[1:])

    @property
    def directions(self) -> Tensor:
        """Of a state, orthonormal, (r, K h w): those that modes are made of, or all there are."""
        return torch.eye(math.prod(self.shape[1:]))

    def across(self, a: Tensor) -> Tensor:
        """U a, (N, L K h w), for a (N, rank), in its precision."""
        return a @ self.modes.to(a)

    def denoise(self, z: Tensor, sigma: Tensor, mean: Tensor) -> Tensor:
        """E[z_0 | z_0 + sigma n = z], = m + C (C + sigma^2)^-1 (z - m); z (N, L, K, h, w), sigma ()."""
        return mean + self.apply(lambda c: c / (c + sigma**2), z - mean)

    def fit(self, windows: Tensor) -> None:
        """Maximum likelihood modes, variances and floor from anomalies (N, L, K, h, w), N > rank."""
        flat = windows.flatten(1).double()
        self.set_covariance(flat.T @ flat / len(flat))

    def set_covariance(self, covariance: Tensor) -> None:
        """The nearest modes, variances and floor to a covariance (size, size)."""
        values, vectors = torch.linalg.eigh(covariance.double())
        self._set(values.flip(0), vectors.flip(1))

    def _set(self, values: Tensor, vectors: Tensor) -> None:
        """From all variances, descending (size,), and directions (size, size)."""
        rank = self.modes.shape[0]
        self.floor.copy_(values[rank:].mean() if rank < len(values) else values[-1])
        self.variances.copy_(values[:rank])
        self.modes.copy_(vectors[:, :rank].T)


def fit_cross_validated(climatology: Climatology, windows: Tensor, groups: Tensor) -> dict[int, Climatology]:
    """Fits modes to all anomalies, and variances to what groups show that were left out.

    Arguments:
        windows: anomalies, (N, L, K, h, w), N > rank.
        groups: what varies together, such as the year, (N,) int64; at least two different.

    Returns:
        Per group, the Climatology of the others: to train on a group without having seen it.
    """
    flat = windows.flatten(1).double()
    modes = {int(g): _principal(flat[groups != g])[1] for g in groups.unique()}
    unseen = torch.cat([flat[groups == g] @ modes[g] for g in modes])
    values = isotonic_regression(unseen.square().mean(0).numpy(), increasing=False).x
    variances = torch.from_numpy(values.copy())
    climatology._set(variances, _principal(flat)[1])
    others = {g: deepcopy(climatology) for g in modes}
    for g, other in others.items():
        other._set(variances, modes[g])
    return others


def _principal(flat: Tensor) -> tuple[Tensor, Tensor]:
    """Variances, descending (size,), and directions (size, size) of anomalies (N, size)."""
    values, vectors = torch.linalg.eigh(flat.T @ flat / len(flat))
    return values.flip(0), vectors.flip(1)


def fit_seasons(latents: Tensor, year_fraction: Tensor) -> Tensor:
    """Least-squares seasonal coefficients (1 + 2 HARMONICS, K, h, w) of latents (N, K, h, w)."""
    basis = seasonal(year_fraction.double())
    solution = torch.linalg.lstsq(basis, latents.flatten(1).double()).solution
    return solution.reshape(-1, *latents.shape[1:]).to(latents)
