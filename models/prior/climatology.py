r"""Climatology: a Gaussian model of the same latents the diffusion prior models.

A window of L latents is z ~ N(m(t), C) with a mean that follows the seasons,

    m(t) = a_0 + sum_k a_k cos(2 pi k t) + b_k sin(2 pi k t),        t the fraction of the year,

and a low-rank-plus-isotropic covariance (probabilistic PCA; Tipping & Bishop 1999)

    C = U diag(lambda - delta) U^T + delta I.

Any function of C is then cheap, f(C) x = f(delta) x + U (f(lambda) - f(delta)) U^T x, which is all that the
exact denoiser, the sampler's start and the preconditioned network need. It is the optimal-interpolation
baseline, the approximation inside the guidance, and the oracle in tests.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

HARMONICS = 2


def seasonal(year_fraction: Tensor) -> Tensor:
    """Harmonic basis (..., 1 + 2 HARMONICS) of the fraction of the year (...), starting with 1."""
    angle = 2 * torch.pi * year_fraction[..., None] * torch.arange(1, HARMONICS + 1)
    return torch.cat([torch.ones_like(year_fraction)[..., None], angle.cos(), angle.sin()], dim=-1)


class Climatology(nn.Module):
    """N(m(t), C) over windows of L latents of shape (K, h, w).

    Attributes:
        seasons: coefficients of the mean, (1 + 2 HARMONICS, K, h, w).
        modes: U^T, (rank, L K h w), orthonormal rows.
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
        self.register_buffer("modes", torch.zeros(rank, size))
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
        flat = x.flatten(1)
        bulk = function(self.floor)
        along = (flat @ self.modes.T) * (function(self.variances) - bulk)
        return (bulk * flat + along @ self.modes).reshape(x.shape)

    def denoise(self, z: Tensor, sigma: Tensor, mean: Tensor) -> Tensor:
        """E[z_0 | z_0 + sigma n = z], = m + C (C + sigma^2)^-1 (z - m); z (N, L, K, h, w), sigma ()."""
        return mean + self.apply(lambda c: c / (c + sigma**2), z - mean)

    def fit(self, windows: Tensor) -> None:
        """Maximum likelihood modes, variances and floor from anomalies (N, L, K, h, w), N > rank."""
        flat = windows.flatten(1).double()
        rank, (count, size) = self.modes.shape[0], flat.shape
        values, vectors = torch.linalg.eigh(flat.T @ flat / count)
        self.floor.copy_(values[: size - rank].mean())
        self.variances.copy_(values[size - rank :].flip(0))
        self.modes.copy_(vectors[:, size - rank :].flip(1).T)


def fit_seasons(latents: Tensor, year_fraction: Tensor) -> Tensor:
    """Least-squares seasonal coefficients (1 + 2 HARMONICS, K, h, w) of latents (N, K, h, w)."""
    basis = seasonal(year_fraction.double())
    solution = torch.linalg.lstsq(basis, latents.flatten(1).double()).solution
    return solution.reshape(-1, *latents.shape[1:]).to(latents)
