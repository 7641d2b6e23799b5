"""The trajectory transformer: a circle of longitudes, any number of states, any step."""

import pytest
import torch
from torch import Tensor

from models.posterior.jacobian import Jacobian
from models.prior.trajectory import HEAD, TrajectoryTransformer

SHAPE = (3, 4, 8)
SEASON, SIGMA, SIX = torch.zeros(2, 4), torch.zeros(2), torch.tensor(6.0)


def a_network(places: bool = True) -> TrajectoryTransformer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = TrajectoryTransformer(
            SHAPE, torch.tensor([70.0, 20, -20, -70]), torch.randn(2, *SHAPE[1:]), width=HEAD, blocks=2
        )
        for name, weight in network.named_parameters():
            if "condition.weight" in name or "outputs" in name:
                torch.nn.init.normal_(weight, std=0.3)
    if not places:
        torch.nn.init.zeros_(network.place)
        network.static.zero_()
    return network.requires_grad_(False)


def windows(length: int = 3) -> Tensor:
    return torch.randn(2, length, 6, 4, 8, generator=torch.Generator().manual_seed(1))


def test_without_places_turning_the_earth_turns_the_answer():
    network, x = a_network(places=False), windows()
    y = network(x, SIGMA, SEASON, SIX)
    torch.testing.assert_close(network(x.roll(3, -1), SIGMA, SEASON, SIX), y.roll(3, -1), rtol=0, atol=1e-5)
    assert not torch.allclose(network(x.roll(1, -2), SIGMA, SEASON, SIX), y.roll(1, -2), atol=1e-2)


def test_with_places_it_does_not():
    network, x = a_network(), windows()
    y = network(x, SIGMA, SEASON, SIX)
    assert not torch.allclose(network(x.roll(3, -1), SIGMA, SEASON, SIX), y.roll(3, -1), atol=1e-2)


@pytest.mark.parametrize("length", [1, 4])
def test_windows_of_any_length(length: int):
    assert a_network()(windows(length), SIGMA, SEASON, SIX).shape == (2, length, *SHAPE)


def test_noise_level_season_and_step_are_heard():
    network, x = a_network(), windows()
    y = network(x, SIGMA, SEASON, SIX)
    for other in (
        network(x, SIGMA + 1, SEASON, SIX),
        network(x, SIGMA, SEASON + 1, SIX),
        network(x, SIGMA, SEASON, 2 * SIX),
    ):
        assert not torch.allclose(other, y, atol=1e-3)


def test_windows_of_a_batch_do_not_see_each_other():
    network, x = a_network(), windows()
    torch.testing.assert_close(
        network(x[:1], SIGMA[:1], SEASON[:1], SIX), network(x, SIGMA, SEASON, SIX)[:1], rtol=0, atol=1e-5
    )


def test_its_gradient_is_that_of_small_changes():
    network = a_network().double()
    x, u = (
        windows().double(),
        torch.randn(windows().shape, generator=torch.Generator().manual_seed(2)).double(),
    )

    def answer(z: Tensor) -> Tensor:
        return network(z, SIGMA.double(), SEASON.double(), SIX.double())

    at = Jacobian(answer, x)
    w = torch.randn(at.value.shape, generator=torch.Generator().manual_seed(3)).double()
    change = (answer(x + 1e-5 * u) - answer(x - 1e-5 * u)) / 2e-5
    assert float((at.pull(w) * u).sum()) == pytest.approx(float((change * w).sum()), rel=1e-6)


def test_a_width_of_other_heads_is_refused():
    with pytest.raises(ValueError, match=f"33 is not a multiple of {HEAD}"):
        TrajectoryTransformer(SHAPE, torch.zeros(4), torch.zeros(1, 4, 8), width=33, blocks=1)
