"""The mean of two analyses: an ensemble that goes on, and the posterior of each window."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.hybrid import BEGUN, FILTER, SMOOTHER, UNTOLD, Hybrid, about, described, share, suited
from models.posterior.sampler import Preset
from models.prior.card import load_card
from models.prior.prior import load_prior
from models.simulation.truth import Truth
from models.verification.pairs import variances
from models.verification.scores import area_mean
from models.windows import Windows

QUICK = Preset(4, 2.0, 0.1, stochastic=True, iterations=1)


@pytest.fixture(scope="module")
def hybrid() -> Hybrid:
    prior = load_prior(load_card("earth-t21"))
    return Hybrid(Windows(prior, QUICK, members=4, seed=1), size=12)


@pytest.fixture(scope="module")
def truth(hybrid: Hybrid) -> Truth:
    return Truth.brought(hybrid.windows.prior.card)


@pytest.fixture(scope="module")
def season(hybrid: Hybrid, truth: Truth) -> torch.Tensor:
    return hybrid.beginning(truth.times[0])


def std(hybrid: Hybrid) -> torch.Tensor:
    """Of channels, (C, 1, 1)."""
    return torch.as_tensor(hybrid.windows.prior.card.state.std, dtype=torch.float32)[:, None, None]


def error(hybrid: Hybrid, x: torch.Tensor, there: np.ndarray) -> float:
    """RMS over channels and places, in standard deviations, of the mean."""
    return float(((x.mean(0) - torch.from_numpy(there)) / std(hybrid)).square().mean().sqrt())


def near(hybrid: Hybrid, found: torch.Tensor, wanted: torch.Tensor) -> None:
    """To 0.0001 standard deviations."""
    torch.testing.assert_close(found / std(hybrid), wanted / std(hybrid), atol=1e-4, rtol=1e-5)


def test_it_begins_with_the_season_and_as_much_variance(hybrid: Hybrid, truth: Truth) -> None:
    z = hybrid.windows.prior.encode(replace(hybrid, size=32).beginning(truth.times[0]))
    mean = hybrid.windows.interpolated(truth.times[:5], [None] * 5, 64)[:, 0]
    ratio = z.var(0).mean() / mean.var(0).mean()
    assert z.shape[0] == 32 and 0.7 < float(ratio) < 1.2
    assert float((z.mean(0) - mean.mean(0)).square().mean() / mean.var(0).mean()) < 0.2


def test_means_are_drawn_to_the_posteriors_and_members_differ_as_the_ensembles_do(
    hybrid: Hybrid, truth: Truth, season: torch.Tensor
) -> None:
    """The posterior has all reports; the ensemble knows those of the first state already."""
    state, times = hybrid.windows.prior.card.state, truth.times[:5]
    reported = [truth.reported("surface", state, k, seed=0) for k in range(5)]
    prior = hybrid.windows.prior
    windows = prior.encode(season[:4, None]) + 0.1 * torch.arange(5)[:, None, None, None]
    first, last = hybrid.window(times, reported, season, windows)
    posterior = prior.balanced(prior.decode(windows.mean(0)))
    followed = hybrid.follower().follow(times, [None, *reported[1:]], season)
    looked_back, after = followed[:, 0], followed[:, -1]
    for found, own, to, weight in (
        (first, looked_back, posterior[0], SMOOTHER),
        (last, after, posterior[-1], FILTER),
    ):
        near(hybrid, found - found.mean(0), own - own.mean(0))
        near(hybrid, found.mean(0), (1 - weight) * own.mean(0) + weight * to)


@pytest.mark.timeout(900)  # a minute or two, if nothing else is going on
def test_windows_in_a_row_are_better_than_either_and_look_back_well(hybrid: Hybrid, truth: Truth) -> None:
    hybrid, state = replace(hybrid, size=16), hybrid.windows.prior.card.state
    season = hybrid.beginning(truth.times[0])
    reported = [truth.reported("all", state, k, seed=0) for k in range(9)]
    times = truth.times[:5], truth.times[4:9]
    sampled = [
        hybrid.windows.sample(*given) for given in zip(times, (reported[:5], reported[4:]), strict=True)
    ]
    _, known = hybrid.first(times[0], reported[:5], season, sampled[0])
    smoothed, last = hybrid.window(times[1], reported[4:], known, sampled[1])
    there = truth.states(4)[0], truth.states(8)[0]
    assert error(hybrid, smoothed, there[0]) < error(hybrid, known, there[0])
    alone = hybrid.follower().follow(times[1], [None, *reported[5:]], known)[:, -1]
    posterior = hybrid.windows.prior.decode(sampled[1][:, -1])
    best = min(error(hybrid, x, there[1]) for x in (alone, posterior))
    assert error(hybrid, last, there[1]) < best


def test_a_first_window_knows_its_first_reports_too(
    hybrid: Hybrid, truth: Truth, season: torch.Tensor
) -> None:
    seen = truth.reported("all", hybrid.windows.prior.card.state, 0, seed=0)
    nothing = hybrid.windows.prior.encode(season[:4, None]).expand(-1, 5, -1, -1, -1)
    first, _ = hybrid.first(truth.times[:5], [seen, *[None] * 4], season, nothing)
    there = truth.states(0)[0]
    ensemble = hybrid.begun(truth.times[:5], [seen, *[None] * 4], season)[:, [0]]
    fields, cells = hybrid.windows.states(nothing[:, [0]]), hybrid.windows.prior.card.state.grid.area_weights
    weight = float(share(fields, described(ensemble), cells)[0])
    unseen = season + weight * (hybrid.windows.prior.decode(nothing[:, 0].mean(0)) - season.mean(0))
    assert error(hybrid, first, there) < 0.95 * error(hybrid, unseen, there)


def test_a_first_window_has_a_tuning_and_weights_of_its_own(
    hybrid: Hybrid, truth: Truth, season: torch.Tensor
) -> None:
    state, times = hybrid.windows.prior.card.state, truth.times[:3]
    reported = [None, *(truth.reported("surface", state, k, seed=0) for k in (1, 2))]
    prior = hybrid.windows.prior
    posterior = prior.encode(season[:4, None]) + 0.1 * torch.arange(3)[:, None, None, None]
    own = hybrid.follower(BEGUN).follow(times, reported, season)
    fields, cells = hybrid.windows.states(posterior), prior.card.state.grid.area_weights
    mean, weights = prior.balanced(prior.decode(posterior.mean(0))), share(fields, described(own), cells)
    for k, found in zip((0, -1), hybrid.first(times, reported, season, posterior), strict=True):
        near(hybrid, found, own[:, k] + float(weights[k]) * (mean[k] - own[:, k].mean(0)))


def test_many_members_are_moved_by_what_is_farther_off() -> None:
    near, usual, far = (suited(BEGUN, size) for size in (64, 256, 1024))
    assert usual == BEGUN and far.relaxation == BEGUN.relaxation
    assert far.length / usual.length == pytest.approx(usual.length / near.length) == pytest.approx(2**0.5)


def test_where_variances_are_honest_the_mean_of_both_is_the_best_there_is() -> None:
    """Independent errors, of which the ensemble's are three times as large at the second state."""
    rng, weights = np.random.default_rng(0), np.array([[1.0], [3.0]])
    channels, wrong = np.array([1.0, 2.0, 0.5])[:, None, None], np.array([1.0, 3.0])[:, None, None, None]
    pairs = channels * rng.standard_normal((500, 1, 2, 3, 2, 400))
    members = np.stack([pairs, -pairs], axis=1).reshape(1000, 2, 3, 2, 400)
    spread = channels * wrong * np.ones((2, 3, 2, 400))
    found = share(members, np.stack([0 * spread, spread]), weights)
    np.testing.assert_allclose(found, [0.5, 0.9], atol=0.01)


def test_a_channel_that_does_not_vary_says_nothing_of_weights() -> None:
    rng, weights = np.random.default_rng(0), np.ones((2, 1))
    members, spread = rng.standard_normal((6, 1, 3, 2, 50)), np.full((1, 3, 2, 50), 2.0)
    with_all = share(members[:, :, :2], np.stack([spread, spread])[:, :, :2], weights)
    members[:, :, 2] = 0.0  # such as water where there is none
    np.testing.assert_allclose(share(members, np.stack([spread, spread]), weights), with_all)


def test_members_are_about_the_mean_of_both_as_far_as_the_ensembles_are() -> None:
    rng, weights = np.random.default_rng(0), np.array([[1.0], [3.0]])
    posterior, mean = rng.standard_normal((6, 4, 2, 5)), rng.standard_normal((4, 2, 5))
    posterior[:, 3] = mean[3] = 0.0  # such as water where there is none
    spread = np.array([2.0, 0.5, 1.0, 0.0])[:, None, None] * rng.uniform(0.5, 1.5, (4, 2, 5))
    members = about(posterior, np.stack([mean, spread]), weights)
    weight = share(posterior, np.stack([mean, spread]), weights)
    assert 0.1 < weight < 0.9
    np.testing.assert_allclose(members.mean(0), weight * posterior.mean(0) + (1 - weight) * mean, atol=1e-12)
    found = area_mean(variances(members, mirrored=True)[0], weights)[:3]
    assert np.median(area_mean(spread**2, weights)[:3] / found) == pytest.approx(1)
    scale = (members - members.mean(0))[:, :3] / (posterior - posterior.mean(0))[:, :3]
    np.testing.assert_allclose(scale, scale.flat[0] * np.ones_like(scale))


def test_two_members_cannot_say_how_far_they_are_and_stay_as_far() -> None:
    posterior = np.random.default_rng(0).standard_normal((2, 4, 2, 5))
    members = about(posterior, np.ones((2, 4, 2, 5)), np.ones((2, 1)))
    np.testing.assert_allclose(members[1] - members[0], posterior[1] - posterior[0])
    np.testing.assert_allclose(members.mean(0), UNTOLD * posterior.mean(0) + 1 - UNTOLD)
