"""Whether an ensemble's stated uncertainty is honest: ranks, coverage, spread against skill.

If members and truth are draws from the same distribution, the observation's rank R among M members (each with
observation noise of its own) is uniform on 0..M. Everything here rests on that, so it is exact for every M:
intervals between quantiles *estimated* from the members would cover too little.

With observation error s the noise is not drawn: member m + noise lies below y with probability
Phi((y - x_m) / s), independently of the others, so R follows a Poisson-binomial distribution, which is
computed exactly. Averages over it are what perturbing the members would give over endless repetitions.

Members in mirrored pairs (`pairs.py`) are no such draws taken together; one of each pair are, and so are the
others: ranks are those among half as many, on average over the two.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2, norm

from models.verification.pairs import samples, variances

Array = NDArray[np.float64]


def rank_probabilities(
    members: ArrayLike, observation: ArrayLike, std: ArrayLike = 0.0, mirrored: bool = False
) -> Array:
    """Probability of each rank of the observation among the members.

    Args:
        members: (M, n).
        observation: (n,).
        std: observation error, (n,) or scalar. Where 0, the rank is what it is, ties shared equally.
        mirrored: members are in pairs of opposite sign; M is the number of pairs, and a lone last member,
            in what follows.

    Returns:
        (n, M + 1); column r: r members lie below the observation. Rows sum to 1.

    Raises:
        ValueError: shapes differ, values that are not finite, or a negative std.
    """
    x, y = np.asarray(members, dtype=np.float64), np.asarray(observation, dtype=np.float64)
    s = np.broadcast_to(np.asarray(std, dtype=np.float64), y.shape)
    if x.ndim != 2 or x.shape[1:] != y.shape:
        raise ValueError(f"members {x.shape} must be (M, n) and observation {y.shape} must be (n,)")
    if not (np.isfinite(x).all() and np.isfinite(y).all() and (s >= 0).all()):
        raise ValueError("members and observations must be finite and observation errors not negative")
    return np.mean([_ranks(part, y, s) for part in samples(x, mirrored)], axis=0)


def _ranks(x: Array, y: Array, s: Array) -> Array:
    """Of independent members."""
    m, n = x.shape
    below, equal = (x < y).sum(axis=0), (x == y).sum(axis=0)
    rank = np.arange(m + 1)[:, None]
    exact = ((rank >= below) & (rank <= below + equal)) / (equal + 1.0)
    if not (s > 0).any():
        return exact.T
    p = norm.cdf((y - x) / np.where(s > 0, s, 1.0))
    noisy = np.zeros((m + 1, n))
    noisy[0] = 1.0
    for k in range(m):
        noisy[1 : k + 2] = noisy[1 : k + 2] * (1 - p[k]) + noisy[: k + 1] * p[k]
        noisy[0] *= 1 - p[k]
    return np.where(s > 0, noisy, exact).T


def coverage(probabilities: ArrayLike, level: float) -> float:
    """How often the observation falls into the ensemble's central interval of probability `level`.

    Rank r stands for the stretch [r, r + 1] / (M + 1) of the predictive distribution; the observation scores
    the part of it inside [(1 - level)/2, (1 + level)/2]. For a calibrated ensemble the expectation is `level`
    exactly, for every M and level: with 32 members the 90 % interval needs no order statistic 1.65.

    Args:
        probabilities: (n, M + 1) from `rank_probabilities`.
        level: between 0 and 1.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    edges = np.linspace(0, 1, p.shape[1] + 1)
    inside = np.minimum(edges[1:], (1 + level) / 2) - np.maximum(edges[:-1], (1 - level) / 2)
    return float((p @ (np.clip(inside, 0, None) * p.shape[1])).mean())


def coverage_gaussian(mean: ArrayLike, std: ArrayLike, observation: ArrayLike, level: float) -> float:
    """Fraction of observations inside the central interval of N(mean, std^2), std with observation error."""
    d = np.abs(np.asarray(observation, dtype=np.float64) - np.asarray(mean, dtype=np.float64))
    return float(np.mean(d <= norm.ppf((1 + level) / 2) * np.asarray(std, dtype=np.float64)))


def spread_skill(
    members: ArrayLike, observation: ArrayLike, std: ArrayLike = 0.0, mirrored: bool = False
) -> float:
    """Expected over actual RMS departure of the ensemble mean: 1 if honest, below 1 if over-confident.

    sqrt( mean( s^2 + v + std^2 ) ) / RMSE, with s^2 the members' variance and v what their mean is off by
    itself, s^2 / M for independent ones (Fortin et al. 2014). NaN if the RMSE is 0.

    Args:
        members: (M, n), M at least 2, and 3 if mirrored.
        observation: (n,).
        std: observation error, (n,) or scalar.
        mirrored: members are in pairs of opposite sign.
    """
    x, y = np.asarray(members, dtype=np.float64), np.asarray(observation, dtype=np.float64)
    variance, off = variances(x, mirrored)
    return _ratio(variance + off + np.asarray(std, dtype=np.float64) ** 2, y - x.mean(axis=0))


def spread_skill_gaussian(mean: ArrayLike, std: ArrayLike, observation: ArrayLike) -> float:
    """RMS of std (observation error included) over the RMS departure from the mean."""
    d = np.asarray(observation, dtype=np.float64) - np.asarray(mean, dtype=np.float64)
    return _ratio(np.asarray(std, dtype=np.float64) ** 2, d)


def rank_histogram(
    probabilities: ArrayLike, generator: np.random.Generator, bins: int | None = None
) -> Array:
    """Counts of ranks drawn from their probabilities: ties and observation error are settled at random.

    Args:
        probabilities: (n, M + 1) from `rank_probabilities`.
        generator: draws one rank per observation.
        bins: fewer bins than M + 1 for few observations; ranks are spread evenly over them.

    Returns:
        (bins,) counts that sum to n.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    n, ranks = p.shape
    u = generator.random((n, 2))
    drawn = np.minimum((np.cumsum(p, axis=1) < u[:, :1]).sum(axis=1), ranks - 1)
    position = (drawn + u[:, 1]) / ranks  # the randomised probability integral transform
    bins = ranks if bins is None else bins
    index = np.minimum((position * bins).astype(int), bins - 1)
    return np.bincount(index, minlength=bins).astype(np.float64)


def flatness(counts: ArrayLike) -> tuple[float, float]:
    """Pearson's chi-square of a histogram against a flat one, and its p-value.

    The p-value takes the cases for independent; neighbouring stations are not, so a small one warns rather
    than convicts. With fewer than five cases a bin it is rough.
    """
    c = np.asarray(counts, dtype=np.float64)
    expected = c.sum() / c.size
    if expected == 0:
        return float("nan"), float("nan")
    statistic = float(((c - expected) ** 2 / expected).sum())
    return statistic, float(chi2.sf(statistic, c.size - 1))


def reliability(probability: ArrayLike, occurred: ArrayLike, bins: int = 10) -> dict[str, list[float]]:
    """A reliability diagram: of the times an event was given probability p, how often did it occur?

    Args:
        probability: (n,) in [0, 1], such as the fraction of members above a threshold.
        occurred: (n,) boolean.
        bins: equal bins of probability; empty ones are left out.

    Returns:
        lists `forecast` (mean probability), `observed` (frequency) and `count`, one entry per filled bin.
    """
    p, o = np.asarray(probability, dtype=np.float64), np.asarray(occurred, dtype=np.float64)
    index = np.clip((p * bins).astype(int), 0, bins - 1)
    filled = np.unique(index)
    return {
        "forecast": [float(p[index == b].mean()) for b in filled],
        "observed": [float(o[index == b].mean()) for b in filled],
        "count": [float((index == b).sum()) for b in filled],
    }


def _ratio(variance: Array, departure: Array) -> float:
    actual = np.mean(departure**2)
    return float(np.sqrt(np.mean(variance) / actual)) if actual > 0 else float("nan")
