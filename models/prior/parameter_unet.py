r"""A prior of flows on a torus together with a parameter of them, such as the Reynolds number.

As in `models.prior.parameter` the parameter is one more channel of the window, a theta at every place. The
states are denoised as in `models.prior.remainder`; the network is told the noisy theta as it is told the
noise level, and reads theta off the mean of its coarser level, where it has seen all of the window, and off
the power spectrum of what it is given, which convolutions whose features are normalised do not keep.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.prior.climatology import Climatology
from models.prior.convolution import CONDITION, waves
from models.prior.parameter import WithParameter
from models.prior.remainder import RemainderDenoiser
from models.prior.unet import UNet

BANDS = 16  # of wavenumbers


def spectrum(x: Tensor) -> Tensor:
    """Logarithm of the mean power of fields (N, L, C, n, n) in bands of wavenumbers: (N, C BANDS).

    Of white noise of unit variance it is 0, but for chance; -14 in bands that a small grid does not have.
    """
    n = x.shape[-1]
    wave = torch.fft.fftfreq(n, 1 / n)[:, None].hypot(torch.fft.rfftfreq(n, 1 / n))
    band = (wave * (2 * BANDS / n)).long().clamp_max(BANDS - 1).flatten()
    share = F.one_hot(band, BANDS).to(x)
    power = torch.fft.rfft2(x, norm="ortho").abs().square().mean(1).flatten(2)
    with torch.autocast(x.device.type, enabled=False):
        return (power @ (share / share.sum(0).clamp_min(1)) + 1e-6).log().flatten(1)


class ParameterUNet(UNet):
    """As `UNet` for the states, and an estimate of theta.

    Arguments:
        latent_shape: (K, h, w), the parameter being the last of the K channels.
        amplitude: a.
    """

    def __init__(
        self,
        latent_shape: tuple[int, int, int],
        window: int,
        width: int,
        blocks: int,
        wave: int,
        amplitude: float,
    ) -> None:
        channels, height, breadth = latent_shape
        super().__init__((channels - 1, height, breadth), window, width, blocks, wave)
        self.amplitude = amplitude
        self.tell = nn.Sequential(nn.Linear(1, CONDITION), nn.SiLU(), nn.Linear(CONDITION, CONDITION))
        self.read = nn.Sequential(
            nn.Linear(2 * width + CONDITION + 1 + 2 * (channels - 1) * BANDS, CONDITION),
            nn.SiLU(),
            nn.Linear(CONDITION, CONDITION),
            nn.SiLU(),
            nn.Linear(CONDITION, 1),
        )
        for last in (self.tell[-1], self.read[-1]):
            nn.init.zeros_(last.weight)  # type: ignore[arg-type]
            nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    def both(self, x: Tensor, log_sigma: Tensor, noisy: Tensor) -> tuple[Tensor, Tensor]:
        """F of the states, (N, L, K - 1, h, w), and of theta, (N,), which comes noisy, (N,)."""
        condition = F.silu(self.embed(waves(log_sigma)) + self.tell(noisy[:, None]))
        out, coarse = self.seen(x, condition)
        known = torch.cat([coarse.mean((2, 3)), condition, noisy[:, None], spectrum(x)], dim=1)
        return out, self.read(known)[:, 0]


class ParameterRemainderDenoiser(WithParameter, RemainderDenoiser):
    """D(z, sigma) of windows of mean 0 whose last channel is a theta; `climatology`: of the others."""

    network: ParameterUNet

    def forward(self, z: Tensor, sigma: Tensor, year_fraction: Tensor) -> Tensor:
        """E[z_0 | z], as in `Denoiser`; its last channel is constant."""
        noisy, t2 = self.noisy(z), self.parameter_noise(z, sigma)
        gaussian, error, inputs = self.parts(z[:, :, :-1], sigma)
        out, correction = self.network.both(inputs, sigma.log(), noisy * (1 + t2).rsqrt())
        theta = noisy / (1 + t2) + (t2 / (1 + t2)).sqrt() * correction
        channel = self.amplitude * theta[:, None, None, None, None].expand_as(z[:, :, -1:])
        return torch.cat([gaussian + error * out, channel], dim=2)


def with_parameter(states: Climatology, amplitude: float) -> Climatology:
    """The Gaussian of windows with one more channel, a theta at every place, with theta ~ N(0, 1)."""
    window, channels, height, width = states.shape
    places = window * height * width
    rank = len(states.variances)
    out = Climatology(window, (channels + 1, height, width), rank + 1)
    modes = out.modes.view(rank + 1, window, channels + 1, height, width)
    modes[:rank, :, :channels] = states.modes.view(rank, *states.shape)
    modes[rank, :, channels] = places**-0.5
    out.variances.copy_(torch.cat([states.variances, states.variances.new_tensor([amplitude**2 * places])]))
    out.floor.copy_(states.floor)
    return out
