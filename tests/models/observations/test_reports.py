"""Reports of one state: what they see, how far away they are, what a prior's code adds to their errors."""

import numpy as np
import pytest

from models.observations.reports import Prepared, Reported, Reports
from models.prior.card import load_card
from models.state.distances import EARTH_RADIUS
from models.state.spec import StateSpec


@pytest.fixture(scope="module")
def state() -> StateSpec:
    return load_card("earth-t21").state


@pytest.fixture
def seen(state: StateSpec) -> Reports:
    """Pressure half-way between two points of the grid, and the mean of two temperatures at a point."""
    grid = state.grid
    middle = (grid.longitude[0] + grid.longitude[1]) / 2
    where = (grid.latitude[[3, 3]], np.array([middle, grid.longitude[5]]))
    one = Reports.of_channels(state, *(x[:1] for x in where), [["sp"]], np.array([100.0]))
    two = Reports.of_channels(state, *(x[1:] for x in where), [["t200", "t340"]], np.array([0.5]))
    return Reports.together([one, two])


def test_a_place_between_grid_points_sees_both_and_a_layer_its_mean(state: StateSpec, seen: Reports) -> None:
    field = np.zeros((len(state.channels), *state.grid.shape))
    field[state.names.index("sp"), 3, :2] = [1.0, 3.0]
    field[state.names.index("t200"), 3, 5], field[state.names.index("t340"), 3, 5] = 210.0, 230.0
    np.testing.assert_allclose(seen.observe(field), [2.0, 220.0])
    np.testing.assert_allclose(seen.observe(np.stack([field, 2 * field])), [[2.0, 220.0], [4.0, 440.0]])


def test_distances_are_those_of_the_columns_on_the_sphere(state: StateSpec, seen: Reports) -> None:
    distance = seen.distances_from(state.grid).reshape(*state.grid.shape, 2)
    assert distance[3, 5, 1] == pytest.approx(0, abs=1e-3)
    apart = np.deg2rad(state.grid.latitude[2] - state.grid.latitude[3]) * EARTH_RADIUS
    assert distance[2, 5, 1] == pytest.approx(apart)
    assert distance[3, 0, 0] == pytest.approx(distance[3, 1, 0])


def test_what_the_code_loses_adds_to_errors_the_mean_of_its_squares(state: StateSpec, seen: Reports) -> None:
    """What it loses of neighbours is alike: a mean of two does not lose less."""
    lost = dict.fromkeys(state.names, 0.0) | {"sp": 30.0, "t200": 0.4, "t340": 0.6}
    error = Reported(seen, np.zeros(2)).error(state, lost)
    np.testing.assert_allclose(error, [np.hypot(100, 30), np.sqrt(0.5**2 + (0.4**2 + 0.6**2) / 2)])


def test_after_quality_control_errors_are_whole(state: StateSpec, seen: Reports) -> None:
    error = Prepared(seen, np.zeros(2)).error(state, dict.fromkeys(state.names, 30.0))
    np.testing.assert_allclose(error, [100.0, 0.5])
