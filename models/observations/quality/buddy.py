"""Buddy check: is the observation believable given its neighbours?

With departures d ~ N(0, S), S = H P H^T + R, the prediction of one observation from all the others needs
no refitting (Dubrule 1983): with Q = S^-1 and g = Q d, the leave-one-out residual is r_i = g_i / Q_ii with
variance 1 / Q_ii, and for a block b of observations r_b = Q_bb^-1 g_b with covariance Q_bb^-1. The block here
is the station: its own other reports share its fault and are no witnesses. The worst row is removed first (an
update of Q) and the rest judged anew, so that one bad report does not condemn its neighbours; of many, a few
go at once that have next to nothing to do with each other.

Large groups are cut into neighbourhoods: the work grows with the number of observations, not with its cube.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from models.observations.display import display
from models.observations.flags import Flag, mark, usable
from models.observations.stations import station_keys
from models.observations.variables import channel_names

Array = NDArray[np.float64]

MOST = 500
"""Rows judged together: neighbours enough, and a few seconds' work at worst."""

AT_ONCE = 0.02
"""Share of the rows that may be removed in one round, but at least one row."""

UNRELATED = 0.1
"""Partial correlation below which removing one of two rows hardly changes the verdict on the other."""


def buddy(
    frame: pd.DataFrame,
    departure: ArrayLike,
    covariance: Callable[[NDArray[np.int64]], Array],
    time_index: ArrayLike,
    k: float = 4.0,
    support: float = 0.5,
) -> pd.DataFrame:
    """Flag BUDDY on rows that contradict their neighbours of the same channel and time.

    Only rows that passed so far take part. Withheld rows are judged among themselves: they have no say in
    what is assimilated, and what is assimilated none in what it is verified against.

    Args:
        frame: observation table, n rows.
        departure: y - H(m), SI, (n,).
        covariance: gives S = H P H^T + R, SI, (m, m), for m row positions, at most MOST.
        time_index: analysis time each row belongs to, (n,).
        k: how many standard deviations of the leave-one-out residual are believed.
        support: share of a row's variance its neighbours must explain to be heard (0 to 1).
    """
    d = np.asarray(departure, dtype=np.float64)
    stations = station_keys(frame)
    keys = [channel_names(frame).to_numpy(), np.asarray(time_index), frame["use"].to_numpy()]
    positions = pd.Series(np.arange(len(frame)))[usable(frame).to_numpy()]
    flagged = np.zeros(len(frame), dtype=bool)
    reasons = np.full(len(frame), "", dtype=object)
    places = frame[["latitude", "longitude"]].to_numpy()
    groups = positions.groupby([key[positions.to_numpy()] for key in keys])
    for rows in (part for _, group in groups for part in neighbourhoods(group.to_numpy(), places)):
        worst = outliers(covariance(rows), d[rows], stations[rows], k, support)
        for i, (residual, std) in worst.items():
            row = rows[i]
            variable, value = frame["variable"].iloc[row], frame["value"].iloc[row]
            flagged[row] = True
            reasons[row] = (
                f"{display(variable, value)}, where its neighbours lead one to expect "
                f"{display(variable, value - residual)} ± {display(variable, std)}: "
                f"more than {k:g} standard deviations"
            )
    return mark(frame, flagged, Flag.BUDDY, reasons)


def neighbourhoods(rows: NDArray[np.int64], places: Array) -> list[NDArray[np.int64]]:
    """`rows` cut in halves across their longer side until none has more than MOST; `places` is (n, 2)."""
    if len(rows) <= MOST:
        return [rows]
    here = places[rows]
    side = int(np.argmax(np.ptp(here, axis=0)))
    ordered = rows[np.argsort(here[:, side], kind="stable")]
    halves = np.array_split(ordered, 2)
    return [part for half in halves for part in neighbourhoods(half, places)]


def outliers(
    covariance: Array, departure: Array, stations: NDArray[np.object_], k: float, support: float = 0.5
) -> dict[int, tuple[float, float]]:
    """Rows to remove, worst first, with the leave-one-out residual and its std at the time of removal.

    Args:
        covariance: S, (n, n).
        departure: d, (n,).
        stations: key per row, (n,); rows of one station do not testify for each other.
        k: a row goes if its residual exceeds k std.
        support: rows whose std is not below sqrt(1 - support) of their std without neighbours are not judged.

    Raises:
        ValueError: S is not positive definite.
    """
    left = np.arange(len(departure))
    precision, weighted = _solve(covariance, departure)
    alone = np.sqrt(np.diag(covariance))
    removed: dict[int, tuple[float, float]] = {}
    while left.size > 1:
        residual, std = leave_station_out(precision, weighted, stations[left])
        ratio = np.where(std <= np.sqrt(1 - support) * alone[left], np.abs(residual) / std, 0.0)
        out = _worst(ratio, precision, k)
        if not out.size:
            break
        removed |= {int(left[j]): (float(residual[j]), float(std[j])) for j in out}
        keep = np.setdiff1d(np.arange(left.size), out)
        gain = np.linalg.solve(precision[np.ix_(out, out)], precision[np.ix_(out, keep)]).T
        weighted = weighted[keep] - gain @ weighted[out]
        precision = precision[np.ix_(keep, keep)] - gain @ precision[np.ix_(out, keep)]
        left = left[keep]
    return removed


def _worst(ratio: Array, precision: Array, k: float) -> NDArray[np.int64]:
    """Rows beyond `k` to be removed in this round, worst first."""
    scale = np.sqrt(np.diag(precision))
    out: list[int] = []
    for j in np.argsort(-ratio, kind="stable")[: max(1, int(AT_ONCE * ratio.size))]:
        if ratio[j] <= k:
            break
        if (np.abs(precision[j, out]) <= UNRELATED * scale[j] * scale[out]).all():
            out.append(int(j))
    return np.array(out, dtype=np.int64)


def leave_station_out(
    precision: Array, weighted: Array, stations: NDArray[np.object_]
) -> tuple[Array, Array]:
    """Residual of each row when its whole station is predicted from the others, and its std, each (n,).

    Args:
        precision: Q = S^-1, (n, n).
        weighted: g = Q d, (n,).
        stations: key per row, (n,).
    """
    variance = 1 / np.diag(precision)
    residual = weighted * variance
    codes, counts = np.unique(stations.astype(str), return_inverse=True, return_counts=True)[1:]
    for code in np.flatnonzero(counts > 1):
        block = np.flatnonzero(codes == code)
        inverse = np.linalg.inv(precision[np.ix_(block, block)])
        residual[block], variance[block] = inverse @ weighted[block], np.diag(inverse)
    return residual, np.sqrt(variance)


def _solve(covariance: Array, departure: Array) -> tuple[Array, Array]:
    try:
        factor = cho_factor(covariance)
    except LinAlgError as error:
        raise ValueError("S = HPH^T + R is not positive definite: give every row a positive error") from error
    precision = cho_solve(factor, np.eye(len(departure)))
    return precision, precision @ departure
