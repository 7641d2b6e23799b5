import math

import pytest
import torch

from models.prior.forecaster import Forecaster, factor, lower

SHAPE = (3, 4, 8)
DIRECTIONS = torch.linalg.qr(torch.randn(math.prod(SHAPE), 2, generator=torch.Generator().manual_seed(3)))[
    0
].T


def a_forecaster() -> Forecaster:
    return Forecaster(SHAPE, torch.zeros(2, *SHAPE[1:]), 6, directions=2, width=8, blocks=2)


@pytest.fixture
def forecaster() -> Forecaster:
    """Its outputs have weights, so that it says something."""
    generator, network = torch.Generator().manual_seed(0), a_forecaster()
    for parameter in network.parameters():
        parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator)
    return network.eval().requires_grad_(False)


def states(count: int = 2) -> torch.Tensor:
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(1))


def when(fraction: float, count: int = 2) -> torch.Tensor:
    return torch.full((count,), fraction)


def test_who_has_learned_nothing_says_that_states_stay():
    assert a_forecaster()(states(), when(0.2)).equal(states())


def test_a_course_is_one_step_after_another(forecaster: Forecaster):
    z, nothing = states(), torch.zeros(2, 2, *SHAPE)
    course = forecaster.course(z, 0.2, nothing, DIRECTIONS)
    after = forecaster(z, when(0.2))
    assert course[:, 0].equal(z) and course[:, 1].equal(after)
    torch.testing.assert_close(course[:, 2], forecaster(after, when(0.2 + 0.25 / 365.25)))


def test_many_states_go_on_as_each_of_them_would(forecaster: Forecaster):
    z = states(37)
    torch.testing.assert_close(forecaster.step(z, 0.2), forecaster(z, when(0.2, 37)))


def test_a_year_begins_anew(forecaster: Forecaster):
    z, last = states(), 1 - 0.1 / 365.25
    expected = forecaster(forecaster(z, when(last)), when(0.15 / 365.25))
    course = forecaster.course(z, last, torch.zeros(2, 2, *SHAPE), DIRECTIONS)
    torch.testing.assert_close(course[:, 2], expected, rtol=1e-4, atol=1e-4)


def test_each_step_is_off_by_what_it_has_been_wrong_by_and_what_lasts_of_it():
    network, count = a_forecaster(), 4000
    modes = torch.tensor([[9.0, 0.9], [0.9, 0.25]])
    rest = torch.tensor([[1.0, 0.8, 0.0], [0.8, 4.0, -2.0], [0.0, -2.0, 9.0]]) * torch.linspace(
        0.01, 0.02, SHAPE[1]
    ).reshape(-1, 1, 1)
    network.modes.copy_(factor(modes))
    network.rest.copy_(factor(rest))
    network.lasting.copy_(torch.tensor([0.8, 0.5]))
    white = torch.randn(count, 2, *SHAPE, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        course = network.course(
            torch.zeros(count, *SHAPE), 0.2, white, DIRECTIONS
        )  # states stay, but for errors
    off, later = course.diff(dim=1).flatten(2).unbind(1)
    inside = off @ DIRECTIONS.T
    torch.testing.assert_close(inside.T.cov(), modes, rtol=0.05, atol=0.05)
    left = (off - inside @ DIRECTIONS).unflatten(1, SHAPE)
    together = torch.einsum("nkhw,nlhw->hkl", left, left) / (count * SHAPE[2])
    torch.testing.assert_close(together, rest, rtol=0.06, atol=0.003)
    torch.testing.assert_close((later @ DIRECTIONS.T).T.cov(), modes, rtol=0.05, atol=0.05)
    assert float((inside * (later @ DIRECTIONS.T)).mean() / inside.square().mean()) == pytest.approx(
        0.8, abs=0.05
    )


def test_a_covariance_is_its_factor_times_itself_but_for_a_little_that_is_independent():
    a = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0)).double()
    few = a @ a.mT / 4 + 0.1 * torch.eye(3)
    again = lower(factor(few)) @ lower(factor(few)).mT
    torch.testing.assert_close(again.diagonal(dim1=1, dim2=2), few.diagonal(dim1=1, dim2=2))
    assert float((again - few).abs().max()) < 0.03 * float(few.abs().max())
    one = torch.ones(1, 3, 3)  # of one state only, and of a latent that is never wrong
    one[0, 2] = one[0, :, 2] = 0
    assert torch.isfinite(factor(one)).all()
    with pytest.raises(ValueError, match="training has diverged"):
        factor(one / 0)


def test_the_season_is_heard(forecaster: Forecaster):
    assert not torch.allclose(forecaster(states(), when(0.2)), forecaster(states(), when(0.5)), atol=1e-3)


def test_what_is_far_is_not_heard_in_a_step(forecaster: Forecaster):
    z = states(1)
    moved = z.clone()
    moved[..., 2, 0] += 1
    changed = (forecaster(moved, when(0.2, 1)) - forecaster(z, when(0.2, 1))).abs().sum((0, 1, 2)) > 1e-6
    assert not changed[3:6].any() and changed[[7, 0, 1]].all()
