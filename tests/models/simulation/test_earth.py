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


@pytest.mark.parametrize("minutes", [0, 50, 400])
def test_a_step_that_does_not_divide_six_hours_is_refused(minutes: int):
    with pytest.raises(ValueError, match=f"a time step of {minutes} minutes"):
        Earth(step_minutes=minutes)


def test_a_restored_state_goes_on_the_same(earth: Earth):
    state = earth.advance(earth.start(0, day=200))
    restored = earth.restore(earth.leaves(state))
    after = earth.fields(earth.advance(state))
    assert np.isfinite(after).all() and not np.allclose(after, earth.fields(state))
    assert (np.asarray(earth.fields(earth.advance(restored))) == np.asarray(after)).all()


def test_a_moved_state_has_the_fields_it_was_moved_to(earth: Earth):
    state = earth.advance(earth.start(0, day=200))
    other = earth.advance(earth.advance(earth.start(1, day=20)))
    before, after = (np.asarray(earth.fields(x)) for x in (state, other))
    found = np.asarray(earth.fields(earth.moved(state, before, after)))
    scale = (after - before).reshape(34, -1).std(1)
    error = (found - after).reshape(34, -1).std(1) / scale
    assert error[16:24].max() < 1e-3 and error[32] < 1e-3  # temperature, surface pressure
    assert np.median(error[:16]) < 0.2  # wind
    same = earth.moved(state, before, before)
    assert np.allclose(earth.fields(same), before, rtol=1e-5, atol=1e-5 * scale.max())
    assert np.isfinite(earth.fields(earth.advance(earth.moved(state, before, after)))).all()
