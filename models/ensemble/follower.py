r"""An ensemble of latent states that follows reports: the prior's forecaster is its model.

Between reports each member goes on as the forecaster has it, off by a draw of what that is wrong by,

    z_k+1 = E(f(D(z_k))) + n_k,

and reports move members on the grid, column by column (`letkf.py`), from where f takes them on. At the end
latents get what the code makes of all that they were moved by, z + E(after) - E(before), so that nothing
else is lost by coming and going.

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
TOGETHER = 8  # members that are decoded at once
BACK = pd.Timedelta(hours=12)  # for which reports say something of a column as it was


@dataclass(eq=False)
class _Members:
    """Members at one of the times: latents and fields before reports, and fields after those so far."""

    z: Tensor
    before: Tensor
    fields: Tensor


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
        """Members at `time` that know the season and nothing else, (size, K, h, w).

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
        z = climate.mean(torch.from_numpy(year_fraction(window)))[0] + anomaly
        for when, error in zip(times, self._errors(times, size).unbind(1), strict=False):
            z = self._ahead(self._decoded(z), when) + error
            told()
        return z

    def follow(
        self,
        times: pd.DatetimeIndex,
        reported: Sequence[Reported | None],
        z: Tensor,
        told: Callable[[], None] = lambda: None,
    ) -> Tensor:
        """Members at each of `times`, given its reports and those of the next `BACK` hours, (N, L, K, h, w).

        Arguments:
            times: of the steps, (L,); errors last from one to the next of them (`Forecaster`).
            reported: of the state at each of them.
            z: members at the first, (N, K, h, w).
            told: called after each state; what it raises stops the work.

        Raises:
            ValueError: the prior has no forecaster.
        """
        errors = self._errors(times, len(z))
        done: list[Tensor] = []
        near: list[_Members] = []  # those that reports may still move
        for k, own in enumerate(reported):
            if k:
                z = self._ahead(near[-1].fields, times[k - 1]) + errors[:, k - 1]
            while near and times[k] - times[len(done)] > BACK:
                done.append(self._latents(near.pop(0)))
            fields = self._decoded(z)
            near.append(_Members(z, fields, fields))
            if own is not None:
                for members, moved in zip(near, self._moved([m.fields for m in near], own), strict=True):
                    members.fields = moved
            told()
        return torch.stack([*done, *map(self._latents, near)], dim=1)

    def _errors(self, times: pd.DatetimeIndex, size: int) -> Tensor:
        """What the forecaster's steps between `times` are wrong by, (size, L - 1, K, h, w)."""
        climate, forecaster = self.prior.climatology, self.prior.need_forecaster()
        noise = CounterNoise(self.seed, range(size), times, mirrored=False)
        white = noise.states(FORECAST, (len(times), *climate.shape[1:]))[:, 1:]
        return forecaster.errors(white, climate.directions.float())

    def _ahead(self, fields: Tensor, when: pd.Timestamp) -> Tensor:
        """What the forecaster makes of fields of that time, as latents."""
        year = float(year_fraction(pd.DatetimeIndex([when]))[0])
        with torch.no_grad():
            return self._encoded(self.prior.ahead(fields, year))

    def _moved(self, fields: Sequence[Tensor], reported: Reported) -> tuple[Tensor, ...]:
        """Fields of states in a row, each (N, C, H, W), after reports of the last of them."""
        card, now = self.prior.card, fields[-1]
        predicted, value, error, distance = (
            torch.from_numpy(x).to(now.dtype)
            for x in (
                reported.reports.observe(now.numpy()),
                reported.value,
                reported.error(card.state, card.representativeness),
                reported.reports.distances_from(card.state.grid),
            )
        )
        together = torch.cat(list(fields), dim=1)
        after = analyse(together.flatten(2), predicted, value, error, distance, self.tuning)
        return after.reshape(together.shape).split(now.shape[1], dim=1)

    def _latents(self, members: _Members) -> Tensor:
        if members.fields is members.before:
            return members.z
        return members.z + self._encoded(members.fields) - self._encoded(members.before)

    def _decoded(self, z: Tensor) -> Tensor:
        with torch.no_grad():  # few at once: activations are large
            return torch.cat([self.prior.decode(part) for part in z.split(TOGETHER)])

    def _encoded(self, states: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.cat([self.prior.encode(part) for part in states.split(TOGETHER)])
