r"""Oracle: a Gaussian mixture prior, observed linearly; the posterior is a mixture with known weights.

    p(z) = sum_k w_k N(m_k, C_k),        y = H z + e:
    p(z|y) = sum_k w'_k N(m'_k, C'_k),   w'_k ~ w_k N(y; H m_k, H C_k H^T + R).

The denoiser is exact. The Climatology is the Gaussian of the same mean and covariance, as it would be fitted.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.posterior.gaussian import LinearObservations
from models.posterior.posterior import Posterior
from models.prior.climatology import Climatology


@dataclass(frozen=True, eq=False)
class MixtureOracle:
    """Modes of a mixture, observed.

    Attributes:
        weights: w, (k,).
        means: m, (k, size), float64.
        covariances: C, (k, size, size), float64.
        jacobian, error, value: H (p, size), standard deviations (p,) and y (p,).
    """

    weights: Tensor
    means: Tensor
    covariances: Tensor
    jacobian: Tensor
    error: Tensor
    value: Tensor

    def _bracket(self) -> Tensor:
        return self.jacobian @ self.covariances @ self.jacobian.T + torch.diag(self.error**2)

    @property
    def posterior_weights(self) -> Tensor:
        """w', (k,)."""
        seen = torch.distributions.MultivariateNormal(self.means @ self.jacobian.T, self._bracket())
        return torch.softmax(self.weights.log() + seen.log_prob(self.value), 0)

    @property
    def posterior_modes(self) -> torch.distributions.MultivariateNormal:
        """N(m'_k, C'_k), a batch of k."""
        cross = self.covariances @ self.jacobian.T
        gain = torch.linalg.solve(self._bracket(), cross.mT).mT
        misfit = self.value - self.means @ self.jacobian.T
        mean = self.means + (gain @ misfit[..., None])[..., 0]
        covariance = self.covariances - gain @ cross.mT
        return torch.distributions.MultivariateNormal(mean, (covariance + covariance.mT) / 2)

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of z|y, (size,) each."""
        modes, w = self.posterior_modes, self.posterior_weights[:, None]
        mean = (w * modes.mean).sum(0)
        second = (w * (modes.variance + modes.mean**2)).sum(0)
        return mean, (second - mean**2).sqrt()

    def share(self, samples: Tensor) -> Tensor:
        """Share of each mode among samples (N, size): mean responsibility under the exact posterior, (k,)."""
        log = self.posterior_modes.log_prob(samples[:, None].double()) + self.posterior_weights.log()
        return torch.softmax(log, 1).mean(0)

    def posterior(self) -> Posterior:
        """What a sampler is given."""
        values, vectors = torch.linalg.eigh(self.covariances)
        size, shape = self.means.shape[1], (1, 1, 1, self.means.shape[1])

        def denoise(z: Tensor, sigma: float) -> Tensor:
            left = z.reshape(-1, 1, size).double() - self.means
            along = torch.einsum("nki,kij->nkj", left, vectors)
            total = values + sigma**2
            log = self.weights.log() - 0.5 * (along**2 / total + total.log()).sum(-1)
            each = self.means + torch.einsum("nkj,kij->nki", along * values / total, vectors)
            return (torch.softmax(log, 1)[..., None] * each).sum(1).to(z).reshape(z.shape)

        jacobian = self.jacobian.float()
        mean = (self.weights[:, None] * self.means).sum(0)
        spread = self.means - mean
        covariance = (self.weights[:, None, None] * self.covariances).sum(0)
        climatology = Climatology(1, shape[1:], size - 1)
        climatology.set_covariance(covariance + (self.weights * spread.T) @ spread)
        seen = self.jacobian @ mean
        return Posterior(
            denoise,
            lambda z: z.flatten(1) @ jacobian.T,
            LinearObservations(self.value, self.error, seen, climatology, self.jacobian),
            mean.reshape(shape).float(),
        )


def mixture(
    size: int = 32, modes: int = 6, observed: int = 4, error: float = 0.3, seed: int = 0
) -> MixtureOracle:
    """Modes at random places with covariances of their own; a few noisy linear combinations are observed."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    means = 1.0 * normal(modes, size)
    basis = torch.linalg.qr(normal(modes, size, size))[0]
    values = 0.3 * torch.logspace(0, -1.5, size, dtype=torch.float64)
    covariances = (basis * values) @ basis.mT
    weights = torch.softmax(0.5 * normal(modes), 0)
    jacobian = normal(observed, size) / size**0.5
    chosen = int(torch.multinomial(weights, 1, generator=generator))
    truth = means[chosen] + basis[chosen] @ (values.sqrt() * normal(size))
    errors = torch.full((observed,), error, dtype=torch.float64)
    return MixtureOracle(
        weights, means, covariances, jacobian, errors, jacobian @ truth + errors * normal(observed)
    )
