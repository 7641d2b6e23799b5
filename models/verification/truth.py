"""An ensemble beside the truth it was made to find, where that is known everywhere."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from models.observations.display import display_unit
from models.state.channels import channel
from models.state.grid import Grid
from models.verification.pairs import spread
from models.verification.scores import area_mean


def against(
    ensemble: xr.Dataset, truth: xr.Dataset, channels: Sequence[str]
) -> list[tuple[str, str, float, float]]:
    """Area-weighted RMSE of the mean of an ensemble of mirrored pairs, and spread, over all its times.

    Arguments:
        ensemble: number, time, (level,) latitude, longitude; variables on levels by their own name, SI.
        truth: a variable per channel, SI, with at least the times of the ensemble; the same grid.

    Returns:
        Per channel its name, the unit people read, RMSE and spread in that unit.
    """
    weight = Grid(ensemble["latitude"].values, ensemble["longitude"].values).area_weights
    found = []
    for name in channels:
        wanted = channel(name)
        field = ensemble[wanted.variable]
        members = (field if wanted.level is None else field.sel(level=wanted.level)).transpose("number", ...)
        states = members.values.astype(np.float64)
        misfit = states.mean(axis=0) - truth[name].sel(time=ensemble["time"]).values
        unit, size = display_unit(wanted.variable)
        rmse, width = (
            float(np.sqrt(area_mean(square, weight).mean())) / size
            for square in (misfit**2, spread(states) ** 2)
        )
        found.append((name, unit, rmse, width))
    return found
