"""Windows of the prior, given reports that networks make of states on a grid; `models.hybrid` cycles them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.analysis import Analysis
from models.observations.operator import ObservationOperator
from models.observations.reports import Reported
from models.posterior.given import GivenState, given
from models.posterior.linearise import by_action
from models.posterior.noise import CounterNoise
from models.posterior.posterior import Posterior
from models.posterior.sampler import Preset
from models.posterior.sampler import sample as draw
from models.posterior.tangent import Tangent
from models.prior.prior import Prior

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Windows:
    """A prior and how it is sampled.

    Attributes:
        prior: p(z).
        preset: of the sampler.
        members: how many.
        seed: of the noise.
        mirrored: members in pairs of opposite sign (`models.posterior.noise`): their mean is that of more.
    """

    prior: Prior
    preset: Preset
    members: int
    seed: int
    mirrored: bool = True
    _tangents: dict[int, Tangent] = field(default_factory=dict)

    def with_seed(self, seed: int) -> "Windows":
        """The same with other noise."""
        return replace(self, seed=seed)

    def interpolated(
        self, times: pd.DatetimeIndex, reported: Sequence[Reported | None], count: int = 64
    ) -> Tensor:
        """What optimal interpolation, the Climatology alone, makes of reports, (count, L, K, h, w)."""
        posterior = self._posterior(Analysis(self.prior, times), reported)
        noise = CounterNoise(self.seed, range(count), times, mirrored=False)
        shape, random_numbers = posterior.mean.shape, posterior.gaussian.random_numbers
        return posterior.gaussian.draw(posterior.mean, noise.states(0, shape), noise.errors(random_numbers))

    def states(self, z: Tensor) -> Array:
        """Latents (..., K, h, w) as fields in SI units, (..., C, H, W)."""
        return self.prior.fields(z).astype(np.float64)

    def sample(
        self,
        times: pd.DatetimeIndex,
        reported: Sequence[Reported | None],
        known: Sequence[GivenState] = (),
    ) -> Tensor:
        """Members of a window, (N, L, K, h, w).

        Arguments:
            times: of its states, (L,).
            reported: of each state.
            known: what else is known of them.
        """
        posterior, members = self._posterior(Analysis(self.prior, times), reported), range(self.members)
        noise = CounterNoise(self.seed, members, times, self.mirrored)
        return draw(given(posterior, known, self.members), self.preset, noise)

    def prepare(self, times: pd.DatetimeIndex) -> None:
        """What the windows of a month share is worked out, if it has not been."""
        self._tangent(Analysis(self.prior, times))

    def _tangent(self, analysis: Analysis) -> Tangent:
        """Of the decoder at the climatological mean of a month's first window, which the others share."""
        month = analysis.times[0].month
        if month not in self._tangents:
            self._tangents.clear()
            self._tangents[month] = Tangent.of(self.prior, analysis.mean.mean(0))
        return self._tangents[month]

    def _posterior(self, analysis: Analysis, reported: Sequence[Reported | None]) -> Posterior:
        operator, value, error = _of_window(reported, self.prior)
        tangent = self._tangent(analysis) if len(value) else None
        seen = by_action(analysis.prior, operator, analysis.mean, value, error, tangent)
        return analysis.through(operator, seen)


def _of_window(
    reported: Sequence[Reported | None], prior: Prior
) -> tuple[ObservationOperator, Tensor, Tensor]:
    """H, values and errors of all reports; what the code loses is added to the errors."""
    state, lost = prior.card.state, prior.card.representativeness
    shape = (len(reported), len(state.channels), *state.grid.shape)
    there = [(k, r) for k, r in enumerate(reported) if r is not None]
    operators = [r.reports.operator.placed(k, len(reported)) for k, r in there]
    none = torch.zeros(0, 1)
    operator = ObservationOperator.together(
        [ObservationOperator(shape, none.long(), none.double()), *operators]
    )
    value = np.concatenate([np.zeros(0), *(r.value for _, r in there)])
    error = np.concatenate([np.zeros(0), *(r.error(state, lost) for _, r in there)])
    return operator, torch.from_numpy(value), torch.from_numpy(error)
