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


def distance(windows: Windows, members: np.ndarray, there: np.ndarray) -> float:
    """RMS over channels, in standard deviations, of the mean."""
    state = windows.prior.card.state
    return float(np.sqrt((((members.mean(0) - there) / np.array(state.std)[:, None, None]) ** 2).mean()))


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
