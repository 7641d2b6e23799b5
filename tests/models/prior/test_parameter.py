"""Untrained, the denoiser of a window and a parameter is exact for white states and theta ~ N(0, 1)."""

import torch

from models.classical import stationary
from models.prior.parameter import ParameterDenoiser, ParameterNetwork

SHAPE, WINDOW, AMPLITUDE = (2, 1, 6), 4, 0.1


def denoiser() -> ParameterDenoiser:
    network = ParameterNetwork(SHAPE, width=8, blocks=2, kernel=(3, 3), amplitude=AMPLITUDE)
    torch.nn.init.zeros_(network.read[-1].weight)
    torch.nn.init.zeros_(network.read[-1].bias)
    return ParameterDenoiser(stationary.white(WINDOW, SHAPE), network).eval()


def windows(number: int, generator: torch.Generator) -> torch.Tensor:
    z = torch.randn(number, WINDOW, *SHAPE, generator=generator)
    z[:, :, 1] = AMPLITUDE * torch.randn(number, 1, 1, 1, generator=generator)
    return z


def test_the_mean_of_the_channel_tells_of_the_parameter() -> None:
    generator = torch.Generator().manual_seed(0)
    clean, sigma = windows(4000, generator), 0.5
    z = clean + sigma * torch.randn(clean.shape, generator=generator)
    level = torch.full((len(z),), sigma)
    with torch.no_grad():
        found = denoiser()(z, level, torch.zeros(len(z), WINDOW))
    torch.testing.assert_close(found[:, :, 0], z[:, :, 0] / (1 + sigma**2))
    theta = z[:, :, 1].mean((1, 2, 3)) / AMPLITUDE
    variance = sigma**2 / (AMPLITUDE**2 * WINDOW * 6)
    expected = (AMPLITUDE * theta / (1 + variance))[:, None, None, None].expand_as(found[:, :, 1])
    torch.testing.assert_close(found[:, :, 1], expected)
    loss = denoiser().parameter_loss(found, clean, level)
    assert abs(float(loss.mean()) - 1) < 0.1  # what the Gaussian expects


def test_every_place_hears_of_a_change_far_away() -> None:
    network = ParameterNetwork((2, 1, 40), width=8, blocks=2, kernel=(1, 3), amplitude=AMPLITUDE)
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2, generator=generator)
    x = torch.randn(1, WINDOW, 4, 1, 40, generator=generator)
    other = x.clone()
    other[:, :, 0, :, 0] += 1
    level = torch.zeros(1)
    with torch.no_grad():
        apart = network(other, level, level) - network(x, level, level)
    assert float(apart[:, :, 0, :, 20].abs().min()) > 0  # the kernels reach five points only
    assert torch.equal(apart[:, :, 1], apart[:, :1, 1, :, :1].expand_as(apart[:, :, 1]))
