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

A window that nothing is known before gains as much, where its ensemble begins with the season. There both
say of themselves how wrong they are, state by state: the ensemble knows the first with the reports of half a
day, the posterior with those of all. Their means count by the inverse of these variances, V of the posterior
and S^2 of the ensemble, as if their errors had nothing in common; with as much as they are found to have, it
is the best weight to one per cent of error (Bates & Granger 1969; one for all channels of a state):

    weight = S^2 / (V + S^2).

If few members are wanted, the posterior's own, moved to the mean of both, are the better sample, for they
have the balance of weather; but not the right spread, which is that of what the posterior by itself is wrong
by. How far members are from their mean is the ensemble's to say: one number for all channels of a state.
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

FILTER, SMOOTHER = 0.1, 0.05  # weights of the posterior in windows in a row: at the end, and at the beginning
UNTOLD = 0.3  # its weight in a first window, if its members are too few to say how wrong it is
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
        followed, ends = self.begun(times, reported, season), [0, -1]
        cells = self.windows.prior.card.state.grid.area_weights
        weights = share(self.windows.states(posterior[:, ends]), described(followed[:, ends]), cells)
        return self._ends(followed, posterior, *weights.tolist())

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


def share(members: NDArray[Any], ensemble: NDArray[Any], weights: NDArray[Any]) -> NDArray[np.float64]:
    """The weight of the posterior's mean in that of both, for each state of a first window, (...).

    Arguments:
        members: of the posterior, in mirrored pairs, (N, ..., C, H, W).
        ensemble: its mean and standard deviation at the same states (`described`).
        weights: of cells, (H, 1).
    """
    return _weight(_ratio(members, ensemble, weights))


def about(members: NDArray[Any], ensemble: NDArray[Any], weights: NDArray[Any]) -> NDArray[Any]:
    """Members of the posterior of a first window, (N, ..., C, H, W), moved to the mean of both.

    They are as far from it as those of the ensemble are on average over all places and channels, if they are
    enough to say how far they are: by one number, for channels go together. Arguments are those of `share`.
    """
    own, mean, ratio = members.mean(0), ensemble[0], _ratio(members, ensemble, weights)
    weight, scale = (
        x[..., None, None, None] for x in (_weight(ratio), np.sqrt(np.nan_to_num(ratio, nan=1.0)))
    )
    return mean + weight * (own - mean) + scale * (members - own)


def _ratio(members: NDArray[Any], ensemble: NDArray[Any], weights: NDArray[Any]) -> NDArray[np.float64]:
    """The ensemble's variance over the posterior's, median of channels that vary; NaN: unknown, (...)."""
    if len(members) < FEWEST:
        return np.full(members.shape[1:-3], np.nan)
    its, own = (area_mean(x, weights) for x in (ensemble[1] ** 2, variances(members, mirrored=True)[0]))
    return np.nanmedian(np.divide(its, own, out=np.full_like(own, np.nan), where=own > 0), axis=-1)


def _weight(ratio: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the posterior, where the ensemble's variance is so many times its own."""
    return np.nan_to_num(ratio / (1 + ratio), nan=UNTOLD)
