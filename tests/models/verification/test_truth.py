"""The ensemble beside the truth: error and spread, weighed by area, in the units people read."""

import numpy as np
import pytest
import xarray as xr

from models.verification.truth import against

PLACES = {"latitude": [60.0, 0.0, -60.0], "longitude": np.arange(0.0, 360.0, 90.0)}
TIMES = np.array(["2002-03-07T06", "2002-03-07T12"], dtype="datetime64[ns]")


def test_errors_weigh_as_much_as_the_area_they_are_made_on():
    members = np.zeros((2, 2, 1, 3, 4))
    members[:, :, :, 1] = 9.80665 * np.array([2.0, 4.0]).reshape(2, 1, 1, 1)  # at the equator, gpm
    axes = ("number", "time", "level", "latitude", "longitude")
    ensemble = xr.Dataset({"z": (axes, members)}, {**PLACES, "time": TIMES, "level": [500]})
    longer = np.array(["2002-03-07T00", *TIMES], dtype="datetime64[ns]")
    truth = xr.Dataset({"z500": (axes[1:2] + axes[3:], np.zeros((3, 3, 4)))}, {**PLACES, "time": longer})
    ((name, unit, rmse, spread),) = against(ensemble, truth, ["z500"])
    share = 1 / (1 + 2 * np.cos(np.radians(60)))  # of the equator's row, about
    assert (name, unit) == ("z500", "gpm")
    assert rmse == pytest.approx(3 * np.sqrt(share), rel=0.05)
    assert spread / rmse == pytest.approx(np.sqrt(2) / 3)
