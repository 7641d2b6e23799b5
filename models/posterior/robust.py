r"""Robust likelihoods: observations that do not fit the others are believed less.

What the other observations and the Climatology say of observation i is known without leaving it out: with S
the bracket and v = S^-1 (y - h), its departure and the variance expected of that are (Dubrule 1983)

    d_i = v_i / (S^-1)_ii,        s_i^2 = 1 / (S^-1)_ii.

An observation with the weight w, a function of d / s, is to draw the analysis w times as far as it would. So
its error variance r becomes r + s^2 (1 / w - 1), S is formed again with all weights, and so on:

    Huber (1964)    w = min(1, c s / |d|)
    VarQC           w = 1 - P,  P = gamma / (gamma + exp(-d^2 / (2 s^2))),
                    gamma = A sqrt(2 pi) / ((1 - A) 2 D)               (Andersson & Jarvinen 1999)

In VarQC an observation has a gross error with prior probability A, and is then uniform within D deviations
of what is predicted; P is the posterior probability of that. To weigh by the misfit of the running sample
instead does not work: while the noise is high nothing looks wrong, later the sample fits what it was shown.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from models.posterior.gaussian import GaussianObservations

LEAST = 1e-6  # weight, so that variances stay finite
ROUNDS, CONVEX_ROUNDS = 10, 4  # the first with Huber's weights, lest a wrong report condemn its neighbours


class Likelihood(Protocol):
    """How much observations are believed."""

    def weight(self, departure: Tensor) -> Tensor:
        """w in (0, 1] of departures d / s, of any shape."""


@dataclass(frozen=True)
class Huber:
    """Beyond `limit` standard deviations the cost grows linearly."""

    limit: float = 1.5

    def weight(self, departure: Tensor) -> Tensor:
        """min(1, c / |d|)."""
        return (self.limit / departure.abs().clamp_min(self.limit)).clamp_min(LEAST)


@dataclass(frozen=True)
class VarQC:
    """A gross error has the prior probability `probability` and is uniform within `width` deviations."""

    probability: float = 0.02
    width: float = 5.0

    def gross_error(self, departure: Tensor) -> Tensor:
        """P, the posterior probability of a gross error, of departures d / s."""
        gamma = self.probability * math.sqrt(2 * math.pi) / ((1 - self.probability) * 2 * self.width)
        return gamma / (gamma + torch.exp(-0.5 * departure.square()))

    def weight(self, departure: Tensor) -> Tensor:
        """1 - P."""
        return (1 - self.gross_error(departure)).clamp_min(LEAST)


def departures(seen: GaussianObservations, inflation: Tensor) -> tuple[Tensor, Tensor]:
    """d / s and s^2 of every observation, given the others with error variances inflated, (p,) each."""
    bracket = seen.bracket(inflation=inflation)
    inverse = bracket.inverse_diagonal()
    weights = bracket.unwhiten(bracket.whiten((seen.value - seen.background)[None]))[0]
    variance = (1 / inverse - seen.error**2 * (inflation - 1)).clamp_min(seen.error**2)
    return weights / inverse / variance.sqrt(), variance


def believed(seen: GaussianObservations, likelihood: Likelihood) -> tuple[GaussianObservations, Tensor]:
    """The same observations with the errors they deserve, and their departures d / s, (p,)."""
    inflation = torch.ones_like(seen.error)
    if not len(seen.value):
        return seen, inflation
    for k in range(ROUNDS):
        way = likelihood if k >= CONVEX_ROUNDS else Huber()
        found, variance = departures(seen, inflation)
        inflation = 1 + variance / seen.error**2 * (1 / way.weight(found) - 1)
    return dataclasses.replace(seen, error=seen.error * inflation.sqrt()), departures(seen, inflation)[0]


LIKELIHOODS: dict[str, Likelihood | None] = {"gaussian": None, "huber": Huber(), "varqc": VarQC()}
"""As an analysis may ask for them; None: all observations are believed alike."""
