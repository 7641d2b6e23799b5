"""The network of columns: a circle of longitudes, poles to look across, and neighbours only."""

import pytest
import torch
from torch import Tensor

from models.posterior.jacobian import Jacobian
from models.prior.columns import ColumnNetwork, gathered, neighbourhood, spread

SHAPE, WINDOW = (3, 8, 12), 3
SEASON, SIGMA, SIX = torch.zeros(2, 4), torch.zeros(2), torch.tensor(6.0)


def a_network(places: bool = True, blocks: int = 2, fine: int = 2) -> ColumnNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = ColumnNetwork(SHAPE, torch.randn(2, *SHAPE[1:]), WINDOW, 24, blocks, fine, mix=5)
        for weight in network.parameters():
            if weight.ndim == 2 and not weight.any():
                torch.nn.init.normal_(weight, std=0.3)
    if not places:
        torch.nn.init.zeros_(network.place)
        network.static.zero_()
    return network.requires_grad_(False)


def windows() -> Tensor:
    return torch.randn(2, WINDOW, 6, *SHAPE[1:], generator=torch.Generator().manual_seed(1))


def test_untrained_it_corrects_nothing():
    network = ColumnNetwork(SHAPE, torch.zeros(2, *SHAPE[1:]), WINDOW, 24, blocks=1)
    assert not network(windows(), SIGMA, SEASON, SIX).any()


def test_without_places_turning_the_earth_turns_the_answer():
    network, x = a_network(places=False), windows()
    y = network(x, SIGMA, SEASON, SIX)
    assert y.shape == (2, WINDOW, *SHAPE)
    torch.testing.assert_close(network(x.roll(5, -1), SIGMA, SEASON, SIX), y.roll(5, -1), rtol=0, atol=1e-5)
    assert not torch.allclose(
        a_network()(x.roll(5, -1), SIGMA, SEASON, SIX), a_network()(x, SIGMA, SEASON, SIX).roll(5, -1)
    )


def test_beyond_the_pole_is_the_other_side():
    x = torch.arange(48.0).reshape(1, 4, 12, 1)
    around = neighbourhood(x)[0, 0, 2].reshape(3, 3)
    assert around[0].tolist() == x[0, 0, [7, 8, 9], 0].tolist()  # half a turn from columns 1, 2 and 3
    assert around[1].tolist() == x[0, 0, [1, 2, 3], 0].tolist()


@pytest.mark.parametrize(("blocks", "fine", "reach"), [(0, 1, 0), (2, 1, 2), (2, 2, 1), (3, 2, 2)])
def test_what_is_farther_than_one_place_a_block_is_not_heard(blocks: int, fine: int, reach: int):
    network, x = a_network(blocks=blocks, fine=fine), windows()
    y, moved = network(x, SIGMA, SEASON, SIX), x.clone()
    moved[..., 4, 5] += 1
    changed = (network(moved, SIGMA, SEASON, SIX) - y).abs().sum((0, 1, 2)).sum(0) > 1e-6
    assert changed.nonzero()[:, 0].tolist() == list(range(5 - reach, 5 + reach + 1))


def test_spreading_columns_and_gathering_them_is_nothing():
    x = torch.randn(2, 4, 6, 12, generator=torch.Generator().manual_seed(3))
    assert spread(x, 2).shape == (2, 8, 12, 3)
    assert gathered(spread(x, 2), 2).equal(x)


def test_noise_level_season_and_step_are_heard():
    network, x = a_network(), windows()
    y = network(x, SIGMA, SEASON, SIX)
    for other in (
        network(x, SIGMA + 1, SEASON, SIX),
        network(x, SIGMA, SEASON + 1, SIX),
        network(x, SIGMA, SEASON, 2 * SIX),
    ):
        assert not torch.allclose(other, y, atol=1e-3)


def test_its_jacobian_and_the_transposed_one_agree():
    network, x = a_network(), windows()
    at = Jacobian(lambda z: network(z, SIGMA, SEASON, SIX), x)
    generator = torch.Generator().manual_seed(2)
    u, w = (torch.randn(v.shape, generator=generator) for v in (x, at.value))
    assert float((at.push(u) * w).sum()) == pytest.approx(float((at.pull(w) * u).sum()), rel=1e-4)


def test_recomputing_changes_no_gradient():
    gradients = []
    for recompute in (False, True):
        network = a_network().requires_grad_()
        network.recompute = recompute
        network(windows(), SIGMA, SEASON, SIX).square().sum().backward()
        gradients.append(network.place.grad)
    torch.testing.assert_close(*gradients)
