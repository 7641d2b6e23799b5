"""Scores of a prediction against what was observed: error, bias and CRPS.

Everything here is in the units of the observation. Members come first: an ensemble of M members predicting n
observations is (M, n). Where the observation has an error of its own (standard deviation s, Gaussian), the
observation is not the truth but truth + noise, so the noise belongs to the prediction: member m predicts
N(x_m, s^2), and the ensemble the mixture of these. That mixture has a closed-form CRPS (Grimit et al. 2006),
so no noise has to be drawn.

CRPS(F, y) = E|X - y| - 1/2 E|X - X'|, with X, X' independent draws from F. *Fair* (Ferro 2014; the
probability weighted moment form of WeatherBench 2): the second term is the mean over the M (M - 1) pairs of
*different* members, so that its expectation is the CRPS of the distribution the members were drawn from,
whatever M is; ensembles of different size can be compared. Of members in mirrored pairs (`pairs.py`) those
are meant that are independent.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from models.verification.pairs import FEWEST, independent, mates_apart

Array = NDArray[np.float64]


def crps_ensemble(
    members: ArrayLike, observation: ArrayLike, *, fair: bool = True, mirrored: bool = False
) -> Array:
    """CRPS of an ensemble against a value without error, in O(M log M).

    Args:
        members: (M, ...).
        observation: (...).
        fair: divide the pair term by M (M - 1) rather than M^2.
        mirrored: members are in pairs of opposite sign, and the score is fair.

    Returns:
        (...), not averaged.

    Raises:
        ValueError: shapes differ, or a fair score is asked of fewer than two members, or of fewer than three
            mirrored ones.
    """
    x, y = _ensemble(members, observation, fair, mirrored)
    m = x.shape[0]
    rank = np.arange(1, m + 1, dtype=np.float64).reshape(-1, *[1] * y.ndim)
    # sum over i < j of |x_j - x_i|, from the order statistics
    pairs = ((2 * rank - m - 1) * np.sort(x, axis=0)).sum(axis=0)
    if mirrored:
        pairs -= np.abs(mates_apart(x)).sum(axis=0)
    return np.abs(x - y).mean(axis=0) - pairs / (independent(m, mirrored) if fair else m * m)


def crps_gaussian(mean: ArrayLike, std: ArrayLike, observation: ArrayLike) -> Array:
    """CRPS of N(mean, std^2); |observation - mean| where std is 0 (Gneiting & Raftery 2007).

    Raises:
        ValueError: a standard deviation is negative or not a number.
    """
    mu, s, y = np.broadcast_arrays(*(np.asarray(a, dtype=np.float64) for a in (mean, std, observation)))
    return _mean_absolute(y - mu, _valid_std(s)) - s / np.sqrt(np.pi)


def crps_mixture(
    members: ArrayLike,
    std: ArrayLike,
    observation: ArrayLike,
    *,
    fair: bool = True,
    mirrored: bool = False,
) -> Array:
    """CRPS of 'ensemble + observation error': the equal mixture of N(members, std^2), in O(M^2).

    With A(d, s) = E|N(d, s^2)| (Grimit et al. 2006, equation 6, and its fair form):

        CRPS = 1/M sum_m A(y - x_m, s) - 1/2 mean over pairs of A(x_m - x_n, s sqrt 2)

    Fair means: over pairs of different members. Two draws from one kernel share the member, so leaving m = n
    in would make the expected score depend on M. With std 0 this is `crps_ensemble`.

    Args:
        members: (M, ...).
        std: observation error, broadcast against the observation.
        observation: (...).
        fair: leave out the pairs of a member with itself.
        mirrored: members are in pairs of opposite sign, and the score is fair.

    Returns:
        (...), not averaged.

    Raises:
        ValueError: a negative std, and as `crps_ensemble`.
    """
    x, y = _ensemble(members, observation, fair, mirrored)
    s = np.broadcast_to(_valid_std(np.asarray(std, dtype=np.float64)), y.shape)
    m = x.shape[0]
    pairs = np.zeros(y.shape)
    for i in range(m - 1):
        later = x[i + 2 :] if mirrored and i % 2 == 0 else x[i + 1 :]
        pairs += 2 * _mean_absolute(later - x[i], s * np.sqrt(2)).sum(axis=0)
    if not fair:
        pairs += m * 2 * s / np.sqrt(np.pi)
    return _mean_absolute(y - x, s).mean(axis=0) - pairs / (2 * (independent(m, mirrored) if fair else m * m))


def rmse(prediction: ArrayLike, observation: ArrayLike) -> float:
    """Square root of the mean squared difference."""
    return float(np.sqrt(np.mean(_difference(prediction, observation) ** 2)))


def bias(prediction: ArrayLike, observation: ArrayLike) -> float:
    """Mean of prediction minus observation: positive where the prediction is too high."""
    return float(np.mean(_difference(prediction, observation)))


def area_mean(field: ArrayLike, weights: ArrayLike) -> Array:
    """Mean over the last two axes (latitude, longitude) with cell-area weights, such as `Grid.area_weights`.

    Args:
        field: (..., H, W).
        weights: broadcast against (H, W); any positive scale.

    Returns:
        (...).
    """
    x = np.asarray(field, dtype=np.float64)
    w = np.broadcast_to(np.asarray(weights, dtype=np.float64), x.shape[-2:])
    return np.asarray((x * w).sum(axis=(-2, -1)) / w.sum())


def area_rmse(prediction: ArrayLike, truth: ArrayLike, weights: ArrayLike) -> float:
    """RMSE over a grid: the squared error is averaged over area and all leading axes, then the root is taken.

    Shapes (..., H, W); this is WeatherBench 2's definition, not the mean of daily roots.
    """
    return float(np.sqrt(area_mean(_difference(prediction, truth) ** 2, weights).mean()))


def _mean_absolute(d: Array, s: Array) -> Array:
    """A(d, s) = E|N(d, s^2)| = 2 s phi(d/s) + d (2 Phi(d/s) - 1); |d| where s is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        z = d / s
        expected = 2 * s * norm.pdf(z) + d * (2 * norm.cdf(z) - 1)
    return np.where(s > 0, expected, np.abs(d))


def _valid_std(std: Array) -> Array:
    if not (std >= 0).all():
        raise ValueError(
            "a standard deviation is negative or not a number; errors must be set before scoring"
        )
    return std


def _difference(prediction: ArrayLike, observation: ArrayLike) -> Array:
    return np.asarray(prediction, dtype=np.float64) - np.asarray(observation, dtype=np.float64)


def _ensemble(members: ArrayLike, observation: ArrayLike, fair: bool, mirrored: bool) -> tuple[Array, Array]:
    x, y = np.asarray(members, dtype=np.float64), np.asarray(observation, dtype=np.float64)
    if x.ndim == 0 or x.shape[1:] != y.shape:
        raise ValueError(f"members {x.shape} must be (M, *{y.shape}): one value per member and observation")
    if x.shape[0] < (2 if fair else 1):
        raise ValueError("a fair score needs at least two members; ask for fair=False")
    if mirrored and (x.shape[0] < FEWEST or not fair):
        raise ValueError(f"mirrored members ({x.shape[0]}) have a fair score only, of {FEWEST} or more")
    return x, y
