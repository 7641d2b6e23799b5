"""Members in mirrored pairs, and what of them is independent.

Members 2j and 2j + 1 have noise of opposite sign (`models.posterior.noise`); the last of an odd number is
alone. Each is a draw like any other, and only those of different pairs are independent of each other. With V
the variance of a member and c the covariance within a pair, over the pairs (i, k) of members that are
independent and over the P mirrored ones,

    V = mean of (x_i - x_k)^2 / 2,    c = V - mean of (x_2j - x_2j+1)^2 / 2,

both unbiased, and the mean of all M members has the variance V / M + 2 P c / M^2: that of M draws, and what
mates have in common; as far as the sampler is linear, c is -V and the mean of a pair is exact.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
FEWEST = 3  # members of which two at least are independent


def independent(count: int, mirrored: bool) -> int:
    """Ordered pairs of members that are independent of each other."""
    return count * (count - 1) - (2 * (count // 2) if mirrored else 0)


def samples(members: Array, mirrored: bool) -> tuple[Array, ...]:
    """Members (M, ...) as samples of independent ones: one of each pair, and the other."""
    if not mirrored:
        return (members,)
    return members[::2], np.concatenate([members[1::2], members[len(members) // 2 * 2 :]])


def mates_apart(members: Array) -> Array:
    """What the two of each pair of M members (M, ...) differ by, (M // 2, ...)."""
    return members[: len(members) // 2 * 2 : 2] - members[1::2]


def variances(members: Array, mirrored: bool) -> tuple[Array, Array]:
    """Of members (M, ...), and of their mean as an estimate; each (...).

    Raises:
        ValueError: there are too few to say.
    """
    m = len(members)
    if m < (FEWEST if mirrored else 2):
        raise ValueError(f"{'mirrored members' if mirrored else 'members'} ({m}) are too few for a spread")
    if not mirrored:
        variance = members.var(0, ddof=1)
        return variance, variance / m
    apart = mates_apart(members) ** 2
    all_pairs = m**2 * members.var(0)  # the sum over i < k of (x_i - x_k)^2
    variance = (all_pairs - apart.sum(0)).clip(0) / independent(m, mirrored)
    common = variance - apart.mean(0) / 2
    return variance, variance / m + 2 * len(apart) * common / m**2


def spread(members: Array) -> Array:
    """Standard deviation of members in mirrored pairs (M, ...): (...).

    Two have none that is unbiased: as if they were independent, it is too large. That of one is 0.
    """
    if len(members) < FEWEST:
        return members.std(axis=0, ddof=len(members) - 1)
    return np.sqrt(variances(members, mirrored=True)[0])
