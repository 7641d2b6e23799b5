r"""What the past knows of the state that a window begins with, as an observation of it.

Windows in a row share a state: the last of one is the first of the next. With the observations of the past Y
and those of the new window y, and as far as a state says all about what follows it,

    p(z_0 ... z_L | Y, y) ~ p(z_0 ... z_L) p(y | z_1 ... z_L) p(z_0 | Y) / p(z_0).

Let x be the amplitude of one of the Climatology's modes of space P, or a latent of what is left, (1 - P) z_0,
less its climatological mean and in units of its standard deviation; and let an ensemble of N members have the
mean f and the variance b of it. Then the past is an observation of x whose value and error variance are

    f / (1 - b),        b / (1 - b) + b / (N (1 - b)^2),

for what is expected of x is smaller than x by 1 - b, and the mean of few members is off by b / N. What is
hardly known, b near 1, hardly counts. Errors of an analysis are large in modes and small in what is left, so
that they must not be taken for independent latent by latent.

Variances of few members are noisy. So shares b of modes are taken together over `NEAR` of them; and of what
is left, those of a channel over all columns, times a factor per column.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from models.prior.climatology import Climatology
from models.prior.modes import joined, parts

NEAR = 41
LEAST, MOST = 1e-4, 0.99  # of what varies is unknown; beyond, there would be no digits


@dataclass(frozen=True, eq=False)
class Memory:
    """The first state of a window; as any `Given`.

    Attributes:
        directions: P, orthonormal, (r, K h w).
        modes, rest: what amplitudes, (r,), and latents without modes, (K h w,), are divided by: errors.
        wanted: of all members, (1, K h w).
    """

    directions: Tensor
    modes: Tensor
    rest: Tensor
    wanted: Tensor

    def look(self, z: Tensor) -> Tensor:
        """As of any `Given`."""
        return self._scaled(z[:, 0].flatten(1))

    def back(self, weights: Tensor, shape: tuple[int, ...]) -> Tensor:
        """As of any `Given`."""
        z = weights.new_zeros(len(weights), *shape)
        z[:, 0] = self._scaled(weights).reshape(z[:, 0].shape)
        return z

    def along(self, climatology: Climatology) -> Tensor:
        """As of any `Given`."""
        return self._scaled(climatology.at_state(0).T).T.contiguous()

    def squares(self) -> Tensor:
        """As of any `Given`; of the rest, as if latents were alike."""
        own = self.directions.square()
        return self.modes**-2 @ own + self.rest**-2 * (1 - own.sum(0))

    def _scaled(self, x: Tensor) -> Tensor:
        """Divided by errors, x (N, K h w); symmetric."""
        inside, outside = parts(x, self.directions)
        return joined(inside / self.modes, outside / self.rest, self.directions)


def remembered(states: Tensor, climatology: Climatology, mean: Tensor, inflation: float) -> Memory:
    """The first state of a window, as the ensemble (N, K, h, w) knows it.

    Arguments:
        mean: of the climatology there, (K, h, w).
        inflation: of the ensemble's variances; makes up for what is wrong with them.
    """
    directions, members = climatology.directions.float(), len(states)
    ensemble = states.mean(0)
    spread = parts((states - ensemble).flatten(1), directions)
    climate = _variances(climatology, directions)
    shares = [own.square() / c for own, c in zip(spread, climate, strict=True)]
    unknown = (_together(shares[0].sum(0)), _by_channel_and_column(shares[1].sum(0).reshape(mean.shape)))
    departure = parts((ensemble - mean).flatten()[None], directions)
    (modes, large), (rest, larger) = (
        _errors(inflation * b / (members - 1), c, members) for b, c in zip(unknown, climate, strict=True)
    )
    wanted = joined(large * departure[0] / modes, larger * departure[1] / rest, directions)
    memory = Memory(directions, modes, rest, wanted)
    return replace(memory, wanted=wanted + memory.look(mean[None, None]))


def _errors(b: Tensor, variance: Tensor, members: int) -> tuple[Tensor, Tensor]:
    """Standard deviations of errors, and 1 / (1 - b)."""
    b = b.clamp(LEAST, MOST)
    error = b / (1 - b) + b / members / (1 - b) ** 2
    return (error * variance).sqrt(), 1 / (1 - b)


def _variances(climatology: Climatology, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Of amplitudes of the first state, (r,), and of latents without modes, (K h w,)."""
    along = climatology.along_state(directions, 0).square()
    modes = along @ (climatology.variances - climatology.floor) + climatology.floor
    return modes, climatology.outside.flatten()


def _together(modes: Tensor) -> Tensor:
    """Means over neighbouring modes (r,), of which there are as many at the ends."""
    near = min(NEAR, 2 * len(modes) - 1)
    return F.avg_pool1d(F.pad(modes[None], (near // 2, near // 2), mode="replicate"), near, stride=1)[0]


def _by_channel_and_column(squares: Tensor) -> Tensor:
    """Of latents (K, h, w), taken together, (K h w,)."""
    channels = squares.mean((1, 2), keepdim=True)
    columns = (squares / channels.clamp_min(torch.finfo(squares.dtype).tiny)).mean(0)
    return (channels * columns).flatten()
