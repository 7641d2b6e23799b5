"""Elevation check: some quantities are only trusted from stations below a height.

Mean sea level pressure is the usual case: from a mountain it is extrapolated through air that is not there.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from models.observations.flags import Flag, mark

AT_SEA = ("SHIP", "BUOY")
"""Kinds whose unknown height is sea level."""


def elevation(frame: pd.DataFrame, limits: Mapping[str, float]) -> pd.DataFrame:
    """Flag EXCLUDED on rows of stations above the limit for their variable, or of unknown height.

    A variable without a limit passes whatever the height; ships and buoys of unknown height float.

    Args:
        frame: observation table.
        limits: variable -> highest station (m), such as {"msl": 500}.
    """
    height = frame["elevation"].to_numpy()
    sea = frame["kind"].isin(AT_SEA).to_numpy()
    for variable, limit in limits.items():
        rows = (frame["variable"] == variable).to_numpy()
        why = "reduction to sea level" if variable == "msl" else variable
        reasons = np.array(
            [f"{why} from {h:.0f} m is not trusted: the limit is {limit:g} m" for h in height], object
        )
        frame = mark(frame, rows & (height > limit), Flag.EXCLUDED, reasons)
        unknown = f"station height unknown: {variable} is used only from stations up to {limit:g} m"
        frame = mark(frame, rows & np.isnan(height) & ~sea, Flag.EXCLUDED, unknown)
    return frame.copy()
