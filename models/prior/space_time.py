"""A Climatology whose modes are sums of modes of space, each with a course in time.

Windows of many states are too large for modes of their own: a thousand modes of five states of 12 288 latents
are half a gigabyte, to be read twice for every product with f(C). Modes of space are kept once.
"""

from typing import Self

import torch
from torch import Tensor, nn

from models.prior.climatology import Climatology


class SpaceTimeClimatology(Climatology):
    """U^T = sum_r courses_r x spatial_r.

    Attributes:
        spatial: orthonormal modes of a state, (r, K h w), float64.
        courses: of their amplitudes, orthonormal, (rank, L, r), float64.
    """

    spatial: Tensor
    courses: Tensor

    @classmethod
    def of(cls, seasons: Tensor, spatial: Tensor, courses: Tensor, variances: Tensor, floor: float) -> Self:
        """From its parts; see the attributes, and those of `Climatology`."""
        new = cls.__new__(cls)
        nn.Module.__init__(new)
        new.shape = (courses.shape[1], *seasons.shape[1:])
        parts = {"seasons": seasons, "spatial": spatial.double(), "courses": courses.double()}
        for name, part in {**parts, "variances": variances, "floor": torch.tensor(floor)}.items():
            new.register_buffer(name, part)
        return new

    @property
    def modes(self) -> Tensor:  # type: ignore[override]
        """U^T, (rank, L K h w), as a matrix: large, and made anew each time."""
        return (self.courses @ self.spatial).flatten(1)

    def at_state(self, state: int) -> Tensor:
        """As of any `Climatology`."""
        return (self.courses[:, state].float() @ self.spatial.float()).T

    @property
    def directions(self) -> Tensor:
        """The modes of space."""
        return self.spatial

    def along(self, x: Tensor) -> Tensor:
        """As of any `Climatology`."""
        amplitudes = x.unflatten(1, (self.shape[0], -1)) @ self.spatial.to(x).T
        return amplitudes.flatten(1) @ self.courses.to(x).flatten(1).T

    def along_state(self, x: Tensor, state: int) -> Tensor:
        """As of any `Climatology`."""
        return (x @ self.spatial.to(x).T) @ self.courses[:, state].to(x).T

    def across(self, a: Tensor) -> Tensor:
        """As of any `Climatology`."""
        amplitudes = (a @ self.courses.to(a).flatten(1)).unflatten(-1, (self.shape[0], -1))
        return (amplitudes @ self.spatial.to(a)).flatten(-2)
