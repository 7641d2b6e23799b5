r"""What a network that has not learned enough leaves out, put back.

A denoiser is an expectation, so whatever it makes of an anomaly x, d, explains as much of x as it varies
itself: E[x d] = E[d^2]. One that has seen too few windows says too little of the small scales that no mode of
the Climatology holds, most of all where there is much noise. What it is multiplied by in least squares,

    D' = m + P d + g (1 - P) d,        g(sigma) = E[x (1 - P) d] / E[((1 - P) d)^2],

for each latent channel, P being the projection on the Climatology's modes of space, is measured when it has
been trained (`models.training.gains`). Without it samples have too little variance in small scales (those of
`earth-t21` half), ensembles too little spread, and means are worse.
"""

import torch
from torch import Tensor, nn

from models.prior.modes import parts


class Gain(nn.Module):
    """g.

    Attributes:
        sigmas: noise levels at which it was measured, ascending, (S,).
        factors: of each latent channel, (S, K); in between, linear in log(sigma), and beyond, constant.
    """

    sigmas: Tensor
    factors: Tensor

    def __init__(self, sigmas: Tensor, factors: Tensor) -> None:
        super().__init__()
        self.register_buffer("sigmas", sigmas)
        self.register_buffer("factors", factors)

    def at(self, sigma: Tensor) -> Tensor:
        """g of noise levels (N,), (N, K)."""
        levels = self.sigmas.log()
        where = sigma.log().clamp(levels[0], levels[-1]).contiguous()
        above = torch.searchsorted(levels, where).clamp(1, len(levels) - 1)
        share = ((where - levels[above - 1]) / (levels[above] - levels[above - 1]))[:, None]
        return (1 - share) * self.factors[above - 1] + share * self.factors[above]

    def forward(self, departure: Tensor, sigma: Tensor, directions: Tensor) -> Tensor:
        """P d + g (1 - P) d.

        Arguments:
            departure: d, (N, L, K, h, w).
            sigma: noise levels, (N,).
            directions: orthonormal modes of space, (r, K h w).
        """
        extra = (self.at(sigma) - 1)[:, None, :, None, None] * outside(departure, directions)
        return departure + outside(extra, directions)


def outside(x: Tensor, directions: Tensor) -> Tensor:
    """(1 - P) x for x (N, L, K, h, w) and orthonormal directions (r, K h w)."""
    return parts(x.flatten(2), directions.to(x))[1].reshape(x.shape)
