"""Windows of the Earth in a row: what they are given they keep, and what is reported they are drawn to."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from models.analysis import Analysis
from models.cycling import Windows
from models.posterior.sampler import Preset
from models.prior.card import load_card
from models.prior.prior import Prior, load_prior
from models.prior.sphere_prior import assemble, build_network
from models.simulation.truth import Truth

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


def test_a_forecast_begins_where_it_is_told_and_is_nearer_than_the_climatology(
    windows: Windows, truth: Truth
) -> None:
    times = truth.times[:5]
    start = encoded(windows, truth, 0).expand(2, -1, -1, -1)
    z = windows.forecast(times, start)
    assert float((z[:, 0] - start).square().mean().sqrt()) < 0.2
    climate = windows.states(windows.interpolated(times, [None] * 5)[:, 1])
    there = truth.states(1)[0]
    ahead = distance(windows, windows.states(z[:, 1]), there)
    assert ahead < 0.6 * distance(windows, climate, there)


@pytest.fixture(scope="module")
def knowing(windows: Windows) -> Windows:
    """The Gaussian of the same prior, as one that knows first states: its network has learned nothing."""
    card = windows.prior.card
    sizes = {"kind": "columns", "width": 8, "blocks": 1, "fine": 2, "first": 0.5, "static": 32}
    card = replace(card, architecture={**card.architecture, "denoiser": sizes})
    weights = {k: v.float() for k, v in load_file(card.weights_path).items() if not k.startswith("network.")}
    weights |= {f"network.{k}": v for k, v in build_network(card).state_dict().items()}
    return replace(windows, prior=Prior(card, *assemble(card, weights)))


def test_a_prior_that_knows_first_states_gives_each_member_its_own(knowing: Windows, truth: Truth) -> None:
    start = torch.cat([encoded(knowing, truth, 0), encoded(knowing, truth, 20)])
    z = knowing.forecast(truth.times[:5], start)
    away = (z[:, None, 1] - start).square().mean((2, 3, 4)).sqrt()  # of each member from each start
    assert away[0, 0] < 0.8 * away[0, 1] and away[1, 1] < 0.8 * away[1, 0]


def test_reports_add_to_what_is_remembered(knowing: Windows, truth: Truth) -> None:
    times, start, there = truth.times[:5], encoded(knowing, truth, 0), truth.states(4)[0]
    before = start + 0.1 * torch.randn(8, *start.shape[1:], generator=torch.Generator().manual_seed(0))
    seen = truth.reported("surface", knowing.prior.card.state, 4, seed=0)
    remembered, both = (
        distance(knowing, knowing.states(knowing.filtered(times, [None] * 4 + [r], before)[:, -1]), there)
        for r in (None, seen)
    )
    climate = knowing.states(knowing.interpolated(times, [None] * 5)[:, -1])
    assert both < remembered < distance(knowing, climate, there)


def test_reports_of_the_last_state_draw_the_window_to_it(windows: Windows, truth: Truth) -> None:
    state, times = windows.prior.card.state, truth.times[:5]
    reported = [None] * 4 + [truth.reported("all", state, 4, seed=0)]
    z, there = windows.filtered(times, reported), truth.states(4)[0]
    climate = windows.states(windows.interpolated(times, [None] * 5)[:, -1])
    found = distance(windows, windows.states(z[:, -1]), there)
    assert found < 0.8 * distance(windows, climate, there)  # the mean of two draws


def test_a_reanalysis_ends_as_the_next_window_begins(windows: Windows, truth: Truth) -> None:
    times = truth.times[:5]
    after = encoded(windows, truth, 4) + torch.tensor([[[[0.1]]], [[[-0.1]]]])
    z = windows.smoothed(times, [None] * 5, None, after)
    assert float((z[:, -1] - after).square().mean().sqrt()) < 0.2


def test_errors_grow_by_what_the_code_loses(windows: Windows, truth: Truth) -> None:
    state = windows.prior.card.state
    seen = truth.reported("surface", state, 0, seed=0)
    posterior = windows._posterior(  # the errors that are assumed have no other door
        Analysis(windows.prior, truth.times[:5]),
        [seen, None, None, None, None],
    )
    lost = windows.prior.card.representativeness["sp"]
    assert float(posterior.gaussian.error[0]) == pytest.approx(np.hypot(100.0, lost), rel=1e-5)
