"""Trajectories of the Earth longer than a window, without observations: coarse to fine.

States a day apart come first, all in one window; then windows of shorter steps fill in, given the states that
are there (`models.posterior.windows`).
"""

from collections.abc import Mapping

import pandas as pd
import torch
from torch import Tensor

from models.posterior.given import GivenState, exactly
from models.posterior.windows import Known, coarse_to_fine
from models.windows import Windows

EXACT = 0.05  # error of a state that a member is given, in latents; about what is left of noise in a sample


def trajectories(windows: Mapping[int, Windows], start: pd.Timestamp) -> Tensor:
    """Members of a trajectory from `start` UTC, (N, T, K, h, w): a window of the longest step, filled in.

    Arguments:
        windows: samplers of the prior per step in hours, each half or a smaller part of the one before.
    """
    steps = sorted(windows, reverse=True)
    finest, first = windows[steps[-1]], windows[steps[0]]
    length = first.prior.card.window
    hours = torch.arange(0, (length - 1) * steps[0] + 1, steps[-1])
    drawn = 0

    def sample(at: Tensor, known: Known | None) -> Tensor:
        nonlocal drawn
        drawn += 1
        times = start + pd.to_timedelta(at.numpy(), unit="h")
        own = windows[int(at[1] - at[0])]
        given = [] if known is None else _given(known)
        return own.with_seed(finest.seed * 1009 + drawn).sample(times, [None] * len(times), given)

    return coarse_to_fine(sample, hours, [step // steps[-1] for step in steps], length, margin=0)


def _given(known: Known) -> list[GivenState]:
    return [exactly(known.states[:, k], int(position), EXACT) for k, position in enumerate(known.positions)]
