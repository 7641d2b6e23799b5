"""Superobbing: several reports in one grid cell, channel and analysis time become one.

Reports closer together than the grid can resolve see the same weather that the grid does not hold, so their
errors are correlated (by rho, assumed). The superobservation is their weighted mean y = sum w_i y_i with

    error^2 = sum_ij w_i w_j c_ij s_i s_j,   c_ij = 1 if i = j else rho,

for equal weights (1/n^2) (sum_i s_i^2 + rho sum_{i != j} s_i s_j): neither s / sqrt(n), as if they were
independent, nor s, as if they were one. Weights are proportional to 1 / s^2: the best linear ones for equal
errors at any rho; with unequal errors the very best can turn negative, these cannot.

A station's own repeated reports are one witness (c = 1): they are averaged first, without gain in error.
"""

import hashlib
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from models.observations.flags import usable
from models.observations.stations import station_keys
from models.observations.table import wrap_longitude
from models.observations.variables import channel_names

_MEANS = ["value", "latitude", "longitude", "elevation", "pressure", "error"]


def superob(
    frame: pd.DataFrame, cell: ArrayLike, time_index: ArrayLike, rho: float
) -> tuple[pd.DataFrame, pd.Series]:
    """One row per cell, channel and analysis time, made of the usable active rows.

    Value, position and time are weighted means; `obs_id` is a hash of the ids it was made of, texts that
    differ are joined by '+', `received_at` is the last one's. A row alone in its cell stays as it is. The
    result does not depend on the order of rows.

    Args:
        frame: observation table, n rows, errors set.
        cell: grid cell of each row, (n,), such as `Grid.cell` gives.
        time_index: analysis time each row belongs to, (n,).
        rho: assumed correlation of the errors of two stations in one cell, 0 to 1.

    Returns:
        (superobs, origin): an observation table, sorted by obs_id, and a Series from the obs_id of every
        original row to the position of its superob in that table.

    Raises:
        ValueError: rho is not between 0 and 1, or a usable active row has no positive error.
    """
    if not 0 <= rho <= 1:
        raise ValueError(f"rho must lie between 0 and 1, not {rho}")
    work = frame.assign(
        _cell=np.asarray(cell),
        _time=np.asarray(time_index),
        _channel=channel_names(frame),
        _station=station_keys(frame),
    )
    work = work[(usable(frame) & (frame["use"] == "active")).to_numpy()].sort_values("obs_id")
    if not (work["error"] > 0).all():
        raise ValueError("every observation needs a positive error before it can be superobbed")
    parts = work.groupby(["_cell", "_time", "_channel"], sort=True)
    code = parts.ngroup()
    shared = code.duplicated(keep=False)
    alone = work[~shared]
    rows = [alone] + [_merge(group, rho) for _, group in work[shared].groupby(code[shared])]
    made = pd.concat([row[frame.columns] for row in rows]).sort_values("obs_id", ignore_index=True)
    made = made.astype(frame.dtypes.to_dict())
    merged = {g: _name(ids) for g, ids in work[shared].groupby(code[shared])["obs_id"]}
    names = [merged.get(g, own) for g, own in zip(code, work["obs_id"], strict=True)]
    position = pd.Series(made.index, index=made["obs_id"])
    origin = pd.Series(position.loc[names].to_numpy(), index=work["obs_id"], name="superob", dtype="int64")
    return made, origin


def superob_error(error: ArrayLike, weight: ArrayLike, rho: float) -> float:
    """Standard deviation of sum w_i y_i when all pairs of errors are correlated by rho.

    Args:
        error: s_i, (n,).
        weight: w_i, (n,), summing to 1.
        rho: correlation of two different errors.
    """
    ws = np.asarray(weight, dtype=np.float64) * np.asarray(error, dtype=np.float64)
    return float(np.sqrt((1 - rho) * (ws**2).sum() + rho * ws.sum() ** 2))


def _merge(group: pd.DataFrame, rho: float) -> pd.DataFrame:
    """The superobservation of rows sorted by obs_id: first each station's own mean, then the stations'."""
    longitude, time = group["longitude"].to_numpy(), group["time"].astype("int64").to_numpy()
    numbers = group[_MEANS].to_numpy(copy=True)
    numbers[:, 2] = wrap_longitude(longitude - longitude[0])  # so that a cell on the date line has a mean
    numbers = np.column_stack([numbers, time - time[0]])
    _, station = np.unique(group["_station"].to_numpy(dtype=str), return_inverse=True)
    stations = np.stack([_average(numbers[station == s], 1.0) for s in range(station.max() + 1)])
    mean = _average(stations, rho)
    row: dict[str, Any] = {name: _joined(group[name]) for name in group.columns if group[name].dtype == "str"}
    row |= dict(zip(_MEANS, mean[:-1], strict=True))
    row["longitude"] = float(wrap_longitude(np.array([longitude[0] + row["longitude"]]))[0])
    row["time"] = pd.Timestamp(time[0] + round(mean[-1]), tz="UTC")
    row |= {"obs_id": _name(group["obs_id"]), "received_at": group["received_at"].max()}
    return pd.DataFrame([{**group.iloc[0].to_dict(), **row}])


def _average(numbers: NDArray[np.float64], rho: float) -> NDArray[np.float64]:
    """Weighted mean of rows, NaN only where all are; column 5 is the error and treated as such."""
    error = numbers[:, 5]
    weight = 1 / error**2 / (1 / error**2).sum()
    known = np.where(np.isnan(numbers), 0.0, weight[:, None])
    with np.errstate(invalid="ignore"):
        mean = (known * np.nan_to_num(numbers)).sum(axis=0) / known.sum(axis=0)
    mean[5] = superob_error(error, weight, rho)
    return mean


def _joined(texts: pd.Series) -> str:
    return "+".join(sorted(set(texts) - {""}))


def _name(ids: pd.Series) -> str:
    return hashlib.sha256("+".join(sorted(ids)).encode()).hexdigest()[:16]
