"""A classical problem: its dynamics, as windows of standardised states that a prior can learn."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.classical import kolmogorov, lorenz63, lorenz96, reynolds

Vary = Callable[[Tensor, torch.Generator], Tensor]
Simulate = Callable[[int, int, float, torch.Generator], Tensor]


@dataclass(frozen=True)
class Problem:
    """What is simulated and how the prior of it is built and trained.

    Attributes:
        simulate: (number, states, spacing, generator) -> trajectories (number, states, size), float64.
        shape: (K, h, w) of a state.
        spacing: time between the states of a window.
        window: L, number of states trained on.
        brief: fewer states, of which windows of a quarter of the batches are.
        width, blocks, kernel, dilations: of the network (`models.prior.convolution`).
        pool: trajectories and states of each, to draw windows from.
        steps, batch, learning_rate: of the training.
        sigma: range of noise levels seen, in climatological standard deviations.
        paces: of time steps learned: `spacing`, twice that, ...
        amplitude: of the last channel, where that is a parameter (`models.prior.parameter`); 0 otherwise.
        wave: of a force, how many along the rows (`models.prior.unet` is told); 0: there is no force.
        vary: a random symmetry of the dynamics, besides shifts along the last axis.
        rare: of windows (..., L, K, h, w) how rare they are, (...); below a noise level half of the windows
            trained on are chosen among the rare ones.
        last: how much more the last states of a window count in the loss: it is they that a filter analyses.
        mean: of the pool, (K, h, 1), where it differs between rows.
        every: steps between validations.
        held_out: trajectories of the pool that only validate.
        half_steps: the first steps, whose convolutions are in bfloat16 where the processor is fast at it.
        start: a bundled prior, all of whose network's weights the training begins with.
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
    paces: int = 1
    dilations: tuple[int, ...] = ()
    brief: tuple[int, ...] = ()
    amplitude: float = 0.0
    wave: int = 0
    vary: Vary | None = None
    rare: Callable[[Tensor], Tensor] | None = None
    last: float = 0.0
    mean: Callable[[Tensor], Tensor] | None = None
    every: int = 250
    held_out: int = 0
    half_steps: int = 0
    start: str = ""

    @property
    def architecture(self) -> dict[str, object]:
        """Arguments of the network."""
        common: dict[str, object] = {
            "latent_shape": self.shape,
            "width": self.width,
            "blocks": self.blocks,
        }
        parameter = {"amplitude": self.amplitude} if self.amplitude else {}
        if self.wave:
            return common | {"window": self.window, "wave": self.wave} | parameter
        further = {"dilations": self.dilations} if self.dilations else {}
        return common | {"kernel": self.kernel} | (parameter or {"paces": self.paces}) | further

    def trajectories(self, number: int, states: int, generator: torch.Generator) -> Tensor:
        """On the attractor, (number, states, K, h, w), float64."""
        return self.simulate(number, states, self.spacing, generator).unflatten(-1, self.shape)

    def unseen(self, number: int, states: int, seed: int, spacing: float | None = None) -> Tensor:
        """The same, none of which a prior was trained on; `spacing`: if not the problem's own."""
        generator = torch.Generator().manual_seed(UNSEEN + seed)
        x = self.simulate(number, states, spacing or self.spacing, generator)
        return x.unflatten(-1, self.shape)


UNSEEN = 1_000_000  # seeds from here on simulate no training data

PROBLEMS = {
    "lorenz63": Problem(
        simulate=lorenz63.trajectories,
        shape=(3, 1, 1),
        spacing=0.125,
        window=64,
        width=64,
        blocks=10,
        kernel=(5, 1),
        pool=(512, 2000),
        steps=40000,
        batch=32,
        learning_rate=2e-3,
        sigma=(0.003, 5.0),
        dilations=(1, 1, 1, 2, 1, 4, 1, 8, 1, 16),
        brief=(8, 12, 16, 24, 32, 40, 48),
        rare=lorenz63.near_saddle,
        last=15.0,
    ),
    "lorenz96": Problem(
        simulate=lorenz96.trajectories,
        shape=(1, 1, 40),
        spacing=0.05,
        window=32,
        width=64,
        blocks=6,
        kernel=(5, 3),
        pool=(256, 2000),
        steps=8000,
        batch=8,
        learning_rate=2e-3,
        sigma=(0.015, 5.0),
        paces=3,
        half_steps=7800,
    ),
    "lorenz96-forcing": Problem(
        simulate=lorenz96.forced,
        shape=(2, 1, 40),
        spacing=0.05,
        window=12,
        width=32,
        blocks=5,
        kernel=(3, 3),
        pool=(4096, 64),
        steps=3500,
        batch=16,
        learning_rate=2e-3,
        sigma=(0.015, 5.0),
        amplitude=0.045,
        half_steps=3250,
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
    "kolmogorov": Problem(
        simulate=kolmogorov.trajectories,
        shape=(2, 64, 64),
        spacing=0.2,
        window=5,
        width=96,
        blocks=2,
        kernel=(3, 3),
        pool=(112, 64),
        steps=6000,
        batch=8,
        learning_rate=1e-3,
        sigma=(0.01, 20.0),
        wave=kolmogorov.WAVENUMBER,
        vary=kolmogorov.varied,
        mean=kolmogorov.profile,
        held_out=8,
        half_steps=6000,
    ),
    "kolmogorov-reynolds": Problem(
        simulate=reynolds.trajectories,
        shape=(3, 64, 64),
        spacing=0.2,
        window=5,
        width=96,
        blocks=2,
        kernel=(3, 3),
        pool=(320, 24),
        steps=1500,
        batch=8,
        learning_rate=5e-4,
        sigma=(0.01, 20.0),
        amplitude=0.002,
        wave=kolmogorov.WAVENUMBER,
        vary=reynolds.varied,
        mean=reynolds.profile,
        held_out=16,
        half_steps=1500,
        start="kolmogorov",
    ),
}
