"""Which stations are kept back to verify the result, and which are left out to make a network sparse.

Both decisions hang on a hash of the station alone, so they are the same on every machine, in every order of
rows and whatever other stations report; raising the fraction only adds stations. Whole stations are
withheld: a station's other levels or times would give its value away.
"""

import hashlib
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.observations.flags import Flag, mark
from models.observations.stations import station_keys


def station_hash(station: str, salt: str = "") -> float:
    """A number in [0, 1) from salt and station alone: the first 53 bits of sha256(salt + station)."""
    digest = hashlib.sha256(f"{salt}{station}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def withhold(frame: pd.DataFrame, fraction: float, salt: str = "") -> pd.DataFrame:
    """The table with `use` = 'withheld' on the active rows of about `fraction` of the stations.

    Args:
        frame: observation table.
        fraction: 0 (none) to 1 (all); a station is withheld if its hash is below it.
        salt: another salt makes another choice.

    Raises:
        ValueError: the fraction is not between 0 and 1.
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"the withheld fraction must lie between 0 and 1, not {fraction}")
    out = frame.copy()
    chosen = (_hashes(station_keys(frame), salt) < fraction) & (frame["use"] == "active").to_numpy()
    out["use"] = out["use"].mask(chosen, "withheld")
    return out


def limit_stations(frame: pd.DataFrame, limits: Mapping[str, int], salt: str = "network ") -> pd.DataFrame:
    """The table with all but N stations of a kind flagged THINNED.

    Of the stations that have usable rows that are not withheld, the N with the lowest hash stay. The salt
    differs from that of `withhold`: what was withheld has low hashes under that one.

    Args:
        frame: observation table.
        limits: kind -> number of stations kept, such as {"SYNOP": 50}; other kinds are not touched.
        salt: another salt makes another choice.

    Raises:
        ValueError: a limit is negative.
    """
    keys = station_keys(frame)
    free = (frame["qc"] == Flag.PASS).to_numpy() & (frame["use"] != "withheld").to_numpy()
    for kind, limit in limits.items():
        if limit < 0:
            raise ValueError(f"the number of {kind} stations to keep cannot be {limit}")
        rows = free & (frame["kind"] == kind).to_numpy()
        stations = sorted(set(keys[rows]), key=lambda key: (station_hash(key, salt), key))
        dropped = rows & np.isin(keys.astype(str), stations[limit:])
        frame = mark(frame, dropped, Flag.THINNED, f"not one of the {limit} {kind} stations kept")
    return frame.copy()


def _hashes(keys: NDArray[np.object_], salt: str) -> NDArray[np.float64]:
    known = {key: station_hash(key, salt) for key in set(keys)}
    return np.array([known[key] for key in keys], dtype=np.float64)
