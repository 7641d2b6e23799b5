"""Trials on the Gaussian ring (`models.testing.linear`): what calibration should see of a known posterior."""

import dataclasses

import torch
from torch import Tensor

from models.posterior.noise import SeededNoise
from models.posterior.posterior import Posterior
from models.posterior.sampler import Preset, sample
from models.testing.linear import LinearOracle
from models.verification import sbc
from models.verification.sbc import Array, Compared


def truths(oracle: LinearOracle, windows: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draws of the prior (N, size) and what is observed of them (N, p), float64."""
    size = len(oracle.covariance)
    factor = torch.linalg.cholesky(oracle.covariance + 1e-10 * torch.eye(size, dtype=torch.float64))
    truth = torch.randn(windows, size, generator=generator, dtype=torch.float64) @ factor.T
    noise = torch.randn(windows, len(oracle.error), generator=generator, dtype=torch.float64)
    return truth, truth @ oracle.jacobian.T + oracle.error * noise


def exact(
    oracle: LinearOracle, values: Tensor, members: int, generator: torch.Generator, spread: float = 1.0
) -> Tensor:
    """Draws (N, M, size) of the posterior of each y (N, p), with `spread` times its standard deviation."""
    size = len(oracle.covariance)
    mean = torch.stack([dataclasses.replace(oracle, value=y).mean for y in values])
    covariance = oracle.posterior_covariance + 1e-10 * torch.eye(size, dtype=torch.float64)
    white = torch.randn(len(values), members, size, generator=generator, dtype=torch.float64)
    return mean[:, None] + spread * white @ torch.linalg.cholesky(covariance).T


def sampled(oracle: LinearOracle, values: Tensor, members: int, preset: Preset, seed: int) -> Tensor:
    """The same by the sampler."""
    rows, denoiser = values.repeat_interleave(members, dim=0), oracle.posterior().denoiser
    posterior = Posterior.of_rows(denoiser, rows, oracle.error, oracle.jacobian, oracle.climatology)
    drawn = sample(posterior, preset, SeededNoise(seed, len(rows)))
    return drawn.flatten(1).double().unflatten(0, (len(values), members))


def compared(oracle: LinearOracle, truth: Tensor, values: Tensor, members: Tensor) -> Compared:
    """Test functions, members (N, M) and truth (N,)."""
    seen = oracle.jacobian.sum(0) > 0
    first, other = int(seen.nonzero()[0, 0]), int((~seen).nonzero()[-1, 0])

    def functions(z: Tensor) -> dict[str, Array]:
        misfit = (z @ oracle.jacobian.T - values[:, None]) / oracle.error
        out = {
            "observed": z[..., first],
            "unobserved": z[..., other],
            "mean": z.mean(-1),
            "energy": z.square().mean(-1),
            "likelihood": -0.5 * misfit.square().sum(-1),
        }
        return {name: value.numpy() for name, value in out.items()}

    return sbc.compared(functions, members, truth)
