"""Scores of an ensemble of fields where the truth is known everywhere: every grid cell counts by its area.

One `FieldScores` per case; over cases, means are taken of squares, and the root last (WeatherBench 2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from models.verification.calibration import coverage
from models.verification.pairs import samples, variances
from models.verification.scores import area_mean, crps_ensemble

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FieldScores:
    """One ensemble of M members against the truth, per channel (C,), SI units.

    Attributes:
        square: of the error of the mean.
        variance: of the members, unbiased.
        expected: of `square`, if members are honest: their variance, and what their mean is off by itself.
        crps: fair.
        ranks: of the truth among the members, frequencies, (C, M + 1); of mirrored pairs, among one of each,
            (C, M / 2 + 1), with M + 1 for an odd M.
    """

    square: Array
    variance: Array
    expected: Array
    crps: Array
    ranks: Array

    @classmethod
    def of(cls, ensemble: Array, truth: Array, weights: Array, mirrored: bool = False) -> Self:
        """From members (M, C, H, W), truth (C, H, W) and cell areas (H, 1).

        Arguments:
            mirrored: members are in pairs of opposite sign (`models.posterior.noise`).

        Raises:
            ValueError: there are fewer than two members, or three in pairs.
        """
        variance, off = (area_mean(x, weights) for x in variances(ensemble, mirrored))
        return cls(
            square=area_mean((ensemble.mean(0) - truth) ** 2, weights),
            variance=variance,
            expected=variance + off,
            crps=area_mean(crps_ensemble(ensemble, truth, mirrored=mirrored), weights),
            ranks=np.mean(
                [_ranks(members, truth, weights) for members in samples(ensemble, mirrored)], axis=0
            ),
        )


def _ranks(members: Array, truth: Array, weights: Array) -> Array:
    rank = (members < truth).sum(0)
    return np.stack([area_mean(rank == r, weights) for r in range(len(members) + 1)], axis=-1)


def summary(cases: Sequence[FieldScores], channels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Per channel, over all cases: rmse, spread, spread_skill, crps, coverage50, coverage90 and ranks.

    `spread_skill` is 1 for an honest ensemble whatever its size: the mean of M independent members errs by a
    share 1 / M of their variance more (Fortin et al. 2014). So is one whose members all are the truth, as
    water is where there is none.
    """
    square, variance, expected, crps, ranks = (
        np.mean([getattr(case, name) for case in cases], axis=0)
        for name in ("square", "variance", "expected", "crps", "ranks")
    )
    return {
        name: {
            "rmse": float(np.sqrt(square[k])),
            "spread": float(np.sqrt(variance[k])),
            "spread_skill": float(np.sqrt(expected[k] / square[k])) if expected[k] or square[k] else 1.0,
            "crps": float(crps[k]),
            "coverage50": coverage(ranks[k][None], 0.5),
            "coverage90": coverage(ranks[k][None], 0.9),
            "ranks": ranks[k].round(4).tolist(),
        }
        for k, name in enumerate(channels)
    }
