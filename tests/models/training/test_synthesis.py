"""The closed form of what training an autoencoder's linear synthesis would come to."""

import pytest
import torch

from models.prior.sphere import SphereAutoencoder
from models.training.synthesis import fit_synthesis

NOISE = 0.1
WEIGHT = torch.linspace(0.5, 1.5, 8)[:, None]


def smooth(seed: int) -> torch.Tensor:
    """Fields of two channels whose patches tell of their neighbours, (400, 2, 8, 16)."""
    generator = torch.Generator().manual_seed(seed)
    rough = torch.randn(400, 2, 8, 16, generator=generator)
    return sum(rough.roll((i, j), (-2, -1)) for i in range(3) for j in range(3)) / 3  # type: ignore[return-value]


@pytest.fixture
def states() -> torch.Tensor:
    return smooth(0)


@pytest.fixture
def autoencoder(states: torch.Tensor) -> SphereAutoencoder:
    """Begun as training begins, but for a decoder that does something."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        made = SphereAutoencoder((2, 8, 16), patch=2, latent=3, reach=3, width=8, blocks=1)
        torch.nn.init.normal_(made.decoder.last.weight, std=0.1)
    made.start_from_patches([states], states.mean(0), WEIGHT)
    return made


def lost(autoencoder: SphereAutoencoder, states: torch.Tensor) -> torch.Tensor:
    """Mean square by area, and what noise on the code adds to it through B."""
    z, layer = autoencoder.encode(states), autoencoder.synthesise.kernel
    square = (autoencoder.decode(z) - states).square() * WEIGHT.reshape(4, 2).mean(1).repeat_interleave(2)[
        :, None
    ]
    amplified = (NOISE * autoencoder.scale * layer.weight).square().sum() / layer.out_channels
    return square.mean() + amplified


def test_nothing_linear_loses_less(autoencoder: SphereAutoencoder, states: torch.Tensor) -> None:
    before = lost(autoencoder, states)
    assert fit_synthesis(autoencoder, states.split(150), WEIGHT, NOISE)
    best = lost(autoencoder, states)
    assert best < 0.8 * before
    best.backward()
    layer = autoencoder.synthesise.kernel
    assert layer.bias is not None and layer.weight.grad is not None and layer.bias.grad is not None
    assert layer.weight.grad.abs().max() < 1e-4 and layer.bias.grad.abs().max() < 1e-4
    with torch.no_grad():
        for seed in range(3):
            step = 0.02 * torch.randn(layer.weight.shape, generator=torch.Generator().manual_seed(seed))
            layer.weight += step
            assert lost(autoencoder, states) > best
            layer.weight -= step


def test_states_of_another_draw_lose_less_too(autoencoder: SphereAutoencoder, states: torch.Tensor) -> None:
    unseen = smooth(1)
    before = lost(autoencoder, unseen).detach()
    fit_synthesis(autoencoder, [states], WEIGHT, NOISE)
    assert lost(autoencoder, unseen) < 0.85 * before


def test_too_few_states_leave_it_as_it_was(autoencoder: SphereAutoencoder, states: torch.Tensor) -> None:
    before = autoencoder.synthesise.kernel.weight.clone()
    assert not fit_synthesis(autoencoder, [states[:4]], WEIGHT, NOISE)
    assert torch.equal(before, autoencoder.synthesise.kernel.weight)
