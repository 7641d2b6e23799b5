r"""A filter and a smoother of windows in a row: two analyses of the same reports, and the mean of them.

The posterior of a window knows what weather looks like, and nothing of what was reported before. An ensemble
that follows reports with the prior's forecaster (`models.ensemble.follower`) knows how the errors of today
came about, as far as its few members can. What the two are wrong by has little in common (a correlation of
0.5), so that a mean of them is better than both. This is the hybrid gain of Penny (2014), used for weather
forecasts by Bonavita et al. (2015) with a variational analysis in the place of the posterior:

    members of the ensemble + weight (mean of the posterior - mean of the ensemble).

The posterior of a window analyses its first state with reports of what comes after it, too, and so does the
ensemble for half a day. A mean of these two is a smoother with the lag of a window, at no cost that the
filter has not paid already.

A window that nothing is known before gains as much, where its ensemble begins with the season. There the
posterior's own members, moved to the mean of both, are the better sample: they have the balance of weather
and as much spread as the window leaves, which members that were drawn to reports a few times have not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd
from torch import Tensor

from models.ensemble.follower import Follower
from models.ensemble.letkf import Tuning
from models.observations.reports import Reported
from models.windows import Windows

FIRST = 0.5  # weight of the posterior at the end of a window that nothing is known before
FILTER, SMOOTHER = 0.4, 0.2  # of others, at the end, and of all at the beginning
TUNING = Tuning(relaxation=0.4)  # of the ensemble
BEGUN = Tuning(length=1000.0, relaxation=0.0)  # in a first window: of a season's spread nothing is to be kept
SETTLING = 12  # steps in which a forecaster makes weather of what a Gaussian has drawn


@dataclass(frozen=True, eq=False)
class Hybrid:
    """Windows of the posterior, in mirrored pairs, for their means count; and an ensemble that goes on.

    Attributes:
        windows: how the posterior is sampled, and the seed of all noise.
        size: members of the ensemble.
        tuning: of its analyses.
    """

    windows: Windows
    size: int = 256
    tuning: Tuning = TUNING

    @property
    def follower(self) -> Follower:
        """The ensemble's model and analysis."""
        return Follower(self.windows.prior, self.windows.seed, self.tuning)

    def with_seed(self, seed: int) -> "Hybrid":
        """The same with other noise."""
        return replace(self, windows=self.windows.with_seed(seed))

    def beginning(self, time: pd.Timestamp) -> Tensor:
        """Members that know the season and nothing else, (size, K, h, w)."""
        length, step = self.windows.prior.card.window, self.windows.prior.card.state.step_hours
        earlier = pd.date_range(end=time, periods=SETTLING + 1, freq=f"{step}h")
        drawn = self.windows.interpolated(earlier[:length], [None] * length, self.size)[:, 0]
        return self.windows.forecast(earlier, drawn)[:, -1]

    def window(
        self,
        times: pd.DatetimeIndex,
        reported: Sequence[Reported | None],
        before: Tensor,
        posterior: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Members at the first of the times as a smoother, and at the last as a filter has them.

        Each (size, K, h, w).

        Arguments:
            times: of the window's states, (L,).
            reported: of each of them; of the first, `before` knows it.
            before: members at the first, as a filter has them, (size, K, h, w).
            posterior: what `windows` has made of the window, (N, L, K, h, w).

        Raises:
            ValueError: the prior has no forecaster.
        """
        mean = posterior.mean(0)
        first, last = self.follower.follow(times, [None, *reported[1:]], before)
        return _nearer(first, mean[0], SMOOTHER), _nearer(last, mean[-1], FILTER)

    def first(
        self,
        times: pd.DatetimeIndex,
        reported: Sequence[Reported | None],
        season: Tensor,
        posterior: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The same of a window that nothing is known before but the `season`: of which see `beginning`."""
        mean = posterior.mean(0)
        follower = replace(self.follower, tuning=BEGUN)
        told = season if reported[0] is None else follower.moved(season, reported[0])
        first, last = follower.follow(times, [None, *reported[1:]], told)
        return _nearer(first, mean[0], SMOOTHER), _nearer(last, mean[-1], FIRST)

    def cold(
        self, times: pd.DatetimeIndex, reported: Sequence[Reported | None], season: Tensor, posterior: Tensor
    ) -> Tensor:
        """Members of the posterior at the end of a first window, about the mean of both, (N, K, h, w).

        Arguments as of `first`.
        """
        both = self.first(times, reported, season, posterior)[1].mean(0)
        return _nearer(posterior[:, -1], both, 1.0)


def _nearer(members: Tensor, to: Tensor, weight: float) -> Tensor:
    """Members whose mean has been moved that part of the way."""
    return members + weight * (to - members.mean(0))
