r"""The local ensemble transform Kalman filter, one analysis (Hunt, Kostelich & Szunyogh 2007).

Each column of the grid has an analysis of its own, in the space of the N members. With the perturbations
Y (N, p) of what they predict, and rho the taper exp(-d^2 / 2 L^2) of the observations' distance d (none
beyond TAPER L), which divides the error variances,

    A = (N - 1) I + Y R^-1 rho Y^T,    w = A^-1 Y R^-1 rho (y - mean),    W = ((N - 1) A^-1)^1/2,

the analysis is the mean plus perturbations times w, with perturbations times W: among all square roots the
symmetric one changes members least. Spread that the analysis takes away is given back in part (relaxation to
prior spread; Whitaker & Hamill 2012).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

TOGETHER = 128  # columns whose matrices of N x N are in memory at once
TAPER = 2.5  # times the length: no observation counts beyond


@dataclass(frozen=True)
class Tuning:
    """Of the LETKF: `length` of localisation, km; `relaxation` to prior spread, 0 to 1."""

    length: float = 700.0
    relaxation: float = 0.6


def analyse(
    ensemble: Tensor, predicted: Tensor, value: Tensor, error: Tensor, distance: Tensor, tuning: Tuning
) -> Tensor:
    """Analysis members, (N, C, G).

    Arguments:
        ensemble: C fields on G columns, (N, C, G).
        predicted: what each member predicts, (N, p).
        value, error: observations and the standard deviation of their errors, (p,).
        distance: of the columns from the observations, in km, (G, p).
    """
    mean = ensemble.mean(0)
    seen, misfit = (predicted - predicted.mean(0)) / error, (value - predicted.mean(0)) / error
    parts = zip((ensemble - mean).split(TOGETHER, dim=2), distance.split(TOGETHER), strict=True)
    after = torch.cat([_columns(own, seen, misfit, near, tuning) for own, near in parts], dim=2)
    before_spread, spread = ensemble.std(0), after.std(0)
    lost = (before_spread - spread) / spread.clamp_min(torch.finfo(spread.dtype).tiny)
    moved = after.mean(0)
    return mean + moved + (after - moved) * (1 + tuning.relaxation * lost)


def _columns(perturbation: Tensor, seen: Tensor, misfit: Tensor, distance: Tensor, tuning: Tuning) -> Tensor:
    """Departures of the analysis from the mean that was, (N, C, g), for some of the columns."""
    members = len(perturbation)
    precision = (members - 1) * torch.eye(members, dtype=seen.dtype).repeat(len(distance), 1, 1)
    drawn = seen.new_zeros(len(distance), members)
    for column, own in enumerate(distance):
        near = (own < TAPER * tuning.length).nonzero()[:, 0]
        local = seen[:, near]
        tapered = local * torch.exp(-0.5 * (own[near] / tuning.length) ** 2)
        precision[column] += tapered @ local.T
        drawn[column] = tapered @ misfit[near]
    values, vectors = torch.linalg.eigh(precision)
    weight = torch.einsum("gnk,gmk,gm->gn", vectors / values[:, None], vectors, drawn)
    transform = (vectors * ((members - 1) / values[:, None]).sqrt()) @ vectors.mT
    return torch.einsum("ncg,gnm->mcg", perturbation, weight[:, :, None] + transform)
