r"""The Gaussian posterior: what the Climatology alone makes of the observations, in closed form.

With the decoder linearised at the climatological mean, y = h + J (z - m) + e, z ~ N(m, C), e ~ N(0, R):

    E[z|y] = m + C J^T S^-1 (y - h),     cov[z|y] = C - C J^T S^-1 J C,     S = J C J^T + R.

This is optimal interpolation: the baseline in every certificate, the sampler's start, and, with C replaced by
the covariance that is left at noise level sigma, C sigma^2 / (C + sigma^2), the operator inside the guidance.
Draws are by Matheron's rule (a draw of the prior, corrected by its own misfit). Algebra is in float64.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from models.observations.operator import ObservationOperator
from models.prior.climatology import Climatology
from models.prior.prior import Prior


def linearise(
    prior: Prior, operator: ObservationOperator, mean: Tensor, chunk: int = 128
) -> tuple[Tensor, Tensor]:
    """H(Dec(m)) and its Jacobian at the climatological mean m (L, K, h, w): (p,) and (p, L K h w), float64.

    One vector-Jacobian product per observation and state it reads, `chunk` at a time: the decoder knows no
    time, so a state's latents only matter to that state.
    """
    jacobian = torch.zeros(len(operator.index), *mean.shape, dtype=torch.float64)
    for position, state in enumerate(mean):
        rows, own = operator.of_state(position)
        _, pull, *_ = torch.func.vjp(lambda z, own=own: own(prior.decode(z)[None]), state)
        for part in torch.eye(len(rows)).split(chunk) if len(rows) else ():
            jacobian[rows[: len(part)], position] = torch.func.vmap(pull)(part)[0].double()
            rows = rows[len(part) :]
    return operator(prior.decode(mean)).double(), jacobian.flatten(1)


@dataclass(frozen=True, eq=False)
class LinearObservations:
    """Observations y of a window, linear in its latents.

    Attributes:
        value, error: y and its standard deviation, (p,).
        background: h = H(Dec(m)), (p,).
        jacobian: J, (p, L K h w).
        climatology: N(., C) of the latents.
    """

    value: Tensor
    error: Tensor
    background: Tensor
    jacobian: Tensor
    climatology: Climatology

    @cached_property
    def _along(self) -> Tensor:
        """J U, (p, rank)."""
        return self.jacobian @ self.climatology.modes.double().T

    @cached_property
    def _gram(self) -> Tensor:
        """J J^T, (p, p)."""
        return self.jacobian @ self.jacobian.T

    def covariance(self, sigma: float | None = None) -> Tensor:
        """J V J^T, (p, p); V = C, or C sigma^2 / (C + sigma^2), what is unknown given z + sigma noise."""
        variances, floor = self.climatology.variances.double(), self.climatology.floor.double()
        if sigma is not None:
            variances, floor = (c * sigma**2 / (c + sigma**2) for c in (variances, floor))
        along = self._along
        return (along * (variances - floor)) @ along.T + floor * self._gram

    def variance(self) -> Tensor:
        """Diagonal of J C J^T, (p,)."""
        return (self._spread(self.jacobian) * self.jacobian).sum(-1)

    def part(self, rows: Tensor) -> "LinearObservations":
        """The observations at these positions."""
        return LinearObservations(
            self.value[rows], self.error[rows], self.background[rows], self.jacobian[rows], self.climatology
        )

    def _spread(self, jacobian: Tensor) -> Tensor:
        """J C of any J (q, L K h w)."""
        rows = jacobian.reshape(-1, *self.climatology.shape).float()
        return self.climatology.apply(lambda c: c, rows).flatten(1).double()

    def factor(self, sigma: float | None = None) -> Tensor:
        """Cholesky factor of J V J^T + R, (p, p)."""
        return torch.linalg.cholesky(self.covariance(sigma) + torch.diag(self.error**2))

    @cached_property
    def _solved(self) -> Tensor:
        return self.factor()

    def _gain(self, misfit: Tensor) -> Tensor:
        """C J^T S^-1 d for misfits (N, p): (N, L K h w)."""
        weights = torch.cholesky_solve(misfit.T, self._solved).T
        return self._spread(weights @ self.jacobian)

    def mean(self, climatological: Tensor) -> Tensor:
        """E[z|y], (L, K, h, w), given m of the same shape."""
        if not len(self.value):
            return climatological
        step = self._gain((self.value - self.background)[None])
        return climatological + step.reshape(climatological.shape).to(climatological)

    def draw(self, climatological: Tensor, white: Tensor, errors: Tensor) -> Tensor:
        """Draws of z|y.

        Arguments:
            climatological: m, (L, K, h, w).
            white: standard normal, (N, L, K, h, w).
            errors: standard normal, (N, p).
        """
        anomaly = self.climatology.apply(lambda c: c.sqrt(), white)
        if len(self.value):
            seen = anomaly.flatten(1).double() @ self.jacobian.T + errors.double() * self.error
            step = self._gain(self.value - self.background - seen)
            anomaly = anomaly + step.reshape(anomaly.shape).to(anomaly)
        return climatological + anomaly

    def predict(self, background: Tensor, jacobian: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of other linear quantities (q,) with the given h and J (q, L K h w)."""
        spread = self._spread(jacobian)
        variance = (spread * jacobian).sum(-1)
        if not len(self.value):
            return background, variance.sqrt()
        cross = spread @ self.jacobian.T
        solved = torch.cholesky_solve(cross.T, self._solved)
        mean = background + (self.value - self.background) @ solved
        return mean, (variance - (cross.T * solved).sum(0)).clamp_min(0).sqrt()
