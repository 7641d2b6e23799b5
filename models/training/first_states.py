"""Ways in which the first state of a window may be known, for a network to learn from all of them."""

import math
from typing import cast

import torch
import torch.nn.functional as F

from models.prior.climatology import Climatology
from models.prior.known import KnownClimatology
from models.prior.space_time import SpaceTimeClimatology

KNOWN = 16  # ways of knowing a first state, per step
EXACTLY = 0.003  # share of its variance that is unknown of a first state as good as known


def first_states(climatology: Climatology) -> list[KnownClimatology]:
    """What is known of windows when their first state is, in `KNOWN` ways: almost exactly, and otherwise.

    The others have errors as an analysis may: more in some places than in others, more of some latents.
    """
    generator, whole = torch.Generator().manual_seed(2), cast(SpaceTimeClimatology, climatology)
    variance = climatology.marginal(0)
    low, high = (math.log(share / (1 - share)) for share in (EXACTLY, 0.7))
    ways = [torch.full_like(variance, EXACTLY / (1 - EXACTLY))]
    while len(ways) < KNOWN:
        middle, unlike = torch.rand(2, generator=generator).tolist()
        coarse = torch.randn(1, 1, 3, 5, generator=generator) * unlike
        places = F.interpolate(coarse, variance.shape[1:], mode="bicubic")[0]
        latents = 0.3 * torch.randn(len(variance), 1, 1, generator=generator)
        ways.append((low + middle * (high - low) + places + latents).exp().to(variance))
    return [KnownClimatology.knowing(whole, variance * way) for way in ways]
