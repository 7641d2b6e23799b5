r"""Whether states obey the balances of the atmosphere as closely as a true state does.

    wind       poleward of 30 degrees, the part that is not geostrophic (`consistency.geostrophic`)
    height     the geopotential at 500 hPa less the ground's, less the thickness of the air between,
               R times the integral of T over ln p (temperature linear in ln p between levels of sigma)

No true state has none: on coarse levels, and where air is accelerated, they do not hold. The measures are the
size of the wind's, beside that of the truth, and how far the height's is from the truth's, in which the
ground and the coarseness cancel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from models.state.grid import Grid
from models.verification.consistency import DRY_AIR, geostrophic, rows_between

Array = NDArray[np.float64]
TOP = 5e4  # Pa


@dataclass(frozen=True, eq=False)
class Balance:
    """Of one ensemble, mean squares by area.

    Attributes:
        ageostrophic: of the wind's residual near 500 hPa, m2 s-2.
        ageostrophic_truth: the same of the truth.
        unhydrostatic: of the height's less the truth's, m4 s-4.
    """

    ageostrophic: float
    ageostrophic_truth: float
    unhydrostatic: float

    @classmethod
    def of(cls, ensemble: Array, truth: Array, channels: Sequence[str], grid: Grid) -> Self | None:
        """From members (M, C, H, W) and truth (C, H, W), SI units; None without the channels it takes."""
        levels = sorted(
            (int(name[1:]) for name in channels if name[0] == "t" and name[1:].isdigit()), reverse=True
        )
        if not {"u510", "v510", "z500", "sp"} <= set(channels) or len(levels) < 2:
            return None
        ours, theirs = (dict(zip(channels, np.moveaxis(x, -3, 0), strict=True)) for x in (ensemble, truth))
        sigma = np.array(levels) / 1000

        def height(fields: dict[str, Array]) -> Array:
            air = np.stack([fields[f"t{level}"] for level in levels], axis=-3)
            return fields["z500"] - thickness(air, sigma, fields["sp"])

        area = grid.area_weights
        apart = (height(ours) - height(theirs)) ** 2 * area
        wind, true_wind = (
            ageostrophic(fields["u510"], fields["v510"], fields["z500"], grid) for fields in (ours, theirs)
        )
        return cls(wind, true_wind, float(apart.mean()))


def balances(cases: Sequence[Balance]) -> dict[str, Any]:
    """Over all cases: the ageostrophic wind's size, of that of the truth; the height's residual, m2 s-2."""
    wind, truth, height = (
        np.mean([getattr(case, name) for case in cases])
        for name in ("ageostrophic", "ageostrophic_truth", "unhydrostatic")
    )
    return {"ageostrophic": float(np.sqrt(wind / truth)), "unhydrostatic": float(np.sqrt(height))}


def ageostrophic(u: Array, v: Array, geopotential: Array, grid: Grid) -> float:
    """Mean square of V - V_g poleward of 30 degrees, by area, m2 s-2.

    Arguments:
        u, v, geopotential: on a grid that goes round the Earth, SI units, (..., H, W).
    """
    rows = rows_between(grid, 30, 90)
    all_round = np.concatenate([geopotential[..., -1:], geopotential, geopotential[..., :1]], axis=-1)
    u_g, v_g = geostrophic(all_round, grid, rows)
    weight = grid.area_weights[rows]
    square = (u[..., rows, :] - u_g) ** 2 + (v[..., rows, :] - v_g) ** 2
    return float((square * weight).mean() / weight.mean())


def thickness(temperature: Array, sigma: Array, surface: Array, top: float = TOP) -> Array:
    """R times the integral of T over ln p from `top` (Pa) down to the ground, m2 s-2, (..., H, W).

    Arguments:
        temperature: K, (..., L, H, W).
        sigma: of its levels, from the lowest up, (L,); below the first and above the last T is as there.
        surface: pressure at the ground, Pa, (..., H, W).
    """
    edges = [0.0, *np.log(sigma), -np.inf]
    end, total = np.log(top / surface), np.zeros_like(temperature[..., 0, :, :])
    for k, (low, high) in enumerate(pairwise(edges)):
        below = temperature[..., max(k - 1, 0), :, :]
        above = temperature[..., min(k, len(sigma) - 1), :, :]
        reached = np.maximum(end, high)
        depth = np.maximum(low - reached, 0.0)
        share = depth / (low - high) if np.isfinite(high) else 0.0
        total = total + depth * (below + 0.5 * share * (above - below))
    return np.asarray(DRY_AIR * total)
