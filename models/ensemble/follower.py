r"""An ensemble of states that follows reports: the prior's forecaster is its model.

Between reports each member goes on as the forecaster has it, off by a draw of what that is wrong by,

    x_k+1 = f(x_k) + s (D(c + e_k) - D(c)),

where c is the code of the members' mean after f, e_k are errors in latents and s how much louder those of
each channel are. Errors last: those of a time are the same whether a window begins there, goes on or ends,
for they come of noise of the `LASTING` steps before it. Members are fields on the grid: the forecaster
carries on what the code does not keep. Reports move them column by column (`letkf.py`). After each step and
each analysis members obey the forecaster's laws (`models.prior.laws`).

What moves members today moves what they were before, too: what they predict and what they were go together
(the ensemble Kalman smoother; Evensen & van Leeuwen 2000; without a cost, Kalnay & Yang 2010). But columns
are moved by reports near them, and air goes on: after half a day what is near is other air.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pandas as pd
import torch
from torch import Tensor

from models.ensemble.letkf import Tuning, analyse
from models.observations.reports import Reported
from models.posterior.noise import FORECAST, CounterNoise
from models.prior.prior import Prior
from models.state.time import year_fraction

SETTLING = 12  # steps in which a forecaster makes weather of what a Gaussian has drawn
TOGETHER = 8  # members that are drawn or decoded at once
BACK = pd.Timedelta(hours=12)  # for which reports say something of a column as it was
LASTING = 8  # steps after which little is left (0.07) of what a forecaster was wrong by


@dataclass(frozen=True, eq=False)
class Follower:
    """A prior that has a forecaster, and how its members are moved.

    Attributes:
        prior: as above.
        seed: of the forecaster's errors.
        tuning: of the LETKF.
    """

    prior: Prior
    seed: int
    tuning: Tuning = field(default_factory=Tuning)

    def season(self, time: pd.Timestamp, size: int, told: Callable[[], None] = lambda: None) -> Tensor:
        """Members at `time` that know the season and nothing else, SI units, (size, C, H, W).

        Draws of the Climatology, of which the forecaster has made weather.

        Arguments:
            told: called after each of `SETTLING` steps; what it raises stops the work.

        Raises:
            ValueError: the prior has no forecaster.
        """
        climate, step = self.prior.climatology, pd.Timedelta(hours=self.prior.card.state.step_hours)
        times = pd.date_range(end=time, periods=SETTLING + 1, freq=step)
        window = pd.date_range(times[0], periods=self.prior.card.window, freq=step)
        white = CounterNoise(self.seed, range(size), window, mirrored=False).states(0, climate.shape)
        anomaly = climate.apply(lambda c: c.sqrt(), white)[:, 0]
        x = self._decoded(climate.mean(torch.from_numpy(year_fraction(window)))[0] + anomaly)
        for when, error in zip(times, self._errors(times, size).unbind(1), strict=False):
            x = self._ahead(x, when, error)
            told()
        return x

    def follow(
        self,
        times: pd.DatetimeIndex,
        reported: Sequence[Reported | None],
        x: Tensor,
        told: Callable[[], None] = lambda: None,
    ) -> Tensor:
        """Members at each of `times`, given its reports and those of the next `BACK` hours, (N, L, C, H, W).

        Arguments:
            times: of the steps, (L,).
            reported: of the state at each of them.
            x: members at the first, SI units, (N, C, H, W).
            told: called after each state; what it raises stops the work.

        Raises:
            ValueError: the prior has no forecaster.
        """
        errors = self._errors(times, len(x))
        states: list[Tensor] = []
        for k, own in enumerate(reported):
            states.append(self._ahead(states[-1], times[k - 1], errors[:, k - 1]) if k else x)
            if own is not None:
                near = int((times[: k + 1] >= times[k] - BACK).argmax())
                states[near:] = [self.prior.balanced(x) for x in self._moved(states[near:], own)]
            told()
        return torch.stack(states, dim=1)

    def _errors(self, times: pd.DatetimeIndex, size: int) -> Tensor:
        """What the forecaster's steps between `times` are wrong by, (size, L - 1, K, h, w)."""
        climate, forecaster = self.prior.climatology, self.prior.need_forecaster()
        step, directions = pd.Timedelta(hours=self.prior.card.state.step_hours), climate.directions.float()
        whole = pd.date_range(end=times[-1], periods=LASTING + len(times) - 1, freq=step)

        def drawn(members: range) -> Tensor:
            noise = CounterNoise(self.seed, members, whole, mirrored=False)
            white = noise.states(FORECAST, (len(whole), *climate.shape[1:]))
            return forecaster.errors(white, directions)[:, LASTING:]

        return torch.cat([drawn(range(size)[k : k + TOGETHER]) for k in range(0, size, TOGETHER)])

    def _ahead(self, x: Tensor, when: pd.Timestamp, error: Tensor) -> Tensor:
        """Members a step after that time, wrong by these latents."""
        year = float(year_fraction(pd.DatetimeIndex([when]))[0])
        with torch.no_grad():
            after = self.prior.ahead(x, year)
            about = self.prior.encode(after.mean(0, keepdim=True))
            off = self._decoded(about + error) - self.prior.decode(about)
            loudness = self.prior.need_forecaster().loudness[:, None, None]
            return self.prior.balanced(after + loudness * off)

    def _moved(self, states: Sequence[Tensor], reported: Reported) -> tuple[Tensor, ...]:
        """States in a row, each (N, C, H, W), after reports of the last of them."""
        card, now = self.prior.card, states[-1]
        predicted, value, error, distance = (
            torch.from_numpy(x).to(now.dtype)
            for x in (
                reported.reports.observe(now.numpy()),
                reported.value,
                reported.error(card.state, card.representativeness),
                reported.reports.distances_from(card.state.grid),
            )
        )
        together = torch.cat(list(states), dim=1)
        after = analyse(together.flatten(2), predicted, value, error, distance, self.tuning)
        return after.reshape(together.shape).split(now.shape[1], dim=1)

    def _decoded(self, z: Tensor) -> Tensor:
        with torch.no_grad():  # few at once: activations are large
            return torch.cat([self.prior.decode(part) for part in z.split(TOGETHER)])
