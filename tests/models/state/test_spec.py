"""What a state is made of, and what is possible in it."""

import numpy as np

from models.state.channels import channel
from models.state.grid import Grid
from models.state.spec import StateSpec


def test_there_is_no_less_than_no_water_and_as_much_wind_as_there_is() -> None:
    grid = Grid(np.linspace(50, 40, 3), np.linspace(0, 10, 2))
    state = StateSpec((channel("q500"), channel("u500")), grid, 6, np.zeros(2), np.ones(2))
    fields = np.random.default_rng(0).standard_normal((4, 2, 3, 2)).astype(np.float32)
    found = state.possible(fields)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[:, 0], fields[:, 0].clip(0))
    np.testing.assert_array_equal(found[:, 1], fields[:, 1])
