"""Observations made linear in the latents, at the climatological mean: a matrix, or its action if many."""

import torch
from torch import Tensor

from models.observations.operator import ObservationOperator
from models.posterior.gaussian import GaussianObservations, LinearObservations
from models.posterior.jacobian import Jacobian
from models.posterior.many import ManyObservations, modes_of
from models.prior.prior import Prior

MANY = 5000  # observations; a dense Jacobian and its factor are small below


def linearise(
    prior: Prior, operator: ObservationOperator, mean: Tensor, value: Tensor, error: Tensor
) -> GaussianObservations:
    """Observations `value` (p,) with standard deviations `error` (p,) as seen from `mean` (L, K, h, w)."""
    if len(value) > MANY:
        return by_action(prior, operator, mean, value, error)
    return dense(prior, operator, mean, value, error)


def dense(
    prior: Prior, operator: ObservationOperator, mean: Tensor, value: Tensor, error: Tensor, chunk: int = 128
) -> LinearObservations:
    """With the Jacobian as a matrix, float64.

    One vector-Jacobian product per observation and state it reads, `chunk` at a time, each from a copy of the
    state of its own: the decoder knows no time, so a state's latents only matter to that state.
    """
    jacobian = torch.zeros(len(operator.index), *mean.shape, dtype=torch.float64)
    for position, state in enumerate(mean):
        rows, own = operator.of_state(position)
        if not len(rows):
            continue
        for here, part in zip(rows.split(chunk), own.split(chunk), strict=True):
            copies = state.expand(len(here), *state.shape)
            at = Jacobian(lambda z, part=part: part.each(prior.decode(z)[:, None]), copies)  # type: ignore[misc]
            jacobian[here, position] = at.pull(torch.ones(len(here))).double()
    background = operator(prior.decode(mean)).double()
    return LinearObservations(value, error, background, prior.climatology, jacobian.flatten(1))


def by_action(
    prior: Prior, operator: ObservationOperator, mean: Tensor, value: Tensor, error: Tensor
) -> ManyObservations:
    """With the Jacobian as a function: products with it decode, and cost as much."""

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

    along, rest = modes_of(action, prior.climatology, torch.Generator().manual_seed(0), len(value))
    y, std, background = (v.float() for v in (value, error, operator(prior.decode(mean))))
    return ManyObservations(y, std, background, prior.climatology, along, rest, action, adjoint)
