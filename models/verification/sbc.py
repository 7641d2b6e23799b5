"""Simulation-based calibration: is a sampler of the posterior right, on average over what might be observed?

Truths x are drawn from the prior, observations y from p(y | x), members from the sampler's p(x | y). Given y,
truth and members are then draws of the same distribution, so the rank of f(x) among f(members) is uniform,
for any function f, of y as well (Cook, Gelman & Rubin 2006; Talts et al. 2018; Modrák et al. 2023: a
likelihood as f sees what no function of x alone does). One window gives one rank per function. Windows are
independent, functions are not: each is tested for itself, and the smallest p-value times their number counts.

With M members a rank is as good as M / (M + 1) of an exact probability: windows are worth more than members.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.verification.calibration import flatness, rank_histogram, rank_probabilities, spread_skill

Array = NDArray[np.float64]
Compared = Mapping[str, tuple[Array, Array]]
"""Per test function, its values for members (N, M) and truths (N,) of N windows."""
FEWEST = 10
"""Windows expected in a bin of the histogram, so that chi-square has its distribution."""


def compared(functions: Callable[[Any], Mapping[str, Array]], members: Any, truth: Any) -> Compared:
    """Test functions, (N, M) of windows (N, M, ...), of members (N, M, ...) and of truths (N, ...)."""
    both, true = functions(members), functions(truth[:, None])
    return {name: (both[name], true[name][:, 0]) for name in both}


def stacked(windows: Sequence[Mapping[str, Array]]) -> Compared:
    """Test functions of windows one by one, (1 + M,) of a truth and then its members."""
    found = {name: np.stack([window[name] for window in windows]) for name in windows[0]}
    return {name: (values[:, 1:], values[:, 0]) for name, values in found.items()}


@dataclass(frozen=True)
class Uniformity:
    """The ranks of one test function.

    Attributes:
        counts: of the ranks, in equal bins.
        chi2, p: Pearson's statistic against uniform counts, and its p-value.
        bias: mean of truth less ensemble mean, over its own standard error: beyond ±3 the sampler is shifted.
        spread: expected over actual departure of the ensemble mean; 1 if honest, below 1 if over-confident.
    """

    counts: list[float]
    chi2: float
    p: float
    bias: float
    spread: float


def uniformity(members: Array, truth: Array, generator: np.random.Generator) -> Uniformity:
    """How the truths (N,) rank among the members (N, M); ties are settled at random by `generator`."""
    probabilities = rank_probabilities(members.T, truth)
    counts = rank_histogram(probabilities, generator, bins_for(len(truth), members.shape[1]))
    departure = truth - members.mean(axis=1)
    error = departure.std(ddof=1) / np.sqrt(len(truth))
    return Uniformity(
        counts.tolist(),
        *flatness(counts),
        bias=float(departure.mean() / error) if error > 0 else float("nan"),
        spread=spread_skill(members.T, truth) if members.shape[1] > 1 else float("nan"),
    )


def bins_for(windows: int, members: int) -> int:
    """Most bins that hold whole ranks and `FEWEST` windows each; two at least."""
    ranks = members + 1
    allowed = [b for b in range(2, ranks + 1) if ranks % b == 0 and windows >= FEWEST * b]
    return max(allowed, default=2)


def together(p_values: Sequence[float]) -> float:
    """The p-value of several tests, however they depend on each other: the smallest, times their number."""
    return min(1.0, len(p_values) * min(p_values))


def calibration(compared: Compared, generator: np.random.Generator) -> dict[str, Any]:
    """`Uniformity` of every function, and "p", that of all together."""
    found = {name: uniformity(*pair, generator) for name, pair in compared.items()}
    return {
        "p": together([f.p for f in found.values()]),
        "functions": {name: asdict(f) for name, f in found.items()},
    }
