r"""Posterior trajectories of a flow, longer than the windows its prior was trained on.

Windows are guided by the observations in them, then stitched (`models.posterior.windows`,
`docs/long-windows.md`). The sampler starts from noise so strong that nothing else is left of the flow. At
noise above what the network was trained on the Climatology denoises: there the prior is as good as Gaussian,
and a window costs nothing.

Observations are a function of one state, the same for each state that is observed. Where it is not linear,
the Gaussian that preconditions the guidance, and is optimal interpolation, sees it linearised at what was
found there, by a few steps of Gauss and Newton.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor

from models.classical import stationary
from models.classical.prior import HALF, ClassicalPrior
from models.posterior.gaussian import GaussianObservations, LinearObservations
from models.posterior.jacobian import Jacobian
from models.posterior.noise import SeededNoise
from models.posterior.posterior import Posterior
from models.posterior.sampler import Preset, sample
from models.posterior.states import StateObservations
from models.posterior.windows import stitched

Gaussian = TypeVar("Gaussian", bound=GaussianObservations)
NEWTON = 4  # steps of Gauss and Newton, where observations are not linear


@dataclass(frozen=True, eq=False)
class Sensor:
    """What is observed.

    Attributes:
        look: states (..., K, h, w) in their own units -> observations (..., p).
        every: states between those that are observed; the first is.
        error: standard deviation.
        linear: whether `look` is.
    """

    look: Callable[[Tensor], Tensor]
    every: int
    error: float
    linear: bool = True

    def __call__(self, states: Tensor) -> Tensor:
        """Observations (..., ceil(L / every), p) of trajectories (..., L, K, h, w), without errors."""
        return self.look(states[..., :: self.every, :, :, :])


@dataclass(frozen=True, eq=False)
class Seen:
    """A trajectory that was observed: the sensor, and y (ceil(L / every), p)."""

    sensor: Sensor
    values: Tensor

    def window(self, first: int, window: int) -> tuple[list[int], Tensor]:
        """Positions in the window that begins with state `first` that were observed, and their y, (T, p)."""
        every = self.sensor.every
        positions = [t for t in range(window) if (first + t) % every == 0]
        numbers = [(first + t) // every for t in positions]
        return positions, self.values[numbers]


class Windows:
    """The Gaussians and posteriors of windows of W states, each of which sees its own observations."""

    def __init__(
        self, prior: ClassicalPrior, window: int, seen: Seen | None = None, top: float = 20.0
    ) -> None:
        """`top`: the highest noise level of the network."""
        self.prior, self.window, self.seen, self.top = prior, window, seen, top
        self.climatology = prior.climatology(window)
        self.zero = torch.zeros(self.climatology.shape)
        self.network = prior.denoiser(window)
        self.evaluations = [0, 0]
        self.posterior = cache(self._posterior)
        self._pattern = cache(self._linear)

    def denoise(self, z: Tensor, sigma: float) -> Tensor:
        """E[z_0 | z] of windows (N, W, K, h, w)."""
        level = z.new_tensor(sigma)
        if sigma > self.top:
            return self.climatology.denoise(z, level, self.zero)
        self.evaluations[torch.is_grad_enabled()] += len(z)
        with torch.autocast("cpu", torch.bfloat16, enabled=HALF):
            return self.network(z, level.expand(len(z)), z.new_zeros(z.shape[:2])).float()

    def cost(self, members: int) -> dict[str, float]:
        """Evaluations of the network so far, per member, and how many of them were differentiated."""
        return {"forward": sum(self.evaluations) / members, "differentiated": self.evaluations[1] / members}

    def _posterior(self, first: int) -> Posterior:
        """Of the window that begins with state `first`."""
        positions, y = self.seen.window(first, self.window) if self.seen else ([], torch.zeros(0))
        if self.seen is None or not positions:
            return unobserved(self.denoise, self.climatology.shape)
        sensor = self.seen.sensor

        def observe(z: Tensor) -> Tensor:
            return sensor.look(self.prior.restore(z[:, positions]).float()).flatten(1) - y.flatten().to(z)

        gaussian = self._pattern(tuple(positions))
        if not sensor.linear:
            gaussian = self._newton(observe, gaussian)
        return Posterior(self.denoise, observe, gaussian, self.zero)

    def gaussian(self, first: int) -> GaussianObservations:
        """What optimal interpolation knows of that window."""
        posterior = self.posterior(first)
        seen = posterior.gaussian
        if isinstance(seen, StateObservations) and self.seen is not None and self.seen.sensor.linear:
            return placed(seen, posterior.observe(self.zero[None])[0].double())
        return seen

    def _linear(self, positions: tuple[int, ...]) -> StateObservations:
        """The sensor's derivative at the mean of the Climatology."""
        return self._tangent(self.zero[list(positions)], positions)

    def _newton(self, observe: Callable[[Tensor], Tensor], gaussian: StateObservations) -> StateObservations:
        """Linearised where the Gaussian posterior is, `background` being what it thinks of the mean."""
        positions = gaussian.states
        at = self.zero
        for _ in range(NEWTON):
            gaussian = self._tangent(at[positions], tuple(positions.tolist()))
            there = observe(at[None])[0].double()
            gaussian = placed(gaussian, there - gaussian.push(at[None])[0])
            at = gaussian.mean(self.zero)
        return gaussian

    def _tangent(self, states: Tensor, positions: tuple[int, ...]) -> StateObservations:
        """J at standardised states (T, K, h, w) at those positions, with y = 0 and h = 0."""
        assert self.seen is not None  # noqa: S101, for the type checker
        sensor = self.seen.sensor
        rows = []
        for state in states:
            number = sensor.look(self.prior.restore(state)).numel()
            copies = state.expand(number, *state.shape)
            at = Jacobian(lambda z: sensor.look(self.prior.restore(z).float()), copies)
            rows.append(at.pull(torch.eye(number)).flatten(1).double())
        jacobian = torch.cat(rows)
        zero = torch.zeros(len(jacobian), dtype=torch.float64)
        return StateObservations.each(
            zero,
            zero + sensor.error,
            zero,
            self.climatology,
            jacobian,
            torch.tensor(positions).repeat_interleave(len(rows[0])),
        )


def placed(seen: Gaussian, background: Tensor) -> Gaussian:
    """The same observations of windows elsewhere, `background` (p,) or (N, p)."""
    out = replace(seen, background=background)
    for name in ("_along", "_gram", "_parts", "_whole"):  # what does not depend on it need not be found again
        if name in seen.__dict__:
            out.__dict__[name] = seen.__dict__[name]
    return out


def unobserved(denoise: Callable[[Tensor, float], Tensor], shape: tuple[int, ...]) -> Posterior:
    """The posterior of nothing: the prior, started from white noise."""
    empty = torch.zeros(0, dtype=torch.float64)
    white = stationary.white(shape[0], (shape[1], shape[2], shape[3]))
    nothing = LinearObservations(empty, empty, empty, white, torch.zeros(0, white.modes.shape[1]).double())
    return Posterior(denoise, lambda z: z.flatten(1)[:, :0], nothing, torch.zeros(shape))


def trajectories(
    windows: Windows, states: int, preset: Preset, members: int, seed: int, stride: int = 2
) -> Tensor:
    """Posterior trajectories, the prior's if nothing was seen, (members, states, K, h, w), standardised."""
    guide = preset.guidance

    def guided(z: Tensor, sigma: float, times: Tensor) -> Tensor:
        return guide(windows.posterior(int(times[0])), z, sigma).mean

    composed = stitched(guided, torch.arange(states), windows.window, stride)
    posterior = unobserved(composed, (states, *windows.prior.shape))
    return sample(posterior, preset, SeededNoise(seed, members))


def interpolated(windows: Windows, states: int, members: int, seed: int, stride: int = 2) -> Tensor:
    """Draws of the Gaussian posterior, windows for themselves, (members, states, K, h, w), standardised."""
    noise = SeededNoise(seed, members)

    def draw(z: Tensor, sigma: float, times: Tensor) -> Tensor:
        first = int(times[0])
        seen = windows.gaussian(first)
        white = noise.states(first + 1, windows.climatology.shape)
        return seen.draw(windows.zero, white, noise.errors(seen.random_numbers, -first - 1 + 2**40))

    start = torch.zeros(members, states, *windows.prior.shape)
    return stitched(draw, torch.arange(states), windows.window, stride)(start, 0.0)
