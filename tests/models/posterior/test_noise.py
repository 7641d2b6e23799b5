"""Noise is named by seed, member, level and hour, and by nothing else."""

import pandas as pd
import pytest
import torch

from models.posterior.noise import CounterNoise

TIMES = pd.date_range("2019-02-17T12:00Z", periods=3, freq="24h")


def draw(members: list[int], level: int = 3, seed: int = 5, times: pd.DatetimeIndex = TIMES) -> torch.Tensor:
    return CounterNoise(seed, members, times).states(level, (len(times), 4, 5))


def test_a_member_has_the_same_noise_in_any_batch_and_a_state_in_any_window() -> None:
    whole = draw([0, 1, 2, 7])
    assert torch.equal(whole[3], draw([7])[0])
    assert torch.equal(whole[:, 1:], draw([0, 1, 2, 7], times=TIMES[1:]))


def test_the_members_of_a_pair_mirror_each_other() -> None:
    noise = draw([4, 5, 6])
    assert torch.equal(noise[0], -noise[1]) and not torch.equal(noise[0], -noise[2])


def test_members_that_are_not_mirrored_are_independent() -> None:
    alone = CounterNoise(5, range(64), TIMES, mirrored=False).errors(400)
    assert abs(float((alone[::2] * alone[1::2]).mean())) < 0.03
    assert torch.equal(alone[[7]], CounterNoise(5, [7], TIMES, mirrored=False).errors(400))


@pytest.mark.parametrize("start", ["2019-02-17T12:00Z", "1962-02-17T12:00Z"])
def test_nothing_is_drawn_twice(start: str) -> None:
    times = pd.date_range(start, periods=3, freq="24h")
    parts = [draw([0, 1], level, seed, times).flatten(0, 1) for level in (0, 1) for seed in (5, 6)]
    states = torch.cat(parts).flatten(1)
    assert len(torch.unique(states, dim=0)) == len(states) == 2 * 3 * 4


def test_it_is_standard_normal() -> None:
    sample = CounterNoise(1, range(10), TIMES).states(0, (3, 100, 100))
    assert abs(float(sample.mean())) < 0.01 and abs(float(sample.std()) - 1) < 0.01
