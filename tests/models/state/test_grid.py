"""The grid: seam, poles, outline and areas."""

import numpy as np
import pytest

from models.state.grid import Grid
from models.state.spec import StateSpec
from models.testing.toy import gaussian_prior

GLOBAL = Grid(np.linspace(90, -90, 19), np.arange(0, 360, 10.0))
GAUSSIAN = Grid(85 - 10.0 * np.arange(18), np.arange(0, 360, 10.0))
EUROPE = Grid(60 - 1.5 * np.arange(21), -20 + 1.5 * np.arange(24))


def interpolate(grid: Grid, field: np.ndarray, lat: float, lon: float) -> float:
    index, weight = grid.bilinear([lat], [lon])
    return float((field.ravel()[index] * weight).sum())


def test_a_point_at_359_9_lies_between_the_last_column_and_the_first() -> None:
    field = np.zeros(GLOBAL.shape)
    field[:, -1], field[:, 0] = 10.0, 20.0
    assert interpolate(GLOBAL, field, 0.0, 359.0) == pytest.approx(19.0)
    assert interpolate(GLOBAL, field, 0.0, -1.0) == pytest.approx(19.0)


def test_a_point_over_the_pole_is_interpolated_across_it() -> None:
    field = np.zeros(GAUSSIAN.shape)
    field[0, 0], field[0, 18] = 1.0, 3.0  # 85N 0E and, beyond the pole, 85N 180E
    assert interpolate(GAUSSIAN, field, 90.0, 0.0) == pytest.approx(2.0)
    assert interpolate(GAUSSIAN, field, 87.5, 0.0) == pytest.approx(1.5)


@pytest.mark.parametrize("grid", [GLOBAL, GAUSSIAN, EUROPE], ids=["global", "gaussian", "europe"])
def test_a_grid_point_returns_its_own_value_and_weights_sum_to_one(grid: Grid) -> None:
    lat, lon = (a.ravel() for a in np.meshgrid(grid.latitude, grid.longitude, indexing="ij"))
    index, weight = grid.bilinear(lat, lon)
    assert np.allclose(weight.sum(1), 1)
    field = np.random.default_rng(0).standard_normal(grid.shape)
    at_pole = np.abs(lat) == 90
    assert np.allclose((field.ravel()[index] * weight).sum(1)[~at_pole], field.ravel()[~at_pole])


@pytest.mark.parametrize("latitude", [89.0, 86.0, 84.0, -84.0, -86.0, -89.0])
def test_close_to_a_pole_rows_are_where_they_are(latitude: float) -> None:
    field = np.repeat(GLOBAL.latitude[:, None], 36, axis=1)
    assert interpolate(GLOBAL, field, latitude, 5.0) == pytest.approx(latitude)
    assert GLOBAL.cell([latitude], [0.0])[0] // 36 == np.abs(GLOBAL.latitude - latitude).argmin()


def test_a_plane_is_interpolated_exactly() -> None:
    field = 2 * EUROPE.latitude[:, None] - 3 * EUROPE.longitude[None]
    assert interpolate(EUROPE, field, 47.3, 8.1) == pytest.approx(2 * 47.3 - 3 * 8.1)


def test_longitudes_are_understood_in_any_convention() -> None:
    assert EUROPE.contains([50, 50, 50, 61, 50], [345, -15, 705, 0, 14.6]).tolist() == [
        True,
        True,
        True,
        False,
        False,
    ]
    with pytest.raises(ValueError, match="outside the grid"):
        EUROPE.bilinear([50.0], [20.0])


def test_area_weights_are_cell_areas_with_mean_one() -> None:
    weights = GLOBAL.area_weights[:, 0]
    assert weights.mean() == pytest.approx(1)
    assert weights[0] / weights[9] == pytest.approx(
        (1 - np.sin(np.deg2rad(85))) / (2 * np.sin(np.deg2rad(5)))
    )


def test_each_point_belongs_to_the_nearest_cell_also_across_the_seam() -> None:
    assert GLOBAL.cell([0.0], [359.0]).tolist() == [9 * 36]
    assert EUROPE.cell([60.0, 59.1], [-20.0, -18.9]).tolist() == [0, 25]


@pytest.mark.parametrize(
    ("latitude", "longitude", "says"),
    [
        ([0, 10], [0, 10], "north to south"),
        ([10, 0], [350, 0], "equal steps"),
        ([10, 0], np.arange(0, 361, 10.0), "duplicate"),
    ],
)
def test_a_grid_in_the_wrong_order_is_refused(latitude: list, longitude: list, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Grid(np.asarray(latitude, float), np.asarray(longitude, float))


def test_a_state_spec_survives_json() -> None:
    spec = gaussian_prior().card.state
    again = StateSpec.from_dict(spec.to_dict())
    assert again.names == spec.names and np.array_equal(again.grid.longitude, spec.grid.longitude)


def test_on_a_ring_every_place_near_it_lies_between_two_points() -> None:
    ring = Grid([0.0], np.arange(0, 360, 9.0))
    assert ring.shape == (1, 40) and ring.periodic and ring.area_weights.tolist() == [[1.0]]
    assert ring.contains([0, 4.5, -4.5, 4.6], [0, 359, -3, 0]).tolist() == [True, True, True, False]
    field = np.arange(40.0)[None]
    assert interpolate(ring, field, 0.0, 13.5) == pytest.approx(1.5)
    assert interpolate(ring, field, 4.0, 355.5) == pytest.approx(19.5)  # across the seam
    assert ring.cell([-4.0], [-2.0]).tolist() == [0]


def test_a_single_point_is_everywhere() -> None:
    point = Grid([0.0], [0.0])
    assert point.contains([90, -90, 12], [0, 180, -77]).all()
    assert interpolate(point, np.array([[7.0]]), 51.0, -170.0) == 7.0


def test_a_single_row_must_go_around_the_earth() -> None:
    with pytest.raises(ValueError, match="once around"):
        Grid([50.0], np.arange(0, 20, 1.0))
