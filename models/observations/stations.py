"""Which reports come from the same station.

Numbers are one station however many zeros lead them: 01001 of one source is 0001001 of another, and the same
report must not be assimilated under one name and verify the result under the other. Should two stations
differ in nothing but zeros, they are withheld together, which does no harm. Reports without an identifier are
told apart by place.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def station_keys(frame: pd.DataFrame) -> NDArray[np.object_]:
    """One text per row of the observation table, equal for reports of the same station.

    The `station_id`, without leading zeros if it is a number; where that is empty, the position to
    0.01 degree ('@48.85,2.35').
    """
    names = frame["station_id"]
    keys = names.str.replace(r"^0+(?=\d+$)", "", regex=True).to_numpy(dtype=object, copy=True)
    for i in np.flatnonzero(keys == ""):
        keys[i] = f"@{frame['latitude'].iloc[i]:.2f},{frame['longitude'].iloc[i]:.2f}"
    return keys
