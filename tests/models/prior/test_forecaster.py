import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.prior.forecaster import Forecaster, SphereBlock, factor, lower
from models.state.channels import channel
from models.state.grid import Grid
from models.state.spec import StateSpec

SHAPE = (3, 4, 8)  # of latents
DIRECTIONS = torch.linalg.qr(torch.randn(math.prod(SHAPE), 2, generator=torch.Generator().manual_seed(3)))[
    0
].T
NAMES = ("u500", "v500", "t500")
STATE = StateSpec(
    tuple(channel(name) for name in NAMES),
    Grid(np.linspace(78.75, -78.75, 8), np.arange(16) * 22.5),
    6,
    np.array([5.0, 0.0, 250.0]),
    np.array([10.0, 8.0, 5.0]),
)


def a_forecaster() -> Forecaster:
    static = torch.randn(2, 8, 16, generator=torch.Generator().manual_seed(4))
    return Forecaster(STATE, static, SHAPE, directions=2, width=8, blocks=2, words=4)


@pytest.fixture
def forecaster() -> Forecaster:
    """Its outputs have weights, so that it says something."""
    generator, network = torch.Generator().manual_seed(0), a_forecaster()
    for parameter in network.parameters():
        parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator)
    return network.eval().requires_grad_(False)


def states(count: int = 2) -> torch.Tensor:
    return torch.randn(count, *STATE.shape, generator=torch.Generator().manual_seed(1))


def when(fraction: float, count: int = 2) -> torch.Tensor:
    return torch.full((count,), fraction)


def test_who_has_learned_nothing_says_that_what_is_smooth_stays():
    network = a_forecaster()
    smooth = network(states(), when(0.2))
    assert smooth[:, 2].equal(states()[:, 2])
    torch.testing.assert_close(network(smooth, when(0.2)), smooth, atol=1e-4, rtol=0)


def test_states_of_a_batch_have_nothing_to_do_with_each_other(forecaster: Forecaster):
    torch.testing.assert_close(
        forecaster(states(5), when(0.2, 5))[3:4], forecaster(states(5)[3:4], when(0.2, 1))
    )


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
    off, later = network.errors(white, DIRECTIONS).flatten(2).unbind(1)
    inside = off @ DIRECTIONS.T
    torch.testing.assert_close(inside.T.cov(), modes, rtol=0.05, atol=0.05)
    left = (off - inside @ DIRECTIONS).unflatten(1, SHAPE)
    together = torch.einsum("nkhw,nlhw->hkl", left, left) / (count * SHAPE[2])
    torch.testing.assert_close(together, rest, rtol=0.06, atol=0.003)
    torch.testing.assert_close((later @ DIRECTIONS.T).T.cov(), modes, rtol=0.05, atol=0.05)
    after = later @ DIRECTIONS.T
    assert float((inside * after).mean() / inside.square().mean()) == pytest.approx(0.8, abs=0.05)
    both = left.flatten(1), later - after @ DIRECTIONS
    assert float((both[0] * both[1]).mean() / both[0].square().mean()) == pytest.approx(0.5, abs=0.02)


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


def test_where_land_is_is_heard_and_the_earth_may_be_turned_with_it(forecaster: Forecaster):
    after, still = forecaster(states(), when(0.2)), forecaster.static.clone()
    forecaster.static.copy_(still.roll(3, -1))
    assert not torch.allclose(forecaster(states(), when(0.2)), after, atol=1e-3)
    turned = forecaster(states().roll(3, -1), when(0.2))
    torch.testing.assert_close(turned, after.roll(3, -1), atol=1e-4, rtol=1e-4)


def test_winds_are_smooth_times_the_cosine_of_latitude(forecaster: Forecaster):
    after = forecaster(states(), when(0.2)).movedim(1, -1)
    harmonics = forecaster.harmonics
    winds = (after[..., :2] + forecaster.still) * harmonics.cosine
    assert float(winds.abs().max()) > 0.5
    torch.testing.assert_close(harmonics.field(harmonics.analyse(winds)), winds, atol=1e-4, rtol=0)
    assert not torch.allclose(harmonics.field(harmonics.analyse(after)), after, atol=0.1)


def test_what_is_far_is_heard_only_by_what_is_smooth(forecaster: Forecaster):
    """By a block: where it has no slope and no smooth part of what others say, a place is alone."""
    block = forecaster.blocks[0]
    assert isinstance(block, SphereBlock)
    x, condition = torch.randn(1, 8, 16, 8, generator=torch.Generator().manual_seed(5)), torch.ones(1, 64)
    moved = x.clone()
    moved[:, 3, 2] += torch.linspace(-1, 1, 8)

    def heard() -> torch.Tensor:
        return (block(moved, condition) - block(x, condition))[0].norm(dim=-1)

    assert heard()[3, 10] > 1e-4
    block.degrees.zero_()
    assert not heard()[3, 3:].any() and not heard()[4:].any() and heard()[3, 2] > 0


def test_rows_may_lie_at_the_poles():
    grid = Grid(np.linspace(90, -90, 8), STATE.grid.longitude)
    network = Forecaster(
        replace(STATE, grid=grid), torch.zeros(2, 8, 16), SHAPE, directions=2, width=8, blocks=1, words=4
    )
    smooth = network(states(), when(0.2))
    torch.testing.assert_close(network(smooth, when(0.2)), smooth, atol=1e-4, rtol=0)
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
    assert float(network(states(), when(0.2)).detach().abs().max()) < 30
