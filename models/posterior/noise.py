"""Noise from counters: a member is the same alone, in any batch and on any worker.

Philox (Salmon et al. 2011) turns a key and a counter into random numbers. The key is the job's seed; the
counter is (pair of members, noise level, absolute hour), so a state's noise is known by name.

Members come in pairs, 2j and 2j + 1, with the same noise of opposite sign (antithetic variates, Hammersley &
Morton 1956; weather services perturb their ensembles in such pairs). Each member for itself is a draw like
any other, but as far as the sampler is linear the errors of a pair cancel in the mean.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

START, OBSERVATIONS = 1_000_001, 1_000_002  # levels that no step of the sampler has


def normal(
    shape: Sequence[int], *, seed: int, members: Sequence[int], level: int, times: pd.DatetimeIndex
) -> Tensor:
    """Standard normal noise of states of `shape`, (len(members), len(times), *shape), float32."""
    hours = ((times - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(hours=1)).tolist()
    return torch.from_numpy(
        np.stack(
            [
                [_draw(shape, seed, member // 2, level, hour) * _sign(member) for hour in hours]
                for member in members
            ]
        )
    )


def _sign(member: int) -> np.float32:
    return np.float32(1 - 2 * (member % 2))


def _draw(shape: Sequence[int], seed: int, pair: int, level: int, hour: int) -> np.ndarray:
    counter = np.array([0, pair, level, hour % 2**64], dtype=np.uint64)  # the first word counts the draws
    generator = np.random.Generator(np.random.Philox(key=seed % 2**64, counter=counter))
    return generator.standard_normal(tuple(shape), dtype=np.float32)
