r"""An ensemble of latent states that follows reports: the prior's forecaster is its model.

Between reports each member goes on as the forecaster has it, off by a draw of what that is wrong by,

    z_k+1 = f(z_k) + SHARE n_k,

and reports move members on the grid, column by column (`letkf.py`); of what they are moved by, latents get
what the code makes of it, z + E(after) - E(before), so that nothing else is lost by coming and going.

What moves members today moves what they were before, too: what they predict and what they were go together
(the ensemble Kalman smoother; Evensen & van Leeuwen 2000; without a cost, Kalnay & Yang 2010). But columns
are moved by reports near them, and air goes on: after half a day what is near is other air.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd
import torch
from torch import Tensor

from models.ensemble.letkf import Tuning, analyse
from models.observations.reports import Reported
from models.posterior.noise import FORECAST, CounterNoise
from models.prior.prior import Prior
from models.state.time import year_fraction

TOGETHER = 8  # members that are decoded at once
BACK = 12  # hours for which reports say something of a column as it was
SHARE = 0.75  # of the forecaster's errors: relaxation makes up for the rest of them


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

    def follow(
        self, times: pd.DatetimeIndex, reported: Sequence[Reported | None], z: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Members at the first of `times`, with reports of the next `BACK` hours too, and at the last.

        Each (N, K, h, w).

        Arguments:
            times: of the steps, (L,), two or more; errors last from one to the next of them (`Forecaster`).
            reported: of the state at each of them.
            z: members at the first, (N, K, h, w).

        Raises:
            ValueError: the prior has no forecaster.
        """
        forecaster = self.prior.need_forecaster()
        white = CounterNoise(self.seed, range(len(z)), times, mirrored=False)
        steps = white.states(FORECAST, (len(times), *z.shape[1:]))[:, 1:]
        errors = SHARE * forecaster.errors(steps, self.prior.climatology.directions.float())
        first, were = z, self._decoded(z)
        now, since = were, (times - times[0]) / pd.Timedelta(hours=1)
        for k, (own, when) in enumerate(zip(reported, year_fraction(times).tolist(), strict=True)):
            if own is not None and since[k] <= BACK:
                z, now = self._moved(z, own, now)
            elif own is not None:
                z = self.moved(z, own)
            if k < len(times) - 1:
                with torch.no_grad():
                    z = forecaster.step(z, when) + errors[:, k]
        return first + (self._encoded(now) - self._encoded(were)), z

    def moved(self, z: Tensor, reported: Reported) -> Tensor:
        """Members (N, K, h, w) after reports of the state they are of."""
        return self._moved(z, reported)[0]

    def _moved(self, z: Tensor, reported: Reported, *more: Tensor) -> tuple[Tensor, ...]:
        """Members after reports, and more fields of theirs, (N, ..., H, W)."""
        card = self.prior.card
        before = self._decoded(z)
        predicted, value, error, distance = (
            torch.from_numpy(x).to(before.dtype)
            for x in (
                reported.reports.observe(before.numpy()),
                reported.value,
                reported.error(card.state, card.representativeness),
                reported.reports.distances_from(card.state.grid),
            )
        )
        fields = torch.cat([before, *more], dim=1)
        after = analyse(fields.flatten(2), predicted, value, error, distance, self.tuning)
        own, *others = after.reshape(fields.shape).split([x.shape[1] for x in (before, *more)], dim=1)
        return z + self._encoded(own) - self._encoded(before), *others

    def _decoded(self, z: Tensor) -> Tensor:
        with torch.no_grad():  # few at once: activations are large
            return torch.cat([self.prior.decode(part) for part in z.split(TOGETHER)])

    def _encoded(self, states: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.cat([self.prior.encode(part) for part in states.split(TOGETHER)])
