r"""A prior of windows together with a parameter of their dynamics, such as the forcing of Lorenz (1996).

The parameter theta ~ N(0, 1), standardised, is one more channel of the window, the same everywhere: a theta.
Of a noisy window only the mean of that channel tells about it: with n = L h w places,

    mean / a = theta + s e,      s = sigma / (a n^1/2),      e ~ N(0, 1).

The amplitude a decides at which noise level the sampler settles the parameter. With a = 1 that is long before
it settles the states, and observations of these come too late to be heard. With a = n^-1/2 (then s = sigma)
the parameter counts as much as one variable at one place, and settles together with the states.

Preconditioning is EDM's (Karras et al. 2022) with unit variance, for states at sigma and for theta at s.
"""

import torch
from einops import rearrange
from torch import Tensor, nn

from models.prior.convolution import CONDITION, ConvolutionalNetwork
from models.prior.denoiser import Denoiser


class ParameterNetwork(ConvolutionalNetwork):
    """As `ConvolutionalNetwork`; after each block all places hear the mean of all, and theta is read off it.

    Arguments:
        latent_shape: (K, h, w), the parameter being the last of the K channels.
        amplitude: a.
    """

    def __init__(
        self,
        latent_shape: tuple[int, int, int],
        width: int,
        blocks: int,
        kernel: tuple[int, int],
        amplitude: float,
    ) -> None:
        super().__init__(latent_shape, width, blocks, kernel)
        self.amplitude = amplitude
        self.hear = nn.ModuleList(nn.Linear(width, CONDITION) for _ in range(blocks))
        for layer in self.hear:
            nn.init.zeros_(layer.weight)  # type: ignore[arg-type]
        self.read = nn.Sequential(
            nn.Linear(width + CONDITION + 1, CONDITION), nn.SiLU(), nn.Linear(CONDITION, 1)
        )

    def forward(self, x: Tensor, log_sigma: Tensor, season: Tensor) -> Tensor:
        """x (N, L, 2 K, h, w), log_sigma (N,), season (not used) -> (N, L, K, h, w)."""
        height, channels = x.shape[3], x.shape[2] // 2
        condition = self.condition(log_sigma)
        noisy = x[:, :1, channels - 1, 0, 0]
        y = self.inputs(rearrange(x, "n l k h w -> n (k h) l w"))
        for block, hear in zip(self.blocks, self.hear, strict=True):
            y = block(y, condition)
            condition = condition + hear(y.mean((2, 3)))
        out = rearrange(self.outputs(y), "n (k h) l w -> n l k h w", h=height)
        theta = self.read(torch.cat([y.mean((2, 3)), condition, noisy], dim=1))[:, :, None, None, None]
        return torch.cat([out[:, :, :-1], theta.expand_as(out[:, :, -1:])], dim=2)


class WithParameter(Denoiser):
    """What denoisers of windows have in common whose last channel is a theta."""

    def noisy(self, z: Tensor) -> Tensor:
        """What the last channel of windows z (N, L, K, h, w) says of theta, (N,)."""
        return z[:, :, -1].mean((1, 2, 3)) / self.amplitude

    def parameter_noise(self, z: Tensor, sigma: Tensor) -> Tensor:
        """s^2 (N,) of windows z (N, L, K, h, w)."""
        places = z[0, :, 0].numel()
        return sigma**2 / (self.amplitude**2 * places)

    def parameter_loss(self, denoised: Tensor, clean: Tensor, sigma: Tensor) -> Tensor:
        """Squared error of theta (N,), in units of what a Gaussian expects that has not seen the states."""
        t2 = self.parameter_noise(clean, sigma)
        error = (denoised - clean)[:, 0, -1, 0, 0] / self.amplitude
        return error.square() * (1 + t2) / t2

    @property
    def amplitude(self) -> float:
        """a."""
        return float(self.network.amplitude)  # type: ignore[arg-type]


class ParameterDenoiser(WithParameter):
    """D(z, sigma) of windows whose last channel is a theta."""

    network: ParameterNetwork

    def forward(self, z: Tensor, sigma: Tensor, year_fraction: Tensor) -> Tensor:
        """E[z_0 | z], as in `Denoiser`; its last channel is constant."""
        place = (slice(None), None, None, None, None)
        s2, t2 = (sigma**2)[place], self.parameter_noise(z, sigma)[place]
        gain, parameter_gain = (1 + s2).rsqrt(), (1 + t2).rsqrt()
        states, like = z[:, :, :-1], z[:, :, -1:]
        noisy = self.noisy(z)[place]
        white = torch.cat([states * gain, (noisy * parameter_gain).expand_as(like)], dim=2)
        smooth = torch.cat([states * gain**2, (noisy * parameter_gain**2).expand_as(like)], dim=2)
        out = self.network(torch.cat([white, smooth], dim=2), sigma.log(), year_fraction)
        denoised = smooth[:, :, :-1] + s2.sqrt() * gain * out[:, :, :-1]
        theta = smooth[:, :, -1:] + t2.sqrt() * parameter_gain * out[:, :, -1:]
        return torch.cat([denoised, self.amplitude * theta], dim=2)
