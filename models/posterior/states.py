"""Observations that each see one state of a window: only that state's part of their Jacobian is not zero."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from models.posterior.gaussian import LinearObservations


@dataclass(frozen=True, eq=False)
class StateObservations(LinearObservations):
    """As `LinearObservations`, at a fraction of its cost where states are large.

    Attributes:
        jacobian: of each observation, the part of the state it sees, (p, K h w), float64.
        states: which one that is, (p,).
    """

    states: Tensor

    @cached_property
    def _parts(self) -> list[tuple[int, Tensor]]:
        """States, and the observations that see them."""
        return [(int(t), (self.states == t).nonzero()[:, 0]) for t in self.states.unique()]

    def push(self, anomalies: Tensor) -> Tensor:
        """J a, float64."""
        out = self.jacobian.new_zeros(len(anomalies), len(self.states))
        for state, rows in self._parts:
            out[:, rows] = anomalies[:, state].flatten(1).double() @ self.jacobian[rows].T
        return out

    def pull(self, weights: Tensor) -> Tensor:
        """J^T w, float32."""
        out = torch.zeros(len(weights), *self.climatology.shape)
        for state, rows in self._parts:
            out[:, state] = (weights[:, rows] @ self.jacobian[rows]).float().reshape(out[:, state].shape)
        return out

    @cached_property
    def _along(self) -> Tensor:
        out = self.jacobian.new_zeros(len(self.states), len(self.climatology.variances))
        for state, rows in self._parts:
            out[rows] = self.climatology.along_state(self.jacobian[rows], state)
        return out

    @cached_property
    def _gram(self) -> Tensor:
        out = self.jacobian.new_zeros(len(self.states), len(self.states))
        for _, rows in self._parts:
            out[rows[:, None], rows] = self.jacobian[rows] @ self.jacobian[rows].T
        return out

    @property
    def rows(self) -> Tensor:
        """J, zeros included."""
        out = self.jacobian.new_zeros(len(self.states), self.climatology.shape[0], self.jacobian.shape[1])
        out[torch.arange(len(self.states)), self.states] = self.jacobian
        return out.flatten(1)

    def part(self, rows: Tensor) -> "StateObservations":
        """The observations at these positions."""
        return replace(
            self,
            value=self.value[rows],
            error=self.error[rows],
            background=self.background[rows],
            shared=None if self.shared is None else self.shared[rows],
            jacobian=self.jacobian[rows],
            states=self.states[rows],
        )
