"""Trajectories without observations: what is coarse is kept, and each step has its own network."""

import pandas as pd
import pytest
import torch

from models.free import trajectories
from models.posterior.sampler import Preset
from models.prior.card import load_card
from models.prior.prior import load_prior
from models.windows import Windows

START = pd.Timestamp("2001-01-15T00:00Z")


@pytest.fixture(scope="module")
def windows() -> dict[int, Windows]:
    card, quick = load_card("earth-t21"), Preset(2, 2.0, 0.1, stochastic=True, iterations=0)
    return {step: Windows(load_prior(card, step), quick, members=2, seed=1) for step in (24, 12)}


def test_states_a_day_apart_come_first_and_stay(windows: dict[int, Windows]):
    z = trajectories(windows, START)
    days = pd.date_range(START, periods=5, freq="24h")
    first = windows[24].with_seed(1009 + 1).sample(days, [None] * 5, [])
    assert z.shape == (2, 9, *first.shape[2:]) and z[:, ::2].equal(first)
    assert torch.isfinite(z).all() and float((z[0] - z[1]).square().mean().sqrt()) > 0.3


def test_each_step_has_its_own_network_and_climatology(windows: dict[int, Windows]):
    day, half = windows[24].prior, windows[12].prior
    assert day.card.state.step_hours == 24 and float(day.climatology.floor) != float(half.climatology.floor)
    season = torch.full((1, 5), 0.1)
    z = torch.zeros(1, *day.climatology.shape)
    sigma = torch.ones(1)
    apart = (day.denoiser(z, sigma, season) - half.denoiser(z, sigma, season)).abs().max()
    assert torch.isfinite(apart) and float(apart) > 1e-3


def test_a_step_that_was_not_learned_is_an_error():
    with pytest.raises(ValueError, match="has learned steps of 6, 12, 24 hours, not of 3"):
        load_prior(load_card("earth-t21"), 3)
