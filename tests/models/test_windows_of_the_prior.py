"""Windows of the Earth in a row: what they are given they keep, and what is reported they are drawn to."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.analysis import Analysis
from models.posterior.sampler import Preset
from models.prior.card import load_card
from models.prior.prior import load_prior
from models.simulation.truth import Truth
from models.state.time import year_fraction
from models.windows import Windows

QUICK = Preset(4, 2.0, 0.1, stochastic=True, iterations=1)


@pytest.fixture(scope="module")
def windows() -> Windows:
    return Windows(load_prior(load_card("earth-t21")), QUICK, members=2, seed=1)


@pytest.fixture(scope="module")
def truth(windows: Windows) -> Truth:
    return Truth.brought(windows.prior.card)


def encoded(windows: Windows, truth: Truth, position: int) -> torch.Tensor:
    with torch.no_grad():
        return windows.prior.encode(torch.from_numpy(truth.states(position)))


def distance(windows: Windows, members: np.ndarray, there: np.ndarray) -> float:
    """RMS over channels, in standard deviations, of the mean."""
    state = windows.prior.card.state
    return float(np.sqrt((((members.mean(0) - there) / np.array(state.std)[:, None, None]) ** 2).mean()))


def test_the_forecaster_is_nearer_than_a_state_that_stays_and_knows_how_near(
    windows: Windows, truth: Truth
) -> None:
    start, there = encoded(windows, truth, 0).expand(8, -1, -1, -1), encoded(windows, truth, 4)[0]
    z = windows.forecast(truth.times[:5], start)
    assert z[:, 0].equal(start)
    off = z[:, -1].mean(0) - there
    assert float(off.norm()) < 0.7 * float((start[0] - there).norm())
    spread = z[:, -1].var(0).mean().sqrt() * (1 + 1 / 8) ** 0.5
    assert float(spread / off.square().mean().sqrt()) == pytest.approx(1, abs=0.2)


def test_a_prior_without_a_forecaster_says_so(windows: Windows, truth: Truth) -> None:
    prior = replace(windows.prior, forecaster=None)
    with pytest.raises(ValueError, match="the prior earth-t21 has no forecaster"):
        replace(windows, prior=prior).forecast(truth.times[:5], encoded(windows, truth, 0))


def test_reports_of_the_last_state_draw_the_window_to_it(windows: Windows, truth: Truth) -> None:
    state, times = windows.prior.card.state, truth.times[:5]
    reported = [None] * 4 + [truth.reported("all", state, 4, seed=0)]
    z, there = windows.sample(times, reported), truth.states(4)[0]
    climate = windows.states(windows.interpolated(times, [None] * 5)[:, -1])
    found = distance(windows, windows.states(z[:, -1]), there)
    assert found < 0.8 * distance(windows, climate, there)  # the mean of two draws


def test_members_come_in_mirrored_pairs_unless_they_are_to_be_draws(windows: Windows, truth: Truth) -> None:
    """Less the mean of the season: what the sampler makes of noise is nearly odd in it."""
    times, pairs = truth.times[:5], replace(windows, members=4)
    centre = windows.prior.climatology.mean(torch.from_numpy(year_fraction(times[-1:])))[0]
    for own, low, high in ((pairs, -1.0, -0.7), (replace(pairs, mirrored=False), -0.3, 0.3)):
        a, b = (own.sample(times, [None] * 5)[:2, -1] - centre).flatten(1)
        assert low <= float(torch.dot(a, b) / a.norm() / b.norm()) <= high


def test_errors_grow_by_what_the_code_loses(windows: Windows, truth: Truth) -> None:
    state = windows.prior.card.state
    seen = truth.reported("surface", state, 0, seed=0)
    posterior = windows._posterior(  # the errors that are assumed have no other door
        Analysis(windows.prior, truth.times[:5]),
        [seen, None, None, None, None],
    )
    lost = windows.prior.card.representativeness["sp"]
    assert float(posterior.gaussian.error[0]) == pytest.approx(np.hypot(100.0, lost), rel=1e-5)
