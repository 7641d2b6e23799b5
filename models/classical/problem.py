"""A classical problem: its dynamics, as windows of standardised states that a prior can learn."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.classical import lorenz63, lorenz96

Simulate = Callable[[int, int, float, torch.Generator], Tensor]


@dataclass(frozen=True)
class Problem:
    """What is simulated and how the prior of it is built and trained.

    Attributes:
        simulate: (number, states, spacing, generator) -> trajectories (number, states, size), float64.
        shape: (K, h, w) of a state.
        spacing: time between the states of a window.
        window: L, number of states trained on.
        width, blocks, kernel: of the network (`models.prior.convolution`).
        pool: trajectories and states of each, to draw windows from.
        steps, batch, learning_rate: of the training.
        sigma: range of noise levels seen, in climatological standard deviations.
        half_steps: the first steps, whose convolutions are in bfloat16: faster where the processor knows it.
    """

    simulate: Simulate
    shape: tuple[int, int, int]
    spacing: float
    window: int
    width: int
    blocks: int
    kernel: tuple[int, int]
    pool: tuple[int, int]
    steps: int
    batch: int
    learning_rate: float
    sigma: tuple[float, float]
    half_steps: int = 0

    def trajectories(self, number: int, states: int, generator: torch.Generator) -> Tensor:
        """On the attractor, (number, states, K, h, w), float64."""
        return self.simulate(number, states, self.spacing, generator).unflatten(-1, self.shape)


PROBLEMS = {
    "lorenz63": Problem(
        simulate=lorenz63.trajectories,
        shape=(3, 1, 1),
        spacing=0.125,
        window=32,
        width=64,
        blocks=5,
        kernel=(5, 1),
        pool=(512, 2000),
        steps=15000,
        batch=64,
        learning_rate=2e-3,
        sigma=(0.01, 5.0),
    ),
    "lorenz96": Problem(
        simulate=lorenz96.trajectories,
        shape=(1, 1, 40),
        spacing=0.05,
        window=32,
        width=32,
        blocks=5,
        kernel=(3, 3),
        pool=(256, 2000),
        steps=6000,
        batch=8,
        learning_rate=2e-3,
        sigma=(0.015, 5.0),
        half_steps=5500,
    ),
    "lorenz96-coarse": Problem(
        simulate=lorenz96.trajectories,
        shape=(1, 1, 40),
        spacing=0.2,
        window=17,
        width=32,
        blocks=5,
        kernel=(3, 5),
        pool=(256, 1000),
        steps=5000,
        batch=8,
        learning_rate=2e-3,
        sigma=(0.03, 5.0),
        half_steps=4500,
    ),
}
