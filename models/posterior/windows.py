r"""Trajectories longer than the window of W states that a denoiser was trained on.

A *window denoiser* is told when its states are, hence their season and time step:

    D(z (N, W, *shape), sigma, times (W,)) -> E[z_0 | z_0 + sigma n = z], of the shape of z.

**Stitching** (`stitched`; Rozet & Louppe 2023, Andry et al. 2025) covers the trajectory with overlapping
windows and keeps of each the slice farthest from its ends, at every noise level:

    E[z_i | z_sigma] ~ D(the window around i)_i.

This holds as far as the window says all about state i that the trajectory does: at low noise. At high noise
distant states matter, since the near ones tell little, and windows that do not see each other settle on
different weather: variance and the correlations beyond a window are lost.

**Coarse to fine** (`coarse_to_fine`) has no such limit wherever known states separate what lies between them:

    p(z | y) = p(anchors | y) prod_j p(states between anchors j and j + 1 | both anchors, y).

The anchors are every k-th state, all in one window of long time steps; then windows of short time steps fill
in, given the states in them that are known. One level of infill reaches of the order of W^2 states, two W^3,
with about as many windows as stitching takes. A single state separates past and future of a Markov process
only; the weather has tendencies, so windows overlap: each begins with states that the last one has filled in,
and sees an anchor ahead of those it is to fill in itself. `docs/long-windows.md` has the numbers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

WindowDenoiser = Callable[[Tensor, float, Tensor], Tensor]
Denoiser = Callable[[Tensor, float], Tensor]


@dataclass(frozen=True, eq=False)
class Known:
    """States of a window that are given.

    Attributes:
        positions: in the window, ascending, (A,).
        states: (N, A, *shape).
    """

    positions: Tensor
    states: Tensor


Sample = Callable[[Tensor, Known | None], Tensor]


def stitched(denoiser: WindowDenoiser, times: Tensor, window: int, stride: int) -> Denoiser:
    """The denoiser of a trajectory, (z (N, L, *shape), sigma) -> E[z_0 | z], composed of windows.

    Guide the windows, each by all observations in it, rather than the composition: the derivative of a
    composition is not symmetric, so it is no covariance, and guidance takes it for one.

    Arguments:
        denoiser: of windows, guided or not.
        times: of the states, (L,), in the denoiser's units.
        window: W.
        stride: between windows, at most W; the last window ends with the trajectory whatever it is. With 1,
            each state has a window around itself (the Markov blanket of Rozet & Louppe 2023).
    """
    starts = _starts(len(times), window, stride)
    borders = [0, *((a + b + window) // 2 for a, b in pairwise(starts)), len(times)]

    def compose(z: Tensor, sigma: float) -> Tensor:
        kept = []
        for start, (first, end) in zip(starts, pairwise(borders), strict=True):
            here = slice(start, start + window)
            kept.append(denoiser(z[:, here], sigma, times[here])[:, first - start : end - start])
        return torch.cat(kept, dim=1)

    return compose


def coarse_to_fine(
    sample: Sample, times: Tensor, steps: Sequence[int], window: int, margin: int = 1
) -> Tensor:
    """Posterior samples (N, L, *shape) of a trajectory, from samples of windows.

    Arguments:
        sample: (times (T,), what is known) -> posterior samples (N, T, *shape) of a window given the
            observations from its first to its last state and the states that are known: treated as
            observations of the states without error, solved for together with the others, or as context by
            a denoiser trained with it. Observations between two anchors are interpolated, and the variance
            of interpolation added to their errors.
        times: of the states, (L,). The last has to be an anchor, L = 1 + a multiple of steps[0]: sample
            up to it, then drop what is not wanted.
        steps: between the states of each level, such as (6, 1); each a multiple of the next.
        window: W, the most states to be sampled at once, and the exact number as far as there are as many:
            a denoiser of exactly W states needs L = 1 + (W - 1) steps[0].
        margin: gaps between anchors that windows know behind, and look ahead beyond, what they fill in. With
            0 the windows of a level do not depend on each other.
    """
    if steps[-1] != 1 or any(coarse % fine for coarse, fine in pairwise(steps)):
        raise ValueError(f"steps have to be multiples of the next and end with 1, not {tuple(steps)}")
    if (len(times) - 1) % steps[0]:
        raise ValueError(f"{len(times)} states are not 1 + a multiple of {steps[0]}: the last is no anchor")
    if len(times[:: steps[0]]) > window:
        raise ValueError(f"{len(times[:: steps[0]])} anchors do not fit into a window of {window}")
    states = sample(times[:: steps[0]], None)
    for coarse, fine in pairwise(steps):
        states = _refine(sample, states, times[::fine], coarse // fine, window, margin)
    return states


def _refine(sample: Sample, anchors: Tensor, times: Tensor, ratio: int, window: int, margin: int) -> Tensor:
    """States at all times (N, T, *shape), given every ratio-th."""
    gaps = (window - 1) // ratio
    if gaps <= 2 * margin:
        raise ValueError(f"a window of {window} holds {gaps} gaps of {ratio}, all of them margin")
    states = anchors.new_empty(len(anchors), len(times), *anchors.shape[2:])
    states[:, ::ratio] = anchors
    done = torch.arange(len(times)) % ratio == 0
    for start in _starts(len(times), window, (gaps - 2 * margin) * ratio):
        here = slice(start, start + window)
        positions = done[here].nonzero()[:, 0]
        drawn = sample(times[here], Known(positions, states[:, here][:, positions]))
        end = len(times) if start + window >= len(times) else start + (gaps - margin) * ratio
        new = start + (~done[start:end]).nonzero()[:, 0]
        states[:, new] = drawn[:, new - start]
        done[new] = True
    return states


def _starts(length: int, window: int, stride: int) -> list[int]:
    last = max(0, length - window)
    return [*range(0, last, stride), last]
