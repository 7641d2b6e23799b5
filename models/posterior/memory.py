r"""What earlier windows know of the state a window begins with.

Windows in a row share a state: the last of one is the first of the next. With the observations of the past
Y and those of the new window y, and as far as a state says all about what follows it,

    p(z_0 ... z_L | Y, y) ~ p(z_0 ... z_L) p(y | z_1 ... z_L) p(z_0 | Y) / p(z_0).

The last factor is taken for Gaussian. The ensemble gives p(z_0 | Y), the Climatology p(z_0); both with
independent errors of latents, so that their ratio is an observation of each latent with the error variance

    1 / (1 / s^2 - 1 / c),        s^2 = inflation v.

A column of latents stands for some 2000 km, farther than errors of an analysis are alike. Variances v of few
members are noisy; so what is taken from the ensemble is by how much less is unknown than in the Climatology,
one factor per channel times one per column.
"""

import torch
from torch import Tensor

from models.posterior.given import Given
from models.prior.climatology import Climatology


def remembered(states: Tensor, climatology: Climatology, inflation: float, position: int = 0) -> Given:
    """A state of the next window, as the ensemble (N, K, h, w) knows it.

    Arguments:
        inflation: of the ensemble's variance; makes up for what is wrong with it and with the assumptions.
    """
    prior = climatology.marginal(position)
    left = states.var(0) / prior
    share = left.mean((1, 2), keepdim=True) * left.mean(0, keepdim=True) / left.mean()
    known = (1 / (inflation * share).clamp(1e-6, MOST) - 1) / prior
    return Given(position, states.mean(0, keepdim=True), known.rsqrt())


MOST = 0.99  # of the climatological variance is left at most: who knows nothing says nothing


def exactly(states: Tensor, position: int, error: float) -> Given:
    """A state of each member, (N, K, h, w), with an error that is small beside what latents vary by."""
    return Given(position, states, torch.full(states.shape[1:], error))
