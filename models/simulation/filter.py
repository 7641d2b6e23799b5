"""An ensemble of simulated Earths that follows observations: the LETKF, cycled every six hours.

What a forecasting centre would do that had the model of the truth itself: the strongest peer there is.
Members keep their spectral states (`Earth.moved`); only what the analysis changes goes by the grid.
"""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import torch
from numpy.typing import NDArray

from models.ensemble.letkf import Tuning, analyse
from models.observations.reports import Reports
from models.simulation.earth import Earth

Array = NDArray[np.float64]


@dataclass
class Filter:
    """Members at one time.

    Attributes:
        earth: the model that forecasts.
        states: of the members.
    """

    earth: Earth
    states: list[Any]

    @property
    def fields(self) -> Array:
        """The states on the grid, SI units, (N, C, H, W)."""
        return np.stack([np.asarray(self.earth.fields(state)) for state in self.states]).astype(np.float64)

    def analyse(self, reports: Reports, value: Array, tuning: Tuning) -> None:
        """Members move to where observations `value` (p,) say."""
        before = self.fields
        columns, predicted, own, error, distance = (
            torch.from_numpy(x)
            for x in (
                before,
                reports.observe(before),
                value,
                reports.error,
                reports.distances_from(self.earth.grid),
            )
        )
        after = analyse(columns.flatten(2), predicted, own, error, distance, tuning).numpy()
        after = after.reshape(before.shape)
        self.states = [
            self.earth.moved(state, jnp.asarray(old, jnp.float32), jnp.asarray(new, jnp.float32))
            for state, old, new in zip(self.states, before, after, strict=True)
        ]

    def forecast(self) -> None:
        """Six hours."""
        self.states = [self.earth.advance(state) for state in self.states]

    def copy(self) -> "Filter":
        """Another one that goes on from here for itself."""
        return Filter(self.earth, list(self.states))


def climatological(earth: Earth, leaves: list[np.ndarray], day: int, fields: Array) -> Filter:
    """Members that know the season and nothing else.

    Arguments:
        leaves: of any state of the model after spin-up: it lends what fields do not tell.
        day: what the members are dated, after 1 January 2000.
        fields: of the same season in other years, as members are to be, (N, C, H, W).
    """
    modal, carry, _, count = earth.restore(leaves)
    lent = (modal, carry, earth.start(0, day)[2], count * 0)
    before = earth.fields(lent)
    states = [earth.moved(lent, before, jnp.asarray(after, jnp.float32)) for after in fields]
    return Filter(earth, states)
