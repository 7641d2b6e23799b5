"""Who stands beside the prior on the simulated Earth: an LETKF that forecasts with the model, or another."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Self

import numpy as np

from models.ensemble.letkf import Tuning
from models.observations.reports import Reported
from models.simulation.earth import Diffusion, Earth
from models.simulation.filter import Filter, climatological
from models.simulation.truth import Truth
from models.state.spec import StateSpec

ANOTHER = {"diffusion": "default", "step_minutes": 60}  # SPEEDY's own diffusion, time steps of an hour


@cache
def model(truncation: int, diffusion: Diffusion, step_minutes: float) -> Earth:
    """As `Earth`; made once."""
    return Earth(truncation, diffusion, step_minutes)


@dataclass(frozen=True)
class Peer:
    """A filter, how it is tuned, and what its fields are."""

    filter: Filter
    tuning: Tuning
    state: StateSpec

    @classmethod
    def at(
        cls,
        truth: Truth,
        state: StateSpec,
        position: int,
        members: int,
        tuning: Tuning,
        another: bool = False,
    ) -> Self:
        """Before any report, at one of the truth's states: members that know the season only.

        Arguments:
            another: whether it forecasts with another model than the truth's.

        Raises:
            ValueError: the truth is of that other model, or of one year only.
        """
        settings = truth.settings | (ANOTHER if another else {})
        if another and settings == truth.settings:
            raise ValueError(f"the run has the model that another is to be: {settings}")
        earth = model(**settings)
        fields = truth.another_year(position, members)
        return cls(climatological(earth, truth.leaves, truth.day(position), fields), tuning, state)

    def copy(self) -> "Peer":
        """Another one that goes on from here for itself."""
        return replace(self, filter=self.filter.copy())

    def go(self, reported: Sequence[Reported | None]) -> np.ndarray:
        """Through the states of a window, from its first, where it is, to its last: members, (N, C, H, W).

        What is reported of the first counts, if anything is.
        """
        for k, own in enumerate(reported):
            if k:
                self.filter.forecast()
            if own is not None:
                self.filter.analyse(own.reports, own.value, self.tuning)
        return self.state.possible(self.filter.fields)
