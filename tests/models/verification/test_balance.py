"""Balances of made-up atmospheres, known in closed form."""

import numpy as np
import pytest

from models.state.grid import Grid
from models.verification.balance import Balance, ageostrophic, balances, thickness
from models.verification.consistency import DRY_AIR, EARTH_RADIUS, ROTATION

GRID = Grid(np.linspace(87.5, -87.5, 36), np.arange(0, 360, 5.0))
PHI = np.deg2rad(GRID.latitude)[:, None] * np.ones((1, 72))
SIGMA = np.array([0.95, 0.7, 0.4])


def test_a_rotation_of_the_whole_atmosphere_is_geostrophic():
    """Phi = -Omega a U sin^2 phi has the wind U cos phi from the west; a wind of 3 m/s more does not."""
    height, wind = -ROTATION * EARTH_RADIUS * 20 * np.sin(PHI) ** 2, 20 * np.cos(PHI)
    assert ageostrophic(wind, 0 * wind, height, GRID) < 0.01
    assert ageostrophic(wind + 3, 0 * wind, height, GRID) == pytest.approx(9, rel=0.05)


def test_waves_have_wind_from_pole_to_pole():
    """Phi = A cos^2 phi sin(2 lambda) sin phi: both components, from derivatives by hand."""
    lam = np.deg2rad(GRID.longitude) * np.ones((36, 1))
    size = ROTATION * EARTH_RADIUS * 10
    height = size * np.cos(PHI) ** 2 * np.sin(PHI) * np.sin(2 * lam)
    slope = np.cos(PHI) ** 3 - 2 * np.sin(PHI) ** 2 * np.cos(PHI)
    f = 2 * ROTATION * np.sin(PHI) * EARTH_RADIUS
    u = -size * slope * np.sin(2 * lam) / f
    v = size * 2 * np.cos(PHI) * np.sin(PHI) * np.cos(2 * lam) / f
    assert ageostrophic(u, v, height, GRID) < 0.01
    assert ageostrophic(u, -v, height, GRID) > 30


@pytest.mark.parametrize("surface", [1.02e5, 7e4, 5.2e4])
def test_air_of_one_temperature_is_as_thick_as_the_formula_says(surface: float):
    ground = np.full((2, 3), surface)
    found = thickness(np.full((3, 2, 3), 260.0), SIGMA, ground)
    np.testing.assert_allclose(found, DRY_AIR * 260 * np.log(surface / 5e4))


def test_temperature_that_is_linear_in_the_logarithm_of_pressure_is_integrated_exactly():
    ground = np.full((1, 1), 1e5 / 0.95)  # the lowest level is at 1000 hPa, the top between the others
    levels = 280 + 40 * np.log(SIGMA / 0.95)[:, None, None]
    end = np.log(0.5)
    beneath = 280 * -np.log(0.95)
    within = 280 * -end - 40 * end**2 / 2
    np.testing.assert_allclose(thickness(levels, SIGMA, ground), DRY_AIR * (beneath + within))


def test_the_truth_is_as_balanced_as_itself_and_warmer_air_is_not():
    channels = ["u510", "v510", "t400", "t700", "t950", "z500", "sp"]
    truth = np.random.default_rng(0).standard_normal((7, *GRID.shape))
    truth[2:5] += 260
    truth[5] *= 100
    truth[6] = 1e5
    itself, warmer = truth[None], truth[None].copy()
    warmer[:, 2:5] += 1.0
    found = [Balance.of(members, truth, channels, GRID) for members in (itself, warmer)]
    assert found[0] is not None and found[1] is not None
    assert balances([found[0]]) == {"ageostrophic": 1.0, "unhydrostatic": 0.0}
    assert balances([found[1]])["unhydrostatic"] == pytest.approx(DRY_AIR * np.log(2))


def test_without_temperatures_nothing_is_said():
    assert Balance.of(np.zeros((2, 2, 36, 72)), np.zeros((2, 36, 72)), ["u510", "sp"], GRID) is None
