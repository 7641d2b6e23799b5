"""The simulated Earth: a plausible atmosphere that is a function of its state."""

import numpy as np
import pytest

pytest.importorskip("jcm", reason="extra `simulate` is not installed")

from models.simulation.earth import Earth


@pytest.fixture(scope="module")
def earth() -> Earth:
    return Earth(step_minutes=60)


def test_fields_are_the_channels_in_si_units_north_first(earth: Earth):
    state = earth.start(0, day=200)
    for _ in range(40):  # ten days after isothermal rest
        state = earth.advance(state)
    fields = dict(zip(earth.channels, np.asarray(earth.fields(state)), strict=True))
    assert earth.grid.shape == (32, 64) and len(fields) == 34
    assert 250 < fields["t510"].mean() < fields["t950"].mean() - 5 < 285
    assert fields["q200"].mean() < 1e-3 < fields["q950"].mean() < 0.02
    assert 45_000 < fields["sp"].min() < 75_000 < fields["sp"].max() < 110_000
    assert 50_000 < fields["z500"].mean() < 60_000
    lowest = np.unravel_index(fields["sp"].argmin(), earth.grid.shape)
    assert 25 < earth.grid.latitude[lowest[0]] < 40 and 70 < earth.grid.longitude[lowest[1]] < 105  # Tibet
    assert earth.orography.argmax() == fields["sp"].argmin()
    assert earth.land[:4].mean() < 0.5 < earth.land[-3:].mean()  # the Arctic is a sea, Antarctica is not


def test_a_restored_state_goes_on_the_same(earth: Earth):
    state = earth.advance(earth.start(0, day=200))
    restored = earth.restore(earth.leaves(state))
    after = earth.fields(earth.advance(state))
    assert np.isfinite(after).all() and not np.allclose(after, earth.fields(state))
    assert (np.asarray(earth.fields(earth.advance(restored))) == np.asarray(after)).all()
