"""Times of states: windows of them, and where they are in the year."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def year_fraction(times: pd.DatetimeIndex) -> NDArray[np.float32]:
    """Fraction of the year, (N,) in [0, 1)."""
    hours = (times.day_of_year - 1) * 24 + times.hour
    length = np.where(times.is_leap_year, 366, 365) * 24
    return np.asarray(hours / length, dtype=np.float32)


def analysis_times(
    start: pd.Timestamp, end: pd.Timestamp, step_hours: int, valid_hours: tuple[int, ...]
) -> pd.DatetimeIndex:
    """Times of states from `start` to `end`, both included.

    Raises:
        ValueError: the two are not whole steps apart, or not at hours at which states exist.
    """
    step = pd.Timedelta(hours=step_hours)
    hours = " or ".join(f"{h:02d}:00" for h in valid_hours)
    for name, time in (("start", start), ("end", end)):
        if time != time.floor("h") or time.hour not in valid_hours:
            raise ValueError(
                f"the window's {name} is {time:%Y-%m-%d %H:%M}Z; this prior has states at {hours} UTC"
            )
    if end < start or (end - start) % step != pd.Timedelta(0):
        raise ValueError(f"the window must end a whole number of {step_hours} h steps after its start")
    return pd.date_range(start, end, freq=step)


def padded(times: pd.DatetimeIndex, window: int, step_hours: int) -> pd.DatetimeIndex:
    """The window of a prior that ends with `times`: earlier steps are put before until there are `window`.

    Raises:
        ValueError: there are more times than the window holds.
    """
    if len(times) > window:
        raise ValueError(f"a window of {len(times)} states is longer than the {window} this prior knows")
    return pd.date_range(end=times[-1], periods=window, freq=pd.Timedelta(hours=step_hours))
