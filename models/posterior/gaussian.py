r"""The Gaussian posterior: what the Climatology alone makes of the observations, in closed form.

With the decoder linearised at the climatological mean, y = h + J (z - m) + e, z ~ N(m, C), e ~ N(0, R):

    E[z|y] = m + C J^T S^-1 (y - h),     cov[z|y] = C - C J^T S^-1 J C,     S = J C J^T + R.

This is optimal interpolation: the baseline in every certificate, the sampler's start, and, with C replaced by
the covariance that is left at noise level sigma, C sigma^2 / (C + sigma^2), what preconditions the guidance.
Draws are by Matheron's rule (a draw of the prior, corrected by its own misfit). Errors may be correlated:
R = diag(error^2) + F F^T, where a column of F is an error that reports share, such as an instrument's bias.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from models.posterior.bracket import Bracket, DenseBracket
from models.prior.climatology import Climatology


@dataclass(frozen=True, eq=False)
class GaussianObservations(ABC):
    """Observations y of a window, linear in its latents. Two forms: dense, and for very many.

    Attributes:
        value, error: y and the standard deviation of its independent errors, (p,).
        background: h = H(Dec(m)), (p,); or (N, p), for windows that differ in it, of which only `draw` knows.
        climatology: N(., C) of the latents.
        shared: F, (p, q); None where errors are independent.
    """

    value: Tensor
    error: Tensor
    background: Tensor
    climatology: Climatology
    shared: Tensor | None = field(default=None, kw_only=True)

    @abstractmethod
    def push(self, anomalies: Tensor) -> Tensor:
        """J a for anomalies (N, *shape): (N, p)."""

    @abstractmethod
    def pull(self, weights: Tensor) -> Tensor:
        """J^T w for weights (N, p): (N, *shape)."""

    @property
    @abstractmethod
    def squares(self) -> Tensor:
        """Diagonal of J J^T, (p,)."""

    @abstractmethod
    def variance(self) -> Tensor:
        """Diagonal of J C J^T, (p,)."""

    @abstractmethod
    def among(self, rows: Tensor) -> Tensor:
        """J C J^T of the observations at these positions, (n, n)."""

    @abstractmethod
    def bracket(self, sigma: float | None = None, inflation: Tensor | None = None) -> Bracket:
        """S with the covariance left at `sigma` (C if None); error variances times `inflation` (p,)."""

    def noise(self, v: Tensor) -> Tensor:
        """R v for v (N, p)."""
        own = v * (self.error**2).to(v)
        return own if self.shared is None else own + (v @ self.shared.to(v)) @ self.shared.T.to(v)

    def _variances(self, inflation: Tensor | None) -> Tensor:
        """Of the independent errors, times `inflation`, (p,)."""
        return self.error**2 if inflation is None else self.error**2 * inflation

    @property
    def random_numbers(self) -> int:
        """How many standard normal numbers a draw of the errors takes: p + q."""
        return len(self.value) + (0 if self.shared is None else self.shared.shape[1])

    def left(self, sigma: float | None) -> tuple[Tensor, Tensor]:
        """Variances of the modes and floor of what is unknown given z + sigma n; those of C without."""
        variances, floor = self.climatology.variances.double(), self.climatology.floor.double()
        if sigma is None:
            return variances, floor
        return variances * sigma**2 / (variances + sigma**2), floor * sigma**2 / (floor + sigma**2)

    @cached_property
    def _whole(self) -> Bracket:
        return self.bracket()

    def _gain(self, misfit: Tensor) -> Tensor:
        """C J^T S^-1 d for misfits (N, p): (N, *shape)."""
        weights = self._whole.unwhiten(self._whole.whiten(misfit))
        return self.climatology.apply(lambda c: c, self.pull(weights))

    def _seen(self, spread: Tensor) -> Tensor:
        """Covariance of the observations with other quantities, (q, p), given J' C of those, (q, *shape)."""
        return self.push(spread)

    def mean(self, climatological: Tensor) -> Tensor:
        """E[z|y], (*shape), given m of the same shape."""
        if not len(self.value):
            return climatological
        return climatological + self._gain((self.value - self.background)[None])[0].to(climatological)

    def draw(self, climatological: Tensor, white: Tensor, errors: Tensor) -> Tensor:
        """Draws of z|y.

        Arguments:
            climatological: m, (*shape).
            white: standard normal, (N, *shape).
            errors: standard normal, (N, random_numbers).
        """
        anomaly = self.climatology.apply(lambda c: c.sqrt(), white)
        if len(self.value):
            p = len(self.value)
            drawn = errors[:, :p].to(self.value) * self.error
            if self.shared is not None:
                drawn = drawn + errors[:, p:].to(self.value) @ self.shared.T
            step = self._gain(self.value - self.background - self.push(anomaly) - drawn)
            anomaly = anomaly + step.to(anomaly)
        return climatological + anomaly

    def predict(self, background: Tensor, jacobian: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of other linear quantities (q,) with the given h and J (q, size)."""
        parts = zip(background.split(TOGETHER), jacobian.split(TOGETHER), strict=True)
        mean, std = zip(*(self._predict(*part) for part in parts), strict=True)
        return torch.cat(mean), torch.cat(std)

    def _predict(self, background: Tensor, jacobian: Tensor) -> tuple[Tensor, Tensor]:
        rows = jacobian.reshape(-1, *self.climatology.shape)
        spread = self.climatology.apply(lambda c: c, rows.float())
        variance = (spread.flatten(1).double() * jacobian).sum(-1)
        if not len(self.value):
            return background, variance.sqrt()
        cross = self._whole.whiten(self._seen(spread))
        misfit = self._whole.whiten((self.value - self.background)[None])
        mean = background + (cross * misfit).sum(-1).to(background)
        return mean, (variance - cross.square().sum(-1).to(variance)).clamp_min(0).sqrt()


TOGETHER = 128  # quantities predicted at a time: each takes a few copies of a window


@dataclass(frozen=True, eq=False)
class LinearObservations(GaussianObservations):
    """J as a matrix (p, size), float64: exact, for up to some thousand observations."""

    jacobian: Tensor

    def push(self, anomalies: Tensor) -> Tensor:
        """J a, float64."""
        return anomalies.flatten(1).double() @ self.jacobian.T

    def pull(self, weights: Tensor) -> Tensor:
        """J^T w, float32."""
        return (weights @ self.jacobian).reshape(-1, *self.climatology.shape).float()

    @property
    def rows(self) -> Tensor:
        """J, (p, size)."""
        return self.jacobian

    @cached_property
    def squares(self) -> Tensor:
        """Diagonal of J J^T, (p,)."""
        return self.jacobian.square().sum(-1)

    def bracket(self, sigma: float | None = None, inflation: Tensor | None = None) -> Bracket:
        """By Cholesky factorisation."""
        noise = torch.diag(self._variances(inflation))
        if self.shared is not None:
            noise = noise + self.shared @ self.shared.T
        return DenseBracket(torch.linalg.cholesky(self.covariance(sigma) + noise))

    @cached_property
    def _along(self) -> Tensor:
        """J U, (p, rank)."""
        return self.climatology.along(self.jacobian)

    @cached_property
    def _gram(self) -> Tensor:
        """J J^T, (p, p)."""
        return self.jacobian @ self.jacobian.T

    def covariance(self, sigma: float | None = None) -> Tensor:
        """J V J^T, (p, p); V = C, or what is left of it at `sigma`."""
        return self._climatological if sigma is None else self._covariance(sigma)

    @cached_property
    def _climatological(self) -> Tensor:
        """J C J^T, which those who doubt reports ask for again and again."""
        return self._covariance(None)

    def _covariance(self, sigma: float | None) -> Tensor:
        return self._of(self._along, self._gram, sigma)

    def _of(self, along: Tensor, gram: Tensor, sigma: float | None) -> Tensor:
        """J V J^T of observations with these parts in the modes (n, rank), and J J^T (n, n)."""
        variances, floor = self.left(sigma)
        return (along * (variances - floor)) @ along.T + floor * gram

    def variance(self, sigma: float | None = None) -> Tensor:
        """Diagonal of J V J^T, (p,)."""
        variances, floor = self.left(sigma)
        return self._along.square() @ (variances - floor) + floor * self.squares

    def among(self, rows: Tensor) -> Tensor:
        """J C J^T of the observations at these positions, (n, n)."""
        return self._of(self._along[rows], self.part(rows)._gram, None)

    def part(self, rows: Tensor) -> "LinearObservations":
        """The observations at these positions."""
        return LinearObservations(
            self.value[rows],
            self.error[rows],
            self.background[rows],
            self.climatology,
            self.jacobian[rows],
            shared=None if self.shared is None else self.shared[rows],
        )
