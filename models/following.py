"""An ensemble beside an analysis, that follows the same observations; the mean of both is better than either.

It begins with the season and knows the dynamics as the prior's forecaster has them; what it is wrong by has
little in common with what the posterior is wrong by (`models.hybrid`). Its means and how far its members are
from them are all that is kept: the members are the posterior's, moved to the mean of both.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.analysis import Analysis
from models.ensemble.follower import SETTLING, Follower
from models.hybrid import BEGUN, about, described, suited
from models.observations.operator import ObservationOperator
from models.observations.reports import Prepared, Reports
from models.posterior.robust import LIKELIHOODS, believed


def follow(
    analysis: Analysis,
    superobs: pd.DataFrame,
    *,
    size: int,
    seed: int,
    likelihood: str = "gaussian",
    progress: Callable[[float], None] = lambda fraction: None,
) -> NDArray[np.float32]:
    """Means of the ensemble at the analysis times, and its spread, SI units, (2, T, C, H, W).

    Arguments:
        superobs: as `models.analysis.sample` takes them.
        size: of the ensemble.
        seed: of its noise.
        likelihood: gaussian, huber or varqc: observations are believed as much as the posterior does.
        progress: told the share that is done after each step; what it raises stops the work.

    Raises:
        ValueError: the prior has no forecaster.
    """
    steps, done, times = SETTLING + len(analysis.times), 0, analysis.times

    def told() -> None:
        nonlocal done
        done += 1
        progress(done / steps)

    follower = Follower(analysis.prior, seed, suited(BEGUN, size))
    reported = reports(analysis, superobs, likelihood)
    members = follower.follow(times, reported, follower.season(times[0], size, told), told)
    return described(members)


def reports(
    analysis: Analysis, superobs: pd.DataFrame, likelihood: str = "gaussian"
) -> list[Prepared | None]:
    """The superobs state by state, in the order of their names, each as if of the time of its state.

    An ensemble moves from state to state: of what is reported between two it does not interpolate, as the
    posterior does.
    """
    superobs = superobs.sort_values("obs_id", ignore_index=True)
    way = LIKELIHOODS[likelihood]
    if way is not None:
        seen, _ = believed(analysis.linear(superobs), way)
        superobs = superobs.assign(error=seen.error.numpy())
    index = analysis.index(superobs)
    return [_of_state(analysis, superobs[index == k], k) for k in range(len(analysis.times))]


def _of_state(analysis: Analysis, rows: pd.DataFrame, position: int) -> Prepared | None:
    if rows.empty:
        return None
    operator = ObservationOperator.build(
        rows, analysis.prior.card.state, analysis.times[position : position + 1]
    )
    value, error, latitude, longitude = (
        rows[name].to_numpy(dtype=np.float64, copy=True)
        for name in ("value", "error", "latitude", "longitude")
    )
    return Prepared(Reports(operator, error, latitude, longitude), value)


def beside(
    analysis: Analysis, members: NDArray[np.float32], followed: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Members of the posterior (N, T, C, H, W) about the mean of both; `followed` as of `follow`."""
    state = analysis.prior.card.state
    return state.possible(about(members, followed, state.grid.area_weights)).astype(np.float32)
