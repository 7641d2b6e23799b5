r"""A^T D^-1 A at every noise level, D = 1 + f theta, for the price of two.

Only the floor f of small scales changes with the noise level, from delta downwards, and for observations of
like theta it does so alike. With nodes a, b = 2 a around the theta of each,

    1 / (1 + f theta) ~ (1 - w) / (1 + f a) + w / (1 + f b),

w such that this is exact for f = delta, a node's sum of products of rows of A serves all f. The left side is
*replaced* by the right one, in D too, so that what is inverted with it is still exactly the inverse of a
Gaussian's covariance; small scales count up to three hundredths less or more in it.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

ROWS = 2**9  # observations whose modes are copied at a time: what stays in a cache
SMALLEST = 2.0**-10  # node; what small scales add there is nothing beside the errors


@dataclass(frozen=True, eq=False)
class Grams:
    """Sums of products of the rows of A (p, rank), float64.

    Attributes:
        nodes: ascending, (n,).
        below: of each observation, which of them, (p,).
        share: w, (p,).
        sums: sum of (1 - w) a a^T over those above a node and of w a a^T over those below, (n, rank, rank).
    """

    nodes: Tensor
    below: Tensor
    share: Tensor
    sums: Tensor

    @classmethod
    def of(cls, along: Tensor, theta: Tensor, delta: float) -> Self:
        """Of A, theta (p,) and the largest floor."""
        theta = theta.double().clamp_min(SMALLEST)
        first = float(theta.min().log2().floor())
        octaves = (theta.log2() - first).floor().long()
        count = int(octaves.max()) + 2
        nodes = 2 ** (first + torch.arange(count, dtype=torch.float64))
        at = [1 / (1 + delta * x) for x in (nodes[octaves], theta, nodes[octaves + 1])]
        share = ((at[0] - at[1]) / (at[0] - at[2])).clamp(0, 1)
        sums = torch.zeros(count, along.shape[1], along.shape[1], dtype=torch.float64)
        for octave in octaves.unique().tolist():
            for rows in (octaves == octave).nonzero()[:, 0].split(ROWS):
                own = along[rows].double()
                upper = (own * share[rows, None]).T @ own
                sums[octave] += own.T @ own - upper
                sums[octave + 1] += upper
        return cls(nodes, octaves, share, sums)

    def at(self, floor: float | Tensor) -> tuple[Tensor, Tensor]:
        """D, (p,), and A^T D^-1 A, (rank, rank), float64."""
        inverse = 1 / (1 + floor * self.nodes)
        own = (1 - self.share) * inverse[self.below] + self.share * inverse[self.below + 1]
        return 1 / own, torch.tensordot(inverse, self.sums, dims=1)
