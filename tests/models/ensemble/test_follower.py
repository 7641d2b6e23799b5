"""An ensemble that the forecaster carries on and reports hold to the truth."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.ensemble.follower import SETTLING, Follower
from models.ensemble.letkf import Tuning
from models.posterior.noise import CounterNoise
from models.prior.card import load_card
from models.prior.prior import load_prior
from models.simulation.truth import Truth

MEMBERS = 12


@pytest.fixture(scope="module")
def follower() -> Follower:
    return Follower(load_prior(load_card("earth-t21")), seed=1, tuning=Tuning(1000.0, 0.6))


@pytest.fixture(scope="module")
def truth(follower: Follower) -> Truth:
    return Truth.brought(follower.prior.card)


@pytest.fixture(scope="module")
def season(follower: Follower, truth: Truth) -> torch.Tensor:
    """Members that are other states of the same days, (N, C, H, W)."""
    return torch.from_numpy(np.concatenate([truth.states(k) for k in range(8, 8 + 2 * MEMBERS, 2)])).float()


def std(follower: Follower) -> torch.Tensor:
    """Of channels, (C, 1, 1)."""
    return torch.as_tensor(follower.prior.card.state.std, dtype=torch.float32)[:, None, None]


def error(follower: Follower, x: torch.Tensor, there: np.ndarray) -> float:
    """RMS over channels and places, in standard deviations, of the mean."""
    return float(((x.mean(0) - torch.from_numpy(there)) / std(follower)).square().mean().sqrt())


def test_without_reports_it_is_the_forecasters_course_with_its_errors(
    follower: Follower, truth: Truth, season: torch.Tensor
) -> None:
    x = follower.follow(truth.times[:3], [None] * 3, season)
    prior, forecaster = follower.prior, follower.prior.need_forecaster()
    wanted = float((forecaster.modes.square().sum() + 16 * forecaster.rest.square().sum()).sqrt())
    assert torch.equal(x[:, 0], season)
    for k in range(2):
        when = float(truth.times[k].day_of_year - 1) / 365.25
        plain = prior.ahead(x[:, k], when)
        off = (prior.encode(x[:, k + 1]) - prior.encode(plain)).flatten(1)
        assert float(off.square().sum(1).mean().sqrt()) == pytest.approx(wanted, rel=0.1)
        assert float(off.mean()) == pytest.approx(0, abs=0.01)


def test_errors_go_on_from_one_window_to_the_next(
    follower: Follower, truth: Truth, season: torch.Tensor
) -> None:
    whole = follower.follow(truth.times[:5], [None] * 5, season)
    _, _, between = follower.follow(truth.times[:3], [None] * 3, season).unbind(1)
    again = follower.follow(truth.times[2:5], [None] * 3, between)[:, -1]
    other = replace(follower, seed=2).follow(truth.times[2:5], [None] * 3, between)[:, -1]
    differs, by_chance = ((x - whole[:, -1]).div(std(follower)).norm() for x in (again, other))
    assert float(differs) < 0.15 * float(by_chance)


def test_a_forecast_is_nearer_than_a_state_that_stays_and_knows_how_near(
    follower: Follower, truth: Truth
) -> None:
    start, there = (torch.from_numpy(truth.states(k)[0]).float() for k in (0, 4))
    x = follower.follow(truth.times[:5], [None] * 5, start.expand(8, -1, -1, -1))
    assert x[:, 0].equal(start.expand(8, -1, -1, -1))
    off, stays = ((y - there) / std(follower) for y in (x[:, -1].mean(0), start))
    assert float(off.norm()) < 0.4 * float(stays.norm())
    spread = (x[:, -1] / std(follower)).var(0).mean().sqrt() * (1 + 1 / 8) ** 0.5
    assert float(spread / off.square().mean().sqrt()) == pytest.approx(1, abs=0.2)


def test_reports_bring_members_nearer_and_a_forecast_keeps_them_there(
    follower: Follower, truth: Truth, season: torch.Tensor
) -> None:
    seen = truth.reported("all", follower.prior.card.state, 4, seed=0)
    there = [truth.states(k)[0] for k in (4, 5)]
    moved = follower.follow(truth.times[4:5], [seen], season)[:, 0]
    assert error(follower, moved, there[0]) < 0.85 * error(follower, season, there[0])
    known, blind = (follower.follow(truth.times[4:6], [own, None], season)[:, 1] for own in (seen, None))
    assert error(follower, known, there[1]) < 0.9 * error(follower, blind, there[1])


def test_air_is_neither_lost_nor_won_and_heights_are_those_of_the_air_below_them(
    follower: Follower, truth: Truth, season: torch.Tensor
) -> None:
    seen, soon = (truth.reported("all", follower.prior.card.state, k, seed=0) for k in (4, 5))
    x = follower.follow(truth.times[4:6], [seen, soon], season)
    torch.testing.assert_close(
        follower.prior.balanced(x) / std(follower), x / std(follower), atol=1e-3, rtol=0
    )


def test_reports_of_the_next_half_a_day_move_the_first_state_nearer_too_and_later_ones_leave_it(
    follower: Follower, truth: Truth, season: torch.Tensor
) -> None:
    soon, late = (truth.reported("surface", follower.prior.card.state, k, seed=0) for k in (6, 7))
    times, there = truth.times[4:8], truth.states(4)[0]
    first, between, last = follower.follow(times[:3], [None, None, soon], season).unbind(1)
    assert error(follower, first, there) < 0.97 * error(follower, season, there)
    _, blind, unseen = follower.follow(times[:3], [None] * 3, season).unbind(1)
    for found, other, k in ((between, blind, 5), (last, unseen, 6)):
        assert error(follower, found, truth.states(k)[0]) < 0.97 * error(follower, other, truth.states(k)[0])
    assert torch.equal(follower.follow(times, [None, None, None, late], season)[:, 0], season)


def test_later_reports_that_say_what_members_say_leave_a_state_its_mean_and_take_from_its_spread(
    follower: Follower, truth: Truth, season: torch.Tensor
) -> None:
    now, soon = (truth.reported("surface", follower.prior.card.state, k, seed=0) for k in (4, 5))
    times = truth.times[4:6]
    first, last = follower.follow(times, [now, None], season).unbind(1)
    expected = soon.reports.observe(last.numpy()).mean(0)
    both = follower.follow(times, [now, replace(soon, value=expected)], season)[:, 0]
    both, first = both / std(follower), first / std(follower)
    assert float((both - first).mean(0).square().mean().sqrt()) < 0.02
    assert float(both.var(0).mean()) < 0.9 * float(first.var(0).mean())


def test_a_state_that_later_reports_do_not_move_is_as_its_own_reports_have_it(
    follower: Follower, truth: Truth, season: torch.Tensor
) -> None:
    seen = truth.reported("surface", follower.prior.card.state, 4, seed=0)
    alone = follower.follow(truth.times[4:5], [seen], season)[:, 0]
    assert not torch.equal(alone, season)
    assert torch.equal(follower.follow(truth.times[4:8], [seen, None, None, None], season)[:, 0], alone)


def test_many_states_go_on_as_each_of_them_would(follower: Follower, season: torch.Tensor) -> None:
    after, alone = (follower.prior.ahead(x, 0.2) / std(follower) for x in (season, season[5:6]))
    torch.testing.assert_close(after[5:6], alone, rtol=0, atol=1e-4)


def test_members_that_know_the_season_are_as_many_as_wanted_and_tell_how_far_they_are(
    follower: Follower, truth: Truth
) -> None:
    steps: list[int] = []
    x = follower.season(truth.times[0], 3, lambda: steps.append(1))
    assert x.shape == (3, *follower.prior.card.state.shape) and len(steps) == SETTLING
    fewer = follower.season(truth.times[0], 2)  # whose errors are decoded about the mean of them
    off = (x[:2] - fewer) / std(follower)
    assert float(off.square().mean().sqrt()) < 0.01
    assert not torch.equal(x, replace(follower, seed=2).season(truth.times[0], 3))


def test_errors_of_the_forecaster_have_nothing_to_do_with_the_draws_it_begins_with(
    follower: Follower, truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[torch.Tensor] = []
    states = CounterNoise.states

    def recorded(self: CounterNoise, level: int, shape: Sequence[int]) -> torch.Tensor:
        drawn.append(states(self, level, shape))
        return drawn[-1]

    monkeypatch.setattr(CounterNoise, "states", recorded)
    follower.season(truth.times[0], 3)
    first, errors = drawn
    for there in errors.unbind(1):
        assert abs(float((first[:, 0] * there).mean())) < 0.02


def test_a_report_that_says_what_members_say_moves_their_mean_nowhere(
    follower: Follower, truth: Truth, season: torch.Tensor
) -> None:
    seen = truth.reported("surface", follower.prior.card.state, 4, seed=0)
    expected = seen.reports.observe(season.numpy()).mean(0)
    moved = follower.follow(truth.times[4:5], [replace(seen, value=expected)], season)[:, 0]
    moved, season = moved / std(follower), season / std(follower)
    assert float((moved - season).mean(0).square().mean().sqrt()) < 0.02
    assert float(moved.var(0).mean()) < float(season.var(0).mean())


def test_a_prior_without_a_forecaster_cannot_be_followed(
    follower: Follower, truth: Truth, season: torch.Tensor
) -> None:
    with pytest.raises(ValueError, match="the prior earth-t21 has no forecaster"):
        replace(follower, prior=replace(follower.prior, forecaster=None)).follow(
            truth.times[:2], [None, None], season
        )
