r"""A filter and a smoother of windows in a row: two analyses of the same reports, and the mean of them.

The posterior of a window knows what weather looks like, and nothing of what was reported before. An ensemble
that follows reports with the prior's forecaster (`models.ensemble.follower`) knows how the errors of today
came about, as far as its few members can. What the two are wrong by has little in common (a correlation of
0.5, later 0.3), so that a mean of them is better than both. This is the hybrid gain of Penny (2014), used for
weather forecasts by Bonavita et al. (2015) with a variational analysis in the place of the posterior:

    members of the ensemble + weight (mean of the posterior - mean of the ensemble).

The posterior of a window analyses its first state with reports of what comes after it, too, and so does the
ensemble for half a day. A mean of these two is a smoother with the lag of a window, at no cost that the
filter has not paid already.

A window that nothing is known before gains as much, where its ensemble begins with the season. If few members
are wanted, the posterior's own, moved to the mean of both, are the better sample, for they have the balance
of weather; but not the right spread, which is that of what the posterior by itself is wrong by. How far
members are from their mean is the ensemble's to say: one number for all channels of a state.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.ensemble.follower import Follower
from models.ensemble.letkf import Tuning
from models.observations.reports import Reported
from models.verification.pairs import FEWEST, variances
from models.verification.scores import area_mean
from models.windows import Windows

FIRST = 0.3  # weight of the posterior in a window that nothing is known before
FILTER, SMOOTHER = 0.1, 0.05  # in others: at the end, and at the beginning
TUNING = Tuning(length=850.0, relaxation=0.3)  # of an ensemble of 256 (`suited`)
BEGUN = Tuning(length=1000.0, relaxation=0.25)  # of it in a first window


@dataclass(frozen=True, eq=False)
class Hybrid:
    """Windows of the posterior, in mirrored pairs, for their means count; and an ensemble that goes on.

    Attributes:
        windows: how the posterior is sampled, and the seed of all noise.
        size: members of the ensemble.
    """

    windows: Windows
    size: int = 256

    def follower(self, tuning: Tuning = TUNING) -> Follower:
        """The ensemble's model and analysis, tuned as suits its size."""
        return Follower(self.windows.prior, self.windows.seed, suited(tuning, self.size))

    def beginning(self, time: pd.Timestamp) -> Tensor:
        """Members that know the season and nothing else, (size, C, H, W)."""
        return self.follower().season(time, self.size)

    def window(
        self,
        times: pd.DatetimeIndex,
        reported: Sequence[Reported | None],
        before: Tensor,
        posterior: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Members at the first of the times as a smoother, and at the last as a filter has them.

        Each (size, C, H, W), SI units.

        Arguments:
            times: of the window's states, (L,).
            reported: of each of them; of the first, `before` knows it.
            before: members at the first, as a filter has them, (size, C, H, W).
            posterior: what `windows` has made of the window, (N, L, K, h, w).

        Raises:
            ValueError: the prior has no forecaster.
        """
        followed = self.follower().follow(times, [None, *reported[1:]], before)
        return self._ends(followed, posterior, SMOOTHER, FILTER)

    def first(
        self,
        times: pd.DatetimeIndex,
        reported: Sequence[Reported | None],
        season: Tensor,
        posterior: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The same of a window that nothing is known before but the `season`: of which see `beginning`."""
        return self._ends(self.begun(times, reported, season), posterior, FIRST, FIRST)

    def begun(self, times: pd.DatetimeIndex, reported: Sequence[Reported | None], season: Tensor) -> Tensor:
        """The ensemble by itself, at the states of a window that follows on nothing, (size, L, C, H, W)."""
        return self.follower(BEGUN).follow(times, reported, season)

    def _ends(self, followed: Tensor, posterior: Tensor, *weights: float) -> tuple[Tensor, Tensor]:
        """Members at the first state and the last, drawn to the posterior's mean."""
        prior = self.windows.prior
        mean = prior.balanced(prior.decode(posterior[:, [0, -1]].mean(0)))
        first, last = (
            followed[:, k] + weight * (mean[k] - followed[:, k].mean(0))
            for k, weight in zip((0, -1), weights, strict=True)
        )
        return first, last


def suited(tuning: Tuning, size: int) -> Tuning:
    """What suits 256 members, for another number of them.

    The more there are, the farther off is what two places have in common no matter of chance.
    """
    return replace(tuning, length=tuning.length * (size / Hybrid.size) ** 0.25)


def described(members: Tensor) -> NDArray[np.float32]:
    """Mean and standard deviation of an ensemble (N, ..., C, H, W), (2, ..., C, H, W)."""
    return torch.stack([members.mean(0), members.std(0)]).numpy()


def about(members: NDArray[Any], ensemble: NDArray[Any], weights: NDArray[Any]) -> NDArray[Any]:
    """Members of the posterior of a first window, (N, ..., C, H, W), moved to the mean of both.

    They are as far from it as those of the ensemble are on average over all places and channels, if they are
    enough to say how far they are: by one number, the median of channels, for these go together.

    Arguments:
        members: in mirrored pairs.
        ensemble: its mean and standard deviation at the same states (`described`).
        weights: of cells, (H, 1).
    """
    own, (mean, spread) = members.mean(0), ensemble
    departures = members - own
    if len(members) >= FEWEST:
        wanted, there = (area_mean(x, weights) for x in (spread**2, variances(members, mirrored=True)[0]))
        ratio = np.divide(wanted, there, out=np.full_like(there, np.nan), where=there > 0)
        departures = departures * np.sqrt(np.nanmedian(ratio, axis=-1))[..., None, None, None]
    return own + (1 - FIRST) * (mean - own) + departures
