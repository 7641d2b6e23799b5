"""First-guess check: is the observation believable before any other is looked at?

The departure d = y - H(m) from the climatology's mean m has, if climatology and error are right, the standard
deviation s = sqrt(H P H^T + R); an observation with |d| > k s is rejected (Järvinen & Undén 1997). The
climatology knows the season's variability, not the day's weather, so k = 5: deep lows exist, and only
values that no day produces are to be caught here.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from models.observations.display import display
from models.observations.flags import Flag, mark


def first_guess(
    frame: pd.DataFrame, departure: ArrayLike, predicted_std: ArrayLike, k: float = 5.0
) -> pd.DataFrame:
    """Flag FIRST_GUESS on rows further than `k` predicted standard deviations from the climatology.

    Rows for which departure or standard deviation is NaN could not be compared and are flagged HX_FAILED.

    Args:
        frame: observation table, n rows.
        departure: y - H(m), SI, (n,).
        predicted_std: sqrt(H P H^T + R), SI, (n,).
        k: how many standard deviations are believed.
    """
    d, s = np.asarray(departure, dtype=np.float64), np.asarray(predicted_std, dtype=np.float64)
    failed = ~(np.isfinite(d) & (s > 0))
    out = mark(frame, failed, Flag.HX_FAILED, "the prior gives no value to compare this observation with")
    far = ~failed & (np.abs(d) > k * s)
    reasons = np.full(len(frame), "", dtype=object)
    for i in np.flatnonzero(far):
        variable, value = frame["variable"].iloc[i], frame["value"].iloc[i]
        reasons[i] = (
            f"{display(variable, value)} is {display(variable, abs(d[i]))} from the climatology's "
            f"{display(variable, value - d[i])} ± {display(variable, s[i])}: "
            f"more than {k:g} standard deviations"
        )
    return mark(out, far, Flag.FIRST_GUESS, reasons)
