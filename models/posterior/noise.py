"""Noise from counters: a member is the same alone, in any batch and on any worker.

Philox (Salmon et al. 2011) turns a key and a counter into random numbers. The key is the job's seed; the
counter is (pair of members, noise level, absolute hour), so a state's noise is known by name.

Members come in pairs, 2j and 2j + 1, with the same noise of opposite sign (antithetic variates, Hammersley &
Morton 1956; weather services perturb their ensembles in such pairs). Each member for itself is a draw like
any other, but as far as the sampler is linear the errors of a pair cancel in the mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor

START, OBSERVATIONS, FORECAST = 1_000_001, 1_000_002, 1_000_003  # levels that no step of the sampler has


class Noise(Protocol):
    """Standard normal numbers for a batch of N members, the same whenever they are asked for."""

    def states(self, level: int, shape: Sequence[int]) -> Tensor:
        """For windows of `shape` (L, ...) at a noise level, (N, *shape)."""

    def errors(self, count: int, level: int = OBSERVATIONS) -> Tensor:
        """For what has no place in time, the errors of observations first of all, (N, count)."""


@dataclass(frozen=True, eq=False)
class CounterNoise:
    """Noise named by seed, member, level and hour.

    Attributes:
        seed: of the job.
        members: N numbers.
        times: of the L states of a window, UTC.
        mirrored: members in pairs of opposite sign.
    """

    seed: int
    members: Sequence[int]
    times: pd.DatetimeIndex
    mirrored: bool = True

    def states(self, level: int, shape: Sequence[int]) -> Tensor:
        """(N, L, ...), float32."""
        hours = ((self.times - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(hours=1)).tolist()
        return torch.from_numpy(
            np.stack([[self._draw(shape[1:], m, level, hour) for hour in hours] for m in self.members])
        )

    def errors(self, count: int, level: int = OBSERVATIONS) -> Tensor:
        """(N, count), float32."""
        return torch.from_numpy(np.stack([self._draw((count,), m, level, 0) for m in self.members]))

    def _draw(self, shape: Sequence[int], member: int, level: int, hour: int) -> np.ndarray:
        counter = np.array(  # the first word counts the draws
            [0, member // 2 if self.mirrored else member, level, hour % 2**64], dtype=np.uint64
        )
        generator = np.random.Generator(np.random.Philox(key=self.seed % 2**64, counter=counter))
        sign = np.float32(1 - 2 * (member % 2) if self.mirrored else 1)
        return sign * generator.standard_normal(tuple(shape), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class SeededNoise:
    """Standard normal numbers that only depend on the seed, the level and the shape asked for."""

    seed: int
    rows: int

    def states(self, level: int, shape: Sequence[int]) -> Tensor:
        """(rows, *shape)."""
        return self._draw(level, tuple(shape))

    def errors(self, count: int, level: int = OBSERVATIONS) -> Tensor:
        """(rows, count)."""
        return self._draw(level, (count,))

    def _draw(self, level: int, shape: tuple[int, ...]) -> Tensor:
        generator = np.random.default_rng([self.seed, level])
        return torch.from_numpy(generator.standard_normal((self.rows, *shape), dtype=np.float32))
