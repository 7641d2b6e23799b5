"""Confidence intervals of a score ratio, by resampling whole stations.

Errors at one station on consecutive days are alike, so rows are not independent; stations are drawn with
replacement and bring all their rows. Weather that is common to all stations is not resampled: on few days the
interval says how far the *network* determines the ratio, not how another week would have turned out.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.verification.scores import Array

LEVEL = 0.9


def ratio_interval(
    numerator: ArrayLike,
    denominator: ArrayLike,
    stations: NDArray[np.object_],
    generator: np.random.Generator,
    resamples: int = 1000,
) -> tuple[float, float, float]:
    """Ratio of two means over rows and its 90 % interval from the percentiles of station resamples.

    Args:
        numerator, denominator: (n,) not negative, such as squared errors of two methods at the same rows.
        stations: key per row, (n,).
        generator: draws the resamples.
        resamples: how many.

    Returns:
        (ratio, low, high); NaN where there is nothing to divide by, low and high also NaN below two stations.
    """
    _, code = np.unique(stations.astype(str), return_inverse=True)
    count = int(code.max()) + 1 if code.size else 0
    above = np.bincount(code, weights=np.asarray(numerator, dtype=np.float64), minlength=count)
    below = np.bincount(code, weights=np.asarray(denominator, dtype=np.float64), minlength=count)
    if below.sum() == 0:
        return float("nan"), float("nan"), float("nan")
    ratio = float(above.sum() / below.sum())
    if count < 2:
        return ratio, float("nan"), float("nan")
    drawn = generator.multinomial(count, np.full(count, 1 / count), size=resamples)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios: Array = (drawn @ above) / (drawn @ below)
    low, high = np.nanquantile(ratios, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return ratio, float(low), float(high)
