"""What becomes of a state in a few hours, and what it was a few hours before.

A denoiser of windows has to learn the dynamics from what noise leaves of them. Asked for the next state
alone, a network of places and their neighbours (`columns.py`) learns them in a hundredth of the time. It is
no prior: it says one thing, not how else it could be. But what it says of a state that is known, with what
it has been wrong by, is worth observing (`models.posterior.memory`).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.prior.climatology import HARMONICS, seasonal
from models.prior.columns import CONDITION, ColumnBlock, gathered, spread

CLIMATE, AHEAD, BACK = range(3)  # courses whose covariances it brings
DAYS = 365.25
CHANGE = 0.3  # of latents between states; what comes out is in units of it


class Forecaster(nn.Module):
    """States (N, K, h, w) -> those one step later and earlier, each the same shape.

    Attributes:
        modes: covariance over T states in a row of the amplitudes of the Climatology's modes of space: of the
            weather itself, of the errors of T - 1 steps ahead, and of those back, (3, r, T, T).
        rest: the same of latents, on average over columns, without those modes, (3, K, T, T).

    Arguments:
        latent_shape: (K, h, w).
        static: fields per latent column, as of `ColumnNetwork`, (S, h, w).
        hours: of a step.
        directions, states: r and T.
        width, blocks, fine, mix: as of `ColumnNetwork`.
    """

    static: Tensor
    modes: Tensor
    rest: Tensor

    def __init__(
        self,
        latent_shape: tuple[int, int, int],
        static: Tensor,
        hours: int,
        directions: int,
        states: int,
        width: int,
        blocks: int,
        fine: int = 2,
        mix: int = 96,
    ) -> None:
        super().__init__()
        channels, height, breadth = latent_shape
        self.hours, self.fine, wide = hours, fine, fine**2 * width
        self.register_buffer("static", static)
        self.register_buffer("modes", torch.zeros(3, directions, states, states))
        self.register_buffer("rest", torch.zeros(3, channels, states, states))
        self.inputs = nn.Linear(channels, wide)
        self.statics = nn.Linear(len(static), wide)
        self.place = nn.Parameter(0.02 * torch.randn(height, breadth, wide))
        self.embed = nn.Linear(2 * HARMONICS, CONDITION)
        self.blocks = nn.ModuleList(ColumnBlock(width, mix) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.outputs = nn.Linear(wide, 2 * channels)
        nn.init.zeros_(self.outputs.weight)
        nn.init.zeros_(self.outputs.bias)

    def forward(self, z: Tensor, year_fraction: Tensor) -> tuple[Tensor, Tensor]:
        """One step; `year_fraction` (N,): when the states are."""
        condition = F.silu(self.embed(seasonal(year_fraction)[..., 1:].to(z)))
        places = self.inputs(z.movedim(1, -1)) + self.statics(self.static.movedim(0, -1)) + self.place
        places = spread(places, self.fine)
        for block in self.blocks:
            places = block(places, condition)
        change = self.outputs(gathered(self.norm(places), self.fine)).movedim(-1, 1)
        after, before = (CHANGE * change).chunk(2, dim=1)
        return z + after, z + before

    def course(self, z: Tensor, year_fraction: Tensor, steps: int, *, back: bool = False) -> Tensor:
        """States (N, K, h, w) and `steps` that follow or precede, in the order of time: (N, 1 + steps, ...).

        Arguments:
            year_fraction: of the states that are known, (N,).
        """
        states, when = [z], year_fraction
        for _ in range(steps):
            states.append(self(states[-1], when)[1 if back else 0])
            when = (when + (-1 if back else 1) * self.hours / 24 / DAYS) % 1
        return torch.stack(states[::-1] if back else states, dim=1)
