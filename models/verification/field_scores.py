"""Scores of an ensemble of fields where the truth is known everywhere: every grid cell counts by its area.

One `FieldScores` per case; over cases, means are taken of squares, and the root last (WeatherBench 2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from models.verification.calibration import coverage
from models.verification.scores import area_mean, crps_ensemble

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FieldScores:
    """One ensemble of M members against the truth, per channel (C,), SI units.

    Attributes:
        square: of the error of the mean.
        variance: of the members (ddof 1).
        crps: fair.
        ranks: of the truth among the members, frequencies, (C, M + 1).
    """

    square: Array
    variance: Array
    crps: Array
    ranks: Array

    @classmethod
    def of(cls, ensemble: Array, truth: Array, weights: Array) -> Self:
        """From members (M, C, H, W), truth (C, H, W) and cell areas (H, 1)."""
        members, rank = len(ensemble), (ensemble < truth).sum(0)
        ranks = [area_mean(rank == r, weights) for r in range(members + 1)]
        return cls(
            square=area_mean((ensemble.mean(0) - truth) ** 2, weights),
            variance=area_mean(ensemble.var(0, ddof=1), weights),
            crps=area_mean(crps_ensemble(ensemble, truth), weights),
            ranks=np.stack(ranks, axis=-1),
        )


def summary(cases: Sequence[FieldScores], channels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Per channel, over all cases: rmse, spread, spread_skill, crps, coverage50, coverage90 and ranks.

    `spread_skill` is 1 for an honest ensemble whatever its size: the mean of M members errs by a share
    1 / M of their variance more (Fortin et al. 2014).
    """
    square, variance, crps, ranks = (
        np.mean([getattr(case, name) for case in cases], axis=0)
        for name in ("square", "variance", "crps", "ranks")
    )
    members = ranks.shape[1] - 1
    return {
        name: {
            "rmse": float(np.sqrt(square[k])),
            "spread": float(np.sqrt(variance[k])),
            "spread_skill": float(np.sqrt((members + 1) / members * variance[k] / square[k])),
            "crps": float(crps[k]),
            "coverage50": coverage(ranks[k][None], 0.5),
            "coverage90": coverage(ranks[k][None], 0.9),
            "ranks": ranks[k].round(4).tolist(),
        }
        for k, name in enumerate(channels)
    }
