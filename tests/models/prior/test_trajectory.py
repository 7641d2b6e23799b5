"""The trajectory transformer: a circle of longitudes, any number of states, any step."""

import pytest
import torch
from torch import Tensor

from models.posterior.jacobian import Jacobian
from models.prior.trajectory import HEAD, MERIDIONAL, ZONAL, TrajectoryTransformer, finest

SHAPE = (3, 4, 8)
SEASON, SIGMA, SIX = torch.zeros(2, 4), torch.zeros(2), torch.tensor(6.0)


def a_network(places: bool = True, box: int = 0) -> TrajectoryTransformer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = TrajectoryTransformer(
            SHAPE, torch.tensor([70.0, 20, -20, -70]), torch.randn(2, *SHAPE[1:]), HEAD, blocks=2, box=box
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


def heard(network: TrajectoryTransformer) -> Tensor:
    """Which columns (h, w) the answer at the first state and column depends on."""
    x = windows().requires_grad_(True)
    network(x, SIGMA, SEASON, SIX)[0, 0, :, 0, 0].sum().backward()
    assert x.grad is not None
    return x.grad[0].abs().sum((0, 1)) > 0


def test_in_boxes_a_column_hears_its_neighbours_then_all():
    network = a_network(box=2)
    assert heard(network).all()
    near, far = network.blocks
    network.blocks = torch.nn.ModuleList([near])
    assert heard(network).nonzero().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    network.blocks = torch.nn.ModuleList([far])
    assert heard(network).nonzero().tolist() == [[i, j] for i in (0, 2) for j in (0, 2, 4, 6)]


def test_a_box_of_the_whole_is_attention_to_all():
    square = windows()[..., :4]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        plain = TrajectoryTransformer((3, 4, 4), torch.arange(4.0), torch.zeros(1, 4, 4), HEAD, blocks=1)
        for weight in plain.parameters():
            torch.nn.init.normal_(weight, std=0.2)
    boxed = TrajectoryTransformer((3, 4, 4), torch.arange(4.0), torch.zeros(1, 4, 4), HEAD, blocks=1, box=4)
    boxed.load_state_dict(plain.state_dict())
    expected = plain(square, SIGMA, SEASON, SIX)
    torch.testing.assert_close(boxed(square, SIGMA, SEASON, SIX), expected, rtol=0, atol=1e-4)


def test_activations_computed_again_give_the_same_gradient():
    gradients = []
    for recompute in (False, True):
        network = a_network(box=2).requires_grad_(True)
        network.recompute = recompute
        network(windows(), SIGMA, SEASON, SIX).square().sum().backward()
        gradients.append(network.place.grad)
    torch.testing.assert_close(*gradients)


def test_waves_are_as_fine_as_the_columns():
    assert finest(ZONAL, 16).tolist() == list(ZONAL) and finest(ZONAL, 8).tolist() == list(ZONAL)
    assert finest(ZONAL, 180).tolist() == [1, 4, 11, 20, 48, 90]
    assert finest(MERIDIONAL, 180)[-1] == 90


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


def test_columns_that_cannot_be_cut_into_boxes_are_refused():
    with pytest.raises(ValueError, match="4x8 latent columns cannot be cut into boxes of 3x3"):
        a_network(box=3)


def test_a_width_of_other_heads_is_refused():
    with pytest.raises(ValueError, match=f"33 is not a multiple of {HEAD}"):
        TrajectoryTransformer(SHAPE, torch.zeros(4), torch.zeros(1, 4, 8), width=33, blocks=1)
