r"""Guidance is itself a denoiser (Rozet & Louppe 2023): it turns E[z | z_sigma] into E[z | z_sigma, y].

Moment matching (Rozet et al. 2024, "Learning diffusion priors from observations"):

    E[z|z_sigma, y] = D + V J^T v,    (R + J V J^T) v = y - H(Dec(D)),    V = sigma^2 dD/dz_sigma.

V J^T v is one vector-Jacobian product through H, decoder and denoiser. The linear system is solved by a few
iterations of GMRES (Saad & Schultz 1986), member by member, preconditioned by the same matrix with the
Climatology's covariance at that noise level, C sigma^2 / (C + sigma^2), in place of V, and the decoder
linearised at the climatological mean: one factorisation per noise level for all members. Where the prior is
its Climatology one iteration is exact. Each costs one vector-Jacobian product; the answer needs no other.
GMRES, not conjugate gradients: a learned Jacobian is not symmetric.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.observations.operator import ObservationOperator
from models.posterior.gaussian import LinearObservations
from models.prior.prior import Prior


@dataclass(frozen=True, eq=False)
class GuidedDenoiser:
    """E[z | z_sigma, y] of a window.

    Attributes:
        prior: the denoiser and the way to states.
        operator: H, of p observations.
        observations: y, R, and the linearisation that preconditions.
        year_fraction: when the states of the window are, (L,).
        iterations: of GMRES.
    """

    prior: Prior
    operator: ObservationOperator
    observations: LinearObservations
    year_fraction: Tensor
    iterations: int = 1

    def __call__(self, z: Tensor, sigma: float) -> tuple[Tensor, float | None]:
        """Noisy windows (N, L, K, h, w) -> expectations of the same shape, and their chi2 per observation.

        chi2 is the mean over members and observations of the squared misfit of the *unguided* expectation,
        measured in R + J V J^T: 1 where prior, observations and their errors agree.
        """
        level = z.new_full((len(z),), sigma)
        season = self.year_fraction.expand(len(z), -1)
        observations = self.observations
        if not len(observations.value):
            with torch.no_grad():
                return self.prior.denoiser(z, level, season), None
        z = z.detach().requires_grad_()
        denoised = self.prior.denoiser(z, level, season)
        predicted = self.operator(self.prior.decode(denoised)).double()
        misfit = (observations.value - predicted).detach()
        factor = observations.factor(sigma)

        def pull(v: Tensor) -> Tensor:
            """V J^T v, (N, L K h w), for v (N, p)."""
            (gradient,) = torch.autograd.grad((predicted * v).sum(), z, retain_graph=True)
            return sigma**2 * gradient.flatten(1).double()

        correction, weights = self._solve(misfit, factor, pull)
        chi2 = float((misfit * weights).mean())
        return denoised.detach() + correction.reshape(z.shape).to(z), chi2

    def _solve(
        self, misfit: Tensor, factor: Tensor, pull: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """V J^T v and v, (N, L K h w) and (N, p), by GMRES."""
        jacobian, variance = self.observations.jacobian, self.observations.error**2

        def precondition(d: Tensor) -> Tensor:
            return torch.cholesky_solve(d.T, factor).T

        first = precondition(misfit)
        basis, pulled, images = [first], [], []
        for iteration in range(self.iterations):
            pulled.append(pull(basis[-1]))
            images.append(precondition(pulled[-1] @ jacobian.T + basis[-1] * variance))
            if iteration + 1 < self.iterations:
                basis.append(_orthogonal(images[-1], basis))
        a = torch.stack(images, dim=-1)
        weight = torch.linalg.lstsq(a, first[..., None]).solution[:, :, 0]
        return (
            torch.einsum("nk,knd->nd", weight, torch.stack(pulled)),
            torch.einsum("nk,knp->np", weight, torch.stack(basis)),
        )


def _orthogonal(v: Tensor, basis: list[Tensor]) -> Tensor:
    """`v` less its part along the basis, scaled to the length of the first; row by row."""
    for b in basis:
        v = v - (v * b).sum(-1, keepdim=True) / (b * b).sum(-1, keepdim=True).clamp_min(1e-300) * b
    return v * basis[0].norm(dim=-1, keepdim=True) / v.norm(dim=-1, keepdim=True).clamp_min(1e-300)
