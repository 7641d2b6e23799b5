"""The autoencoder on the sphere: its padding, its symmetry, its start and its bound."""

import pytest
import torch
from torch import Tensor

from models.prior.sphere import BOUND, SphereAutoencoder, padded


def an_autoencoder(latent: int = 24) -> SphereAutoencoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SphereAutoencoder(
            (3, 8, 16), patch=2, latent=latent, reach=3, width=16, blocks=1
        ).requires_grad_(False)


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def test_the_row_beyond_a_pole_is_the_row_half_a_turn_away():
    x = torch.arange(24.0).reshape(1, 1, 4, 6)
    around = padded(x, 2)[0, 0]
    assert around[2:-2, 2:-2].equal(x[0, 0])
    assert around[1, 2:-2].equal(x[0, 0, 0].roll(3)) and around[0, 2:-2].equal(x[0, 0, 1].roll(3))
    assert around[-2, 2:-2].equal(x[0, 0, 3].roll(3))
    assert around[:, :2].equal(around[:, -4:-2]) and around[:, -2:].equal(around[:, 2:4])


def test_turning_the_earth_turns_the_latents():
    autoencoder, x = an_autoencoder(), random(2, 3, 8, 16)
    for trunk in (autoencoder.encoder, autoencoder.decoder):
        torch.nn.init.normal_(trunk.last.weight, std=0.1)
    z = autoencoder.encode(x)
    torch.testing.assert_close(autoencoder.encode(x.roll(6, -1)), z.roll(3, -1))
    torch.testing.assert_close(autoencoder.decode(z.roll(3, -1)), autoencoder.decode(z).roll(6, -1))


def test_with_as_many_latents_as_values_it_starts_exact():
    autoencoder, x = an_autoencoder(latent=12), 5 + 3 * random(50, 3, 8, 16)
    autoencoder.start_from_patches(x.split(20), x.mean(0), torch.linspace(0.5, 1.5, 8)[:, None])
    z = autoencoder.encode(x)
    assert z.std() == pytest.approx(1, abs=0.1)
    restored = z * (1 - (z / BOUND) ** 2).rsqrt()
    torch.testing.assert_close(autoencoder.decode(restored), x, rtol=0, atol=1e-4)


def test_fewer_latents_keep_the_leading_components():
    autoencoder = an_autoencoder(latent=4)
    weak, strong = 0.1 * random(200, 3, 8, 16), random(200, 1, 1, 1) * torch.ones(3, 8, 16)
    autoencoder.start_from_patches([weak + strong], (weak + strong).mean(0), torch.ones(8, 1))
    error = autoencoder.decode(autoencoder.encode(weak + strong)) - (weak + strong)
    assert error.std() < 0.1 and autoencoder.climate.abs().max() < 0.5


def test_a_freak_state_is_no_freak_latent():
    autoencoder = an_autoencoder()
    assert autoencoder.encode(1e6 * random(1, 3, 8, 16)).abs().max() < 1.001 * BOUND


def test_a_grid_that_cannot_be_cut_is_refused():
    with pytest.raises(ValueError, match="9x16 points cannot be cut into 2x2"):
        SphereAutoencoder((3, 9, 16), patch=2, latent=4, reach=3, width=8, blocks=1)
