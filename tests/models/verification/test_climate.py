"""Averages of weather, on waves whose averages are known."""

import numpy as np
import pytest

from models.verification.climate import lag_correlations, storm_tracks, zonal_spectrum

LATITUDE = np.linspace(85, -85, 18)
LONGITUDE = 2 * np.pi * np.arange(32) / 32


def test_a_wave_of_amplitude_two_has_a_variance_of_two_at_its_wavenumber():
    field = np.broadcast_to(2 * np.cos(3 * LONGITUDE + 1), (5, 18, 32))
    expected = np.zeros(17)
    expected[3] = 2
    np.testing.assert_allclose(zonal_spectrum(field, LATITUDE)[0], expected, atol=1e-12)


def test_variances_of_all_wavenumbers_add_up():
    field = np.random.default_rng(0).standard_normal((18, 32))
    rows = (abs(LATITUDE) > 20) & (abs(LATITUDE) < 70)
    weight = np.cos(np.deg2rad(LATITUDE[rows]))
    expected = ((field[rows] ** 2).mean(1) * weight).sum() / weight.sum()
    assert zonal_spectrum(field, LATITUDE).sum() == pytest.approx(expected)


def test_what_the_tropics_and_the_poles_do_is_left_out():
    field = np.where((abs(LATITUDE) < 20) | (abs(LATITUDE) > 70), 1.0, 0.0)[:, None] * np.cos(LONGITUDE)
    assert zonal_spectrum(field, LATITUDE).max() < 1e-20


def test_a_wave_that_moves_a_quarter_a_day_is_forgotten_in_one_and_reversed_in_two():
    days = np.cos(LONGITUDE - np.pi / 2 * np.arange(3)[:, None])
    trajectories = np.broadcast_to(days[None, :, None], (4, 3, 18, 32))
    weights = np.cos(np.deg2rad(LATITUDE))[:, None]
    np.testing.assert_allclose(lag_correlations(trajectories, weights), [1, 0, -1], atol=1e-12)


def test_storms_are_where_a_day_changes_much():
    generator = np.random.default_rng(0)
    still = generator.standard_normal((500, 1, 18, 32)).repeat(2, axis=1)
    still[:, 1, 4] += 3 * generator.standard_normal((500, 32))
    found = storm_tracks(still)
    assert found[4].mean() == pytest.approx(3, rel=0.05) and found[[0, 10]].max() == 0
