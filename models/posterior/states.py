"""Observations that each see few states of a window, most of them one: J without its zeros.

What is seen of several states in the same way, by a station that reports again and again, or half of one and
half of the next, has one row for all.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from models.posterior.gaussian import LinearObservations
from models.prior.climatology import Climatology


@dataclass(frozen=True, eq=False)
class StateObservations(LinearObservations):
    """As `LinearObservations`, at a fraction of its cost where states are large.

    J is the sum of `weight` times a row of `jacobian`, at a state, over the looks of an observation.

    Attributes:
        jacobian: ways to look at a state, (d, K h w), float64.
        looks: an observation, the state it sees and how, a position in `jacobian`, (n, 3) int64.
        weight: of each look, (n,), float64.
    """

    looks: Tensor
    weight: Tensor

    @classmethod
    def each(
        cls,
        value: Tensor,
        error: Tensor,
        background: Tensor,
        climatology: Climatology,
        jacobian: Tensor,
        states: Tensor,
    ) -> Self:
        """Of observations that each see one of the `states` (p,) in their own way, `jacobian` (p, K h w)."""
        own = torch.arange(len(states))
        looks, weight = torch.stack([own, states, own], dim=1), jacobian.new_ones(len(states))
        return cls(value, error, background, climatology, jacobian, looks, weight)

    @property
    def states(self) -> Tensor:
        """That are seen, ascending."""
        return self.looks[:, 1].unique()

    @cached_property
    def _parts(self) -> list[tuple[int, Tensor, Tensor, Tensor]]:
        """States; observations that see them, how, and the weight of that."""
        at = [(int(state), self.looks[:, 1] == state) for state in self.states]
        return [(state, self.looks[own, 0], self.looks[own, 2], self.weight[own]) for state, own in at]

    def push(self, anomalies: Tensor) -> Tensor:
        """J a, float64."""
        out = self.jacobian.new_zeros(len(anomalies), len(self.error))
        for state, rows, way, weight in self._parts:
            out[:, rows] += (anomalies[:, state].flatten(1).double() @ self.jacobian[way].T) * weight
        return out

    def pull(self, weights: Tensor) -> Tensor:
        """J^T w, float32."""
        out = torch.zeros(len(weights), *self.climatology.shape)
        for state, rows, way, weight in self._parts:
            pulled = (weights[:, rows] * weight) @ self.jacobian[way]
            out[:, state] = pulled.float().reshape(out[:, state].shape)
        return out

    @cached_property
    def squares(self) -> Tensor:
        """Diagonal of J J^T, (p,)."""
        out, squares = torch.zeros_like(self.error), self.jacobian.square().sum(-1)
        for _, rows, way, weight in self._parts:
            out[rows] += weight**2 * squares[way]
        return out

    @cached_property
    def _along(self) -> Tensor:
        out = self.jacobian.new_zeros(len(self.error), len(self.climatology.variances))
        for state, rows, way, weight in self._parts:
            out[rows] += weight[:, None] * self.climatology.along_state(self.jacobian[way], state)
        return out

    @cached_property
    def _gram(self) -> Tensor:
        out = self.jacobian.new_zeros(len(self.error), len(self.error))
        for _, rows, way, weight in self._parts:
            own = weight[:, None] * self.jacobian[way]
            out[rows[:, None], rows] += own @ own.T
        return out

    @property
    def rows(self) -> Tensor:
        """J, zeros included."""
        out = self.jacobian.new_zeros(len(self.error), self.climatology.shape[0], self.jacobian.shape[1])
        for state, rows, way, weight in self._parts:
            out[rows, state] = weight[:, None] * self.jacobian[way]
        return out.flatten(1)

    def part(self, rows: Tensor) -> "StateObservations":
        """The observations at these positions."""
        place = torch.full((len(self.error),), -1)
        place[rows] = torch.arange(len(rows))
        own = place[self.looks[:, 0]] >= 0
        looks = self.looks[own]
        looks[:, 0] = place[looks[:, 0]]
        return replace(
            self,
            value=self.value[rows],
            error=self.error[rows],
            background=self.background[rows],
            shared=None if self.shared is None else self.shared[rows],
            looks=looks,
            weight=self.weight[own],
        )
