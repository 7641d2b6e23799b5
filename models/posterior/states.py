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
        looks: an observation, the state it sees and how, a position in `jacobian`, (n, 3) int64; of an
            observation and a state there is one.
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
    def _parts(self) -> list["_Part"]:
        return [_Part.of(self, int(state)) for state in self.states]

    def push(self, anomalies: Tensor) -> Tensor:
        """J a, float64."""
        out = self.jacobian.new_zeros(len(anomalies), len(self.error))
        for p in self._parts:
            seen = anomalies[:, p.state].flatten(1).double() @ self.jacobian[p.ways].T
            out[:, p.rows] += seen[:, p.which] * p.weight
        return out

    def pull(self, weights: Tensor) -> Tensor:
        """J^T w, float32."""
        out = torch.zeros(len(weights), *self.climatology.shape)
        for p in self._parts:
            of_ways = weights.new_zeros(len(weights), len(p.ways), dtype=p.weight.dtype)
            of_ways.index_add_(1, p.which, weights[:, p.rows] * p.weight)
            out[:, p.state] = (of_ways @ self.jacobian[p.ways]).float().reshape(out[:, p.state].shape)
        return out

    @cached_property
    def squares(self) -> Tensor:
        """Diagonal of J J^T, (p,)."""
        out, squares = self.jacobian.new_zeros(len(self.error)), self.jacobian.square().sum(-1)
        for p in self._parts:
            out[p.rows] += p.weight**2 * squares[p.ways][p.which]
        return out

    @cached_property
    def _along(self) -> Tensor:
        out = self.jacobian.new_zeros(len(self.error), len(self.climatology.variances))
        for p in self._parts:
            along = self.climatology.along_state(self.jacobian[p.ways], p.state)
            out[p.rows] += p.weight[:, None] * along[p.which]
        return out

    @cached_property
    def _gram(self) -> Tensor:
        out = self.jacobian.new_zeros(len(self.error), len(self.error))
        for p in self._parts:
            ways = self.jacobian[p.ways]
            gram = (ways @ ways.T)[p.which[:, None], p.which]
            out[p.rows[:, None], p.rows] += p.weight[:, None] * gram * p.weight
        return out

    @property
    def rows(self) -> Tensor:
        """J, zeros included."""
        out = self.jacobian.new_zeros(len(self.error), self.climatology.shape[0], self.jacobian.shape[1])
        for p in self._parts:
            out[p.rows, p.state] = p.weight[:, None] * self.jacobian[p.ways[p.which]]
        return out.flatten(1)

    def part(self, rows: Tensor) -> "StateObservations":
        """The observations at these positions, each once."""
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


@dataclass(frozen=True, eq=False)
class _Part:
    """What is seen of a state.

    Attributes:
        state: which.
        rows: observations that see it, (m,).
        ways: in which it is seen, positions in `jacobian`, each once.
        which: of `ways`, of each observation, (m,).
        weight: of that, (m,).
    """

    state: int
    rows: Tensor
    ways: Tensor
    which: Tensor
    weight: Tensor

    @classmethod
    def of(cls, seen: StateObservations, state: int) -> Self:
        own = seen.looks[:, 1] == state
        rows, _, way = seen.looks[own].unbind(1)
        ways, which = way.unique(return_inverse=True)
        return cls(state, rows, ways, which, seen.weight[own])
