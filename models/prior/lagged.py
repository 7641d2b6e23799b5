r"""A Climatology of windows of any length and step, from what states have in common with later ones.

Windows of many states are too many numbers for modes of their own: in file and memory, modes of space are
kept once, and how their amplitudes a_t go on in time,

    G_k = E[a_t a_{t+k}^T],        k = 0, 1, ... lags of six hours.

The covariance of the amplitudes of a window with step s is then block-Toeplitz, with G_{(j - i) s} between
states i and j. Its leading directions, times the modes of space, are the window's modes; what lies outside
them is a floor. Their variances are measured on trajectories they were not found on (as in
`models.prior.climatology`), and so are part of the file, for each step.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.prior.climatology import Climatology

LAG = 6  # hours


@dataclass(frozen=True, eq=False)
class LaggedCovariance:
    """Second moments of trajectories of latents.

    Attributes:
        seasons: coefficients of the mean, (1 + 2 HARMONICS, K, h, w).
        spatial: orthonormal modes of a state, (r, K h w).
        lags: k, ascending, (n,).
        lagged: G_k, (n, r, r).
        variances: of the leading modes of a window, per step in hours, (rank,).
        floor: variance outside of them, per step.
    """

    seasons: Tensor
    spatial: Tensor
    lags: list[int]
    lagged: Tensor
    variances: dict[int, Tensor]
    floor: dict[int, float]

    def climatology(self, window: int, step: int) -> Climatology:
        """The Climatology of windows of `window` states, `step` hours apart."""
        values = self.variances[step]
        _, directions = torch.linalg.eigh(self._window(window, step // LAG))
        leading = directions.flip(1)[:, : len(values)].T.reshape(len(values), window, -1)
        climatology = Climatology(window, tuple(self.seasons.shape[1:]), len(values))  # type: ignore[arg-type]
        climatology.seasons.copy_(self.seasons)
        climatology.modes.copy_((leading @ self.spatial.double()).flatten(1))
        climatology.variances.copy_(values)
        climatology.floor.fill_(self.floor[step])
        return climatology

    def _window(self, window: int, stride: int) -> Tensor:
        """Covariance of the amplitudes of a window, (window r, window r), float64."""

        def between(i: int, j: int) -> Tensor:
            g = self.lagged[self.lags.index(abs(j - i) * stride)].double()
            return g if j >= i else g.T

        rows = [torch.cat([between(i, j) for j in range(window)], dim=1) for i in range(window)]
        return torch.cat(rows)
