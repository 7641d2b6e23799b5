"""Observations made linear in the latents, at the climatological mean: a matrix, or its action if many."""

from dataclasses import replace
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from models.observations.operator import ObservationOperator
from models.posterior.gaussian import GaussianObservations
from models.posterior.jacobian import Jacobian
from models.posterior.many import ManyObservations
from models.posterior.states import StateObservations
from models.posterior.tangent import Tangent
from models.prior.prior import Prior

MANY = 5000  # observations, or rows of a dense Jacobian: it and its factor are small below


def linearise(
    prior: Prior, operator: ObservationOperator, mean: Tensor, value: Tensor, error: Tensor
) -> GaussianObservations:
    """Observations `value` (p,) with standard deviations `error` (p,) as seen from `mean` (L, K, h, w)."""
    if len(value) > MANY:
        return by_action(prior, operator, mean, value, error)
    return dense(prior, operator, mean, value, error)


class _Looks(NamedTuple):
    """Ways to look at a state, as H; and looks and their weights as `StateObservations` has them."""

    ways: ObservationOperator
    looks: Tensor
    weight: Tensor

    @classmethod
    def of(cls, operator: ObservationOperator, states: int) -> Self:
        at, rows, local = _by_state(operator, states)
        weight = local.weight.abs().sum(1)
        ways, which = _distinct(replace(local, weight=local.weight / weight[:, None]))
        return cls(ways, torch.stack([rows, at, which], dim=1), weight)


def to_be_judged(
    prior: Prior, operator: ObservationOperator, mean: Tensor, value: Tensor, error: Tensor
) -> GaussianObservations:
    """As `linearise`, for those who ask for covariances of some rows at a time, and solve nothing for all.

    So stations may report as often as they like; but of more than `MANY` ways to look at a state, what small
    scales add is an estimate.
    """
    looks = _Looks.of(operator, len(mean))
    if len(looks.ways.index) > MANY:
        return by_action(prior, operator, mean, value, error)
    return dense(prior, operator, mean, value, error, looks)


def dense(
    prior: Prior,
    operator: ObservationOperator,
    mean: Tensor,
    value: Tensor,
    error: Tensor,
    looks: _Looks | None = None,
) -> StateObservations:
    """With the Jacobian as a matrix, float64.

    The decoder knows no time, so a state's latents only matter to that state; and the climatological mean
    hardly changes in a window, so the decoder is linearised once, at its average: what is observed of several
    states in the same way has the same row.

    Arguments:
        looks: of `operator`, where they are known already.
    """
    ways, rows, weight = looks or _Looks.of(operator, len(mean))
    jacobian = _rows(prior, ways, mean.mean(0))
    background = operator(prior.decode(mean)).double()
    return StateObservations(value, error, background, prior.climatology, jacobian, rows, weight)


def _by_state(operator: ObservationOperator, states: int) -> tuple[Tensor, Tensor, ObservationOperator]:
    """States and the rows that see them, (n,), and H of these on one state; a row of two is there twice."""
    seen = [operator.of_state(position) for position in range(states)]
    at = torch.cat([torch.full((len(rows),), position) for position, (rows, _) in enumerate(seen)])
    shape = (1, *operator.shape[1:])
    index, weight = (torch.cat([getattr(own, name) for _, own in seen]) for name in ("index", "weight"))
    return at, torch.cat([rows for rows, _ in seen]), ObservationOperator(shape, index, weight)


def _distinct(operator: ObservationOperator) -> tuple[ObservationOperator, Tensor]:
    """H without rows that are like others but for rounding, and which of those each row is."""
    # where taps without weight are depends on the state, and is not to matter
    order = (operator.weight == 0).byte().argsort(dim=1, stable=True)
    weight = operator.weight.gather(1, order)
    index = torch.where(weight == 0, 0, operator.index.gather(1, order))
    taps = torch.cat([index.double(), weight], dim=1).numpy().round(9)
    _, first, which = np.unique(taps, axis=0, return_index=True, return_inverse=True)
    rows = torch.from_numpy(first)
    return (
        ObservationOperator(operator.shape, operator.index[rows], operator.weight[rows]),
        torch.from_numpy(which.reshape(-1)),
    )


def _rows(prior: Prior, operator: ObservationOperator, state: Tensor, chunk: int = 16) -> Tensor:
    """Derivatives of H(Dec(z)) at a state z (K, h, w), (n, K h w): a vector-Jacobian product each."""
    seen, pull, *_ = torch.func.vjp(lambda z: operator(prior.decode(z)[None]), state)
    rows, each = torch.empty(len(seen), state.numel(), dtype=torch.float64), torch.eye(len(seen))
    for first in range(0, len(seen), chunk):
        here = slice(first, first + chunk)
        rows[here] = torch.func.vmap(pull)(each[here])[0].flatten(1)
    return rows


def by_action(
    prior: Prior,
    operator: ObservationOperator,
    mean: Tensor,
    value: Tensor,
    error: Tensor,
    tangent: Tangent | None = None,
) -> ManyObservations:
    """With the Jacobian as a function: products with it decode, and cost as much.

    Arguments:
        tangent: of the prior's decoder at or near the mean, where it is known already.
    """

    at: dict[int, Jacobian] = {}

    def jacobian(count: int) -> Jacobian:
        if count not in at:
            at.clear()
            at[count] = Jacobian(lambda z: operator(prior.decode(z)), mean.expand(count, *mean.shape))
        return at[count]

    def action(anomalies: Tensor) -> Tensor:
        return jacobian(len(anomalies)).push(anomalies)

    def adjoint(weights: Tensor) -> Tensor:
        return jacobian(len(weights)).pull(weights)

    if len(value):
        known = tangent or Tangent.of(prior, mean.mean(0))
        along, rest = known.seen(operator, prior.climatology)
        small = known.patches(operator, prior.climatology, rest)
    else:
        along, rest, small = torch.zeros(0, len(prior.climatology.variances)), torch.zeros(0), []
    y, std, background = (v.float() for v in (value, error, operator(prior.decode(mean))))
    return ManyObservations(y, std, background, prior.climatology, along, rest, action, adjoint, small)
