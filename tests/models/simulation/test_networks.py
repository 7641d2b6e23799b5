"""Networks of the simulated Earth: where they look, and that what they see is linear in the fields."""

import numpy as np
import pandas as pd
import pytest

from models.prior.card import load_card
from models.simulation.networks import APART, SONDES, places, reports, track
from models.state.distances import distances

NOON = pd.Timestamp("2001-02-01T12:00Z")


@pytest.fixture(scope="module")
def state():
    return load_card("earth-t21").state


def fields(state, **values: float) -> np.ndarray:
    out = np.zeros((len(state.channels), *state.grid.shape))
    for name, value in values.items():
        out[state.names.index(name)] = value
    return out


def test_sondes_are_apart_and_there_are_more_over_europe_than_over_the_southern_ocean():
    latitude, longitude = places(SONDES, APART)
    far = distances(latitude, longitude, latitude, longitude) + 1e9 * np.eye(SONDES)
    assert len(latitude) == SONDES and far.min() >= APART
    europe = (latitude > 36) & (latitude < 70) & (longitude > -10) & (longitude < 40)
    assert europe.sum() > 4 * (latitude < -40).sum() > 0


def test_sondes_report_at_noon_and_not_at_six(state):
    assert reports("sondes", state, NOON) is not None
    assert reports("sondes", state, NOON + pd.Timedelta("6h")) is None


def test_all_is_the_three_together(state):
    parts = [reports(name, state, NOON) for name in ("sondes", "surface", "swath")]
    together = reports("all", state, NOON)
    field = np.random.default_rng(0).standard_normal((2, len(state.channels), *state.grid.shape))
    expected = np.concatenate([part.observe(field) for part in parts], axis=1)
    np.testing.assert_allclose(together.observe(field), expected, rtol=1e-12)
    assert len(together.error) == sum(len(part.error) for part in parts)


def test_a_satellite_sees_the_mean_of_a_layer(state):
    swath = reports("swath", state, NOON)
    seen = swath.observe(fields(state, t200=200, t340=240, t510=1, t685=3, t835=10, t950=20))
    np.testing.assert_allclose(seen.reshape(3, -1), np.broadcast_to([[220], [2], [15]], (3, len(seen) // 3)))


def test_two_polar_orbits_see_both_polar_caps_and_all_longitudes():
    latitude, longitude = track(NOON)
    assert latitude.max() > 80 and latitude.min() < -80
    tropics = abs(latitude) < 10
    assert len(np.unique(longitude[tropics] // 30)) == 12


def test_an_unknown_network_is_an_error(state):
    with pytest.raises(ValueError, match="no network 'ships'; there are sondes"):
        reports("ships", state, NOON)
