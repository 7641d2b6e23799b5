"""The observation table: one row per observation, the same columns and types everywhere.

Every part of Serein passes observations as this pandas table and stores it as Parquet. `conform` is the one
way in: it adds missing columns, converts types, wraps longitudes, names the rows and sorts them, so that what
follows does not depend on the order in which observations arrived.
"""

import hashlib
import json
from typing import Any

import numpy as np
import pandas as pd

COLUMNS: dict[str, str] = {
    "obs_id": "str",
    "station_id": "str",
    "time": "datetime64[ns, UTC]",
    "latitude": "float64",
    "longitude": "float64",
    "elevation": "float64",
    "pressure": "float64",
    "variable": "str",
    "value": "float64",
    "error": "float64",
    "kind": "str",
    "platform": "str",
    "received_at": "datetime64[ns, UTC]",
    "use": "str",
    "qc": "int16",
    "reason": "str",
}
"""Column names and dtypes. Degrees north and east, metres, Pa, and the variable's unit; NaN is unknown."""

USES = ("active", "passive", "withheld")
"""An observation is assimilated, only compared with the result, or kept back to verify it."""

REQUIRED = ("time", "latitude", "longitude", "variable", "value")
_DEFAULTS: dict[str, Any] = {"use": "active", "qc": 0}
_ORDER = ["time", "station_id", "variable", "pressure", "latitude", "longitude", "value", "obs_id"]
_NOT_CONTENT = ("received_at", "qc", "reason")


def conform(frame: pd.DataFrame) -> pd.DataFrame:
    """The observation table made of `frame`: all columns, right types, wrapped longitudes, canonical order.

    Missing optional columns are filled, `obs_id` is given where it is absent or empty, further columns
    are kept behind the known ones. Naive times are taken as UTC. No row is dropped or judged.
    Raises ValueError where a required column is missing or a column cannot be converted.
    """
    missing = [name for name in REQUIRED if name not in frame.columns]
    if missing:
        raise ValueError(f"observations lack the column(s) {', '.join(missing)}")
    out = pd.DataFrame(index=frame.index)
    for name, dtype in COLUMNS.items():
        source = frame[name] if name in frame.columns else None
        try:
            out[name] = _column(source, name, dtype, frame.index)
        except (TypeError, ValueError) as error:
            raise ValueError(f"column {name} cannot be read as {dtype}: {error}") from error
    for name in frame.columns.difference(list(COLUMNS), sort=False):
        out[name] = frame[name]
    out["longitude"] = wrap_longitude(out["longitude"].to_numpy())
    unnamed = out["obs_id"] == ""
    if unnamed.any():
        ids = out["obs_id"].to_numpy(dtype=object)
        ids[unnamed.to_numpy()] = _default_ids(out[unnamed])
        out["obs_id"] = pd.array(ids, dtype="str")
    return canonical_order(out)


def empty() -> pd.DataFrame:
    """An observation table without rows."""
    return conform(pd.DataFrame({name: [] for name in COLUMNS}))


def canonical_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows sorted by time, station, variable, pressure, position, value and id; index renumbered."""
    return frame.sort_values(_ORDER, kind="stable", na_position="last", ignore_index=True)


def wrap_longitude(longitude: np.ndarray) -> np.ndarray:
    """Degrees east in [-180, 180). Values already there are not touched, so that they stay exact."""
    outside = (longitude < -180) | (longitude >= 180)
    with np.errstate(invalid="ignore"):  # infinity has no place on the circle and becomes NaN
        return np.where(outside, (longitude + 180) % 360 - 180, longitude) + 0.0


def content_hash(frame: pd.DataFrame) -> str:
    """sha256 (hex) of the observations in a conformed `frame`, whatever the order of its rows.

    When and how they were received, and what quality control said, is not content: the same observations
    sent again have the same hash.
    """
    names = [name for name in COLUMNS if name not in _NOT_CONTENT]
    ordered = frame[names].sort_values([*_ORDER, *sorted(set(names) - set(_ORDER))], kind="stable")
    digest = hashlib.sha256(f"serein observations 1, {len(ordered)} rows".encode())
    for name in names:
        column = ordered[name]
        digest.update(name.encode())
        if column.dtype == "float64":
            numbers = column.to_numpy() + 0.0
            digest.update(np.where(np.isnan(numbers), np.nan, numbers).astype("<f8").tobytes())
        elif name == "time":
            digest.update(column.astype("int64").to_numpy().astype("<i8").tobytes())
        else:
            digest.update(json.dumps(column.tolist()).encode())
    return digest.hexdigest()


def _column(source: pd.Series | None, name: str, dtype: str, index: pd.Index) -> pd.Series:
    if source is None:
        default = _DEFAULTS.get(name, pd.NaT if "datetime" in dtype else np.nan if dtype == "float64" else "")
        return pd.Series(default, index=index, dtype=dtype)
    if dtype == "str":
        return source.astype("str").where(source.notna(), _DEFAULTS.get(name, "")).astype("str")
    if "datetime" in dtype:
        return pd.to_datetime(source, utc=True).dt.as_unit("ns")
    if dtype == "int16":
        return source.fillna(0).astype(dtype)
    return source.astype(dtype) + 0.0


def _default_ids(frame: pd.DataFrame) -> list[str]:
    fields = zip(
        frame["station_id"],
        frame["time"].astype("int64").tolist(),
        *(frame[name].tolist() for name in ("latitude", "longitude", "pressure")),
        frame["variable"],
        frame["value"].tolist(),
        strict=True,
    )
    return [
        hashlib.sha256(f"{s}|{t}|{lat!r}|{lon!r}|{p!r}|{var}|{x!r}".encode()).hexdigest()[:16]
        for s, t, lat, lon, p, var, x in fields
    ]
