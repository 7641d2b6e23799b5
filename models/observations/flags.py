"""Quality-control flags and how a check sets them.

The numbers are those of JEDI/UFO's QCflags, so that receipts can be compared with other systems; 31 is ours.
A check is a pure function: it takes the observation table and returns one of the same length in which rows
that had passed so far may carry a flag and a plain reason. No row is dropped and no earlier flag is changed.
"""

from enum import IntEnum

import numpy as np
import pandas as pd


class Flag(IntEnum):
    """What became of an observation; 0 is used, 1 is only compared, the others are rejections."""

    PASS = 0
    PASSIVE = 1
    MISSING = 10
    PREQC = 11
    BOUNDS = 12
    DOMAIN = 13
    EXCLUDED = 14
    HX_FAILED = 15
    THINNED = 16
    FIRST_GUESS = 19
    TRACK = 21
    BUDDY = 22
    DUPLICATE = 31


def mark(
    frame: pd.DataFrame, where: pd.Series | np.ndarray, flag: Flag, reason: str | pd.Series | np.ndarray
) -> pd.DataFrame:
    """Copy of `frame` with `flag` and `reason` on the rows of `where` that were PASS.

    `where` is boolean and `reason` (if not one text for all) holds text, both with one entry per row in the
    frame's order.
    """
    hit = np.asarray(where, dtype=bool) & (frame["qc"].to_numpy() == Flag.PASS)
    out = frame.copy()
    if not hit.any():
        return out
    texts = (
        np.full(len(frame), reason, dtype=object) if isinstance(reason, str) else np.asarray(reason, object)
    )
    out["qc"] = np.where(hit, np.int16(flag), frame["qc"].to_numpy()).astype("int16")
    out["reason"] = pd.array(np.where(hit, texts, frame["reason"].to_numpy(dtype=object)), dtype="str")
    return out


def usable(frame: pd.DataFrame) -> pd.Series:
    """Boolean per row: neither rejected nor passive."""
    return frame["qc"] == Flag.PASS
