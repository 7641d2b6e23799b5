r"""Oracle: a Gaussian wind observed by instruments that are not linear; its posterior by importance sampling.

Observations depend on few components s = L z of the state. Given s the rest is Gaussian, so that only s has
to be sampled. With draws s_i of the prior and weights w_i ~ N(y; f(s_i), R), normalised,

    E[z|y] = G E[s|y],    cov[z|y] = C - G (L C) + G cov[s|y] G^T,    G = C L^T (L C L^T)^-1,

E[s|y] = sum_i w_i s_i. The state is the anomaly of a wind (u, v) on a ring, each component as in
`models.testing.linear`, about a mean wind along u. Two instruments:

    speed       |(u, v)|: of the direction the observations know nothing, so posteriors are arcs
    saturating  u / (1 + |u|), as Rozet & Louppe (2023) have it: strong winds all look alike
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from models.posterior.jacobian import Jacobian
from models.posterior.posterior import Posterior
from models.prior.climatology import Climatology
from models.testing.linear import TRUE, WRONG, LinearOracle, Spectrum

WIND = 1.0  # mean of u, in standard deviations of u
CHUNK = 2**18  # draws weighed together


def speed(wind: Tensor) -> Tensor:
    """|(u, v)| of winds (..., stations, 2)."""
    return wind.square().sum(-1).sqrt()


def saturating(wind: Tensor) -> Tensor:
    """u / (1 + |u|)."""
    return wind[..., 0] / (1 + wind[..., 0].abs())


INSTRUMENTS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "speed": (speed, 0.2),
    "saturating": (saturating, 0.05),
}
"""What is seen of the winds at the stations, and the standard deviation of its errors."""


@dataclass(frozen=True, eq=False)
class NonlinearOracle:
    """A Gaussian prior and what instruments say.

    Attributes:
        linear: prior, and the observations linearised at the mean.
        instrument: f, winds (..., stations, 2) -> (..., stations).
        places: of s in the state, (2 stations,), u and v of each station in turn.
        draws: of importance sampling.
        seed: of them.
    """

    linear: LinearOracle
    instrument: Callable[[Tensor], Tensor]
    places: Tensor
    draws: int
    seed: int

    def look(self, s: Tensor) -> Tensor:
        """f(s), (..., 2 stations) -> (..., stations)."""
        return self.instrument(_whole(s))

    def posterior(self) -> Posterior:
        """What a sampler is given."""
        one = self.linear.posterior()
        background = self.look(torch.zeros(len(self.places), dtype=torch.float64))
        return dataclasses.replace(
            one,
            observe=lambda z: self.look(z.flatten(1)[:, self.places]),
            gaussian=dataclasses.replace(one.gaussian, background=background),
        )

    @cached_property
    def weighted(self) -> tuple[Tensor, Tensor]:
        """Draws of s (draws, 2 stations) and their weights (draws,), float64."""
        generator = torch.Generator().manual_seed(self.seed)
        here = self.linear.covariance[self.places][:, self.places]
        white = torch.randn(self.draws, len(self.places), generator=generator, dtype=torch.float64)
        s = white @ torch.linalg.cholesky(here).T
        misfit = [(self.linear.value - self.look(part)) / self.linear.error for part in s.split(CHUNK)]
        return s, torch.softmax(-0.5 * torch.cat(misfit).square().sum(-1), 0)

    @property
    def effective(self) -> float:
        """How many of the draws count, 1 / sum w^2."""
        return float(1 / self.weighted[1].square().sum())

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of z|y, (size,) each."""
        (s, w), c = self.weighted, self.linear.covariance
        mean = w @ s
        spread = (s.T * w) @ s - mean[:, None] * mean
        cross = c[:, self.places]
        gain = torch.linalg.solve(cross[self.places], cross.T).T
        variance = c.diagonal() - (gain * cross).sum(-1) + ((gain @ spread) * gain).sum(-1)
        return gain @ mean, variance.sqrt()

    def distance(self, samples: Tensor) -> float:
        """Largest difference of distribution functions of a component of s, for samples (N, size)."""
        s, w = self.weighted
        found = samples[:, self.places].double()
        return max(_apart(x, a, w) for x, a in zip(found.T, s.T, strict=True))


def _whole(s: Tensor) -> Tensor:
    """Winds (..., stations, 2) of anomalies (..., 2 stations)."""
    anomaly = s.unflatten(-1, (-1, 2))
    return anomaly + anomaly.new_tensor([WIND, 0.0])


def _apart(x: Tensor, draws: Tensor, weights: Tensor) -> float:
    """Kolmogorov's distance of samples x (N,) from weighted draws."""
    x, order = x.sort()[0].contiguous(), draws.argsort()
    share = torch.cat([weights.new_zeros(1), weights[order].cumsum(0)])
    exact = share[torch.searchsorted(draws[order].contiguous(), x)]
    steps = torch.arange(len(x) + 1, dtype=torch.float64) / len(x)
    return float(torch.maximum((exact - steps[:-1]).abs(), (exact - steps[1:]).abs()).max())


def wind(
    name: str, states: int = 6, points: int = 64, stations: int = 3, seed: int = 0, draws: int = 4_000_000
) -> NonlinearOracle:
    """Winds on a ring; the instrument called `name` at stations a quarter of the ring apart, in one state.

    Raises:
        ValueError: more than four stations.
    """
    if stations > 4:
        raise ValueError(f"a quarter of the ring apart there are four stations at most, not {stations}")
    look, std = INSTRUMENTS[name]
    generator = torch.Generator().manual_seed(seed)
    covariance = _two(TRUE, states, points)
    middle = (states // 2) * 2 * points + points // 4 * torch.arange(stations)
    places = torch.stack([middle, middle + points], dim=1).flatten()
    climatology = Climatology(states, (2, 1, points), min(384, states * points))
    climatology.set_covariance(_two(WRONG, states, points))
    error = torch.full((stations,), std, dtype=torch.float64)
    zero = torch.zeros(stations, len(covariance), dtype=torch.float64)
    slope = Jacobian(lambda z: look(_whole(z[:, places])), zero).pull(
        torch.eye(stations, dtype=torch.float64)
    )
    factor = torch.linalg.cholesky(covariance[places][:, places])
    truth = factor @ torch.randn(len(places), generator=generator, dtype=torch.float64)
    noise = torch.randn(stations, generator=generator, dtype=torch.float64)
    value = look(_whole(truth)) + error * noise
    linear = LinearOracle(covariance, slope, error, value, climatology)
    return NonlinearOracle(linear, look, places, draws, seed)


def _two(spectrum: Spectrum, states: int, points: int) -> Tensor:
    """Covariance of windows of two independent components, (L 2 n, L 2 n)."""
    one = spectrum.covariance(states, points).reshape(states, points, states, points)
    both = torch.einsum("kl,txsy->tkxsly", torch.eye(2, dtype=one.dtype), one)
    return both.reshape(2 * states * points, -1)
