r"""The posterior of Lorenz's force by other means: filters for a grid of forces, weighed by their likelihood.

For every force F of the grid an ensemble starts from the climate of F and is cycled through the observations
of a window by the stochastic ensemble Kalman filter (Evensen 1994, Burgers et al. 1998). Its innovations give

    log p(y | F) = sum_t log N(y_t; H m_t, H P_t H^T + R),

hence p(F | y) ~ p(F) p(y | F) (DelSole & Yang 2010; Carrassi et al. 2017). No network is involved, and
nothing that a prior has learned; that the states at a time are Gaussian, given F, is its approximation.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.classical import lorenz96, runge_kutta

LOW, HIGH, FORCES = 1.0, 15.0, 29


@dataclass(frozen=True, eq=False)
class ForceGrid:
    """Ensembles on the attractors of a grid of forces.

    Attributes:
        forces: (G,).
        start: (G, E, M).
        spacing: time between the states of a window.
    """

    forces: Tensor
    start: Tensor
    spacing: float

    @classmethod
    def build(cls, members: int, spacing: float, generator: torch.Generator) -> "ForceGrid":
        """With `members` E for every force."""
        forces = torch.linspace(LOW, HIGH, FORCES, dtype=torch.float64)
        noise = torch.randn(FORCES, members, lorenz96.SIZE, generator=generator, dtype=torch.float64)
        start = noise + forces[:, None, None] / 4
        grid = cls(forces, start, spacing)
        return cls(forces, grid._run(start, lorenz96.SPIN_UP), spacing)

    def posterior(
        self, values: Tensor, states: Tensor, points: Tensor, error: float, generator: torch.Generator
    ) -> Tensor:
        """p(F | y) on the grid, (G,), sums to 1.

        Arguments:
            values: y, (T, p), not standardised.
            states: of the window that are seen, ascending, (T,).
            points: variables seen, (p,).
            error: standard deviation.
        """
        x, now, log = self.start, int(states[0]), torch.zeros(FORCES, dtype=torch.float64)
        for time, y in zip(states.tolist(), values, strict=True):
            x = self._run(x, (time - now) * self.spacing) if time > now else x
            now = time
            noise = error * torch.randn(*x.shape[:2], len(y), generator=generator, dtype=torch.float64)
            anomaly = x - x.mean(1, keepdim=True)
            share = anomaly / (x.shape[1] - 1) ** 0.5
            bracket = share[..., points].mT @ share[..., points]
            factor = torch.linalg.cholesky(bracket + error**2 * torch.eye(len(y), dtype=torch.float64))
            innovation = y - x[..., points].mean(1)
            white = torch.linalg.solve_triangular(factor, innovation[..., None], upper=False)[..., 0]
            log -= 0.5 * white.square().sum(-1) + factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
            gain = torch.cholesky_solve(share[..., points].mT @ share, factor)
            x = x + (y + noise - x[..., points]) @ gain
        prior = -0.5 * ((self.forces - lorenz96.FORCE) / lorenz96.FORCE_SPREAD) ** 2
        return torch.softmax(prior + log, 0)

    def _run(self, x: Tensor, time: float) -> Tensor:
        force = self.forces[:, None, None]
        return runge_kutta.trajectory(lambda s: lorenz96.tendency(s, force), x, 2, time, lorenz96.DT)[:, -1]
