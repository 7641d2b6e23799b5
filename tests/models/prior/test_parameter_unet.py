"""Untrained, the denoiser of a flow and its parameter is exact for the Climatology and theta ~ N(0, 1)."""

import torch

from models.prior.climatology import Climatology
from models.prior.parameter_unet import (
    BANDS,
    ParameterRemainderDenoiser,
    ParameterUNet,
    spectrum,
    with_parameter,
)

SHAPE, WINDOW, AMPLITUDE = (3, 8, 8), 2, 0.08
PLACES = WINDOW * 8 * 8


def states() -> Climatology:
    generator = torch.Generator().manual_seed(0)
    out = Climatology(WINDOW, (2, 8, 8), 20)
    basis = torch.linalg.qr(torch.randn(2 * PLACES, 20, generator=generator))[0]
    out.modes.copy_(basis.T)
    out.variances.copy_(torch.linspace(4, 0.5, 20))
    out.floor.fill_(0.01)
    return out


def network() -> ParameterUNet:
    return ParameterUNet(SHAPE, WINDOW, width=8, blocks=1, wave=4, amplitude=AMPLITUDE)


def windows(number: int, generator: torch.Generator) -> torch.Tensor:
    z = torch.randn(number, WINDOW, *SHAPE, generator=generator)
    z[:, :, :2] = states().apply(lambda c: c.sqrt(), z[:, :, :2])
    z[:, :, 2] = AMPLITUDE * torch.randn(number, 1, 1, 1, generator=generator)
    return z


def test_it_is_the_denoiser_of_the_joint_gaussian() -> None:
    generator, sigma = torch.Generator().manual_seed(1), 0.7
    clean = windows(8, generator)
    z = clean + sigma * torch.randn(clean.shape, generator=generator)
    level = torch.full((len(z),), sigma)
    denoiser = ParameterRemainderDenoiser(states(), network()).eval()
    with torch.no_grad():
        found = denoiser(z, level, torch.zeros(len(z), WINDOW))
    joint = with_parameter(states(), AMPLITUDE)
    # the Gaussian's floor also fills the last channel, where the window knows that all places are one theta
    expected = joint.denoise(z, torch.tensor(sigma), torch.zeros(WINDOW, *SHAPE))
    theta = expected[:, :, 2:].mean((1, 2, 3, 4), keepdim=True).expand_as(expected[:, :, 2:])
    torch.testing.assert_close(found[:, :, :2], expected[:, :, :2], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found[:, :, 2:], theta, atol=1e-5, rtol=1e-5)


def test_the_joint_gaussian_has_the_spread_of_theta_and_orthonormal_modes() -> None:
    joint = with_parameter(states(), AMPLITUDE)
    torch.testing.assert_close(joint.modes @ joint.modes.T, torch.eye(21).double(), atol=1e-5, rtol=0)
    generator = torch.Generator().manual_seed(2)
    drawn = joint.apply(lambda c: c.sqrt(), torch.randn(4000, WINDOW, *SHAPE, generator=generator))
    theta = drawn[:, :, 2].mean((1, 2, 3)) / AMPLITUDE
    assert abs(float(theta.std()) - 1) < 0.03


def test_what_is_seen_of_the_states_moves_theta_and_theta_moves_the_states() -> None:
    generator, net = torch.Generator().manual_seed(3), network()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2, generator=generator)
    x = torch.randn(1, WINDOW, 4, 8, 8, generator=generator)
    other, level, noisy = x.clone(), torch.zeros(1), torch.zeros(1)
    other[:, :, 0, 0, 0] += 1
    with torch.no_grad():
        out, theta = net.both(x, level, noisy)
        assert net.both(other, level, noisy)[1] != theta
        assert not torch.equal(net.both(x, level, noisy + 1)[0], out)


def test_the_spectrum_of_white_noise_is_flat_and_a_wave_is_in_its_band() -> None:
    generator = torch.Generator().manual_seed(4)
    white = spectrum(torch.randn(2, 64, 1, 64, 64, generator=generator))
    assert white.shape == (2, BANDS)
    assert white.abs().max() < 0.3
    x = (torch.arange(64) * (2 * torch.pi * 9 / 64)).cos().expand(1, 1, 1, 64, 64)
    assert int(spectrum(x).argmax()) == 4  # two wavenumbers to a band
