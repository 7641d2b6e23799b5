r"""The learned prior: a denoiser of windows of latents, preconditioned by the Climatology.

EDM (Karras et al. 2022) scales input, skip and output by scalars so that, for data of variance s^2, the
network sees and predicts unit variance. Weather latents are far from white, so here the scalar s^2 becomes
the Climatology's covariance C. With a = z_sigma - m(t),

    D(z_sigma; sigma) = m + C (C + sigma^2)^-1 a  +  sigma C^1/2 (C + sigma^2)^-1/2 F(...)

    F sees   (C + sigma^2)^-1/2 a   (white)   and   C^1/2 (C + sigma^2)^-1 a   (smooth).

With F = 0 this is the exact denoiser of the Gaussian climatology, so the network only has to learn what is
not Gaussian, and a loss of 1 (`relative_loss`) means "no better than the Gaussian".
"""

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from models.prior.climatology import Climatology, seasonal
from models.prior.gain import Gain


class Attention(nn.Module):
    """Multi-head self-attention over all tokens of a window, with normalised queries and keys."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)
        self.query_norm = nn.RMSNorm(width // heads)
        self.key_norm = nn.RMSNorm(width // heads)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, width) -> the same."""
        q, k, v = rearrange(self.qkv(x), "n t (three h d) -> three n h t d", three=3, h=self.heads)
        y = F.scaled_dot_product_attention(self.query_norm(q), self.key_norm(k), v)
        return self.out(rearrange(y, "n h t d -> n t (h d)"))


class Block(nn.Module):
    """Attention and a two-layer network, each shifted, scaled and gated by the condition (AdaLN-zero)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.attention = Attention(width, heads)
        self.network = nn.Sequential(nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width))
        self.condition = nn.Parameter(torch.zeros(6, width, CONDITION))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(N, T, width), (N, CONDITION) -> (N, T, width)."""
        shift, scale, gate, shift2, scale2, gate2 = torch.einsum("swc,nc->snw", self.condition, condition)[
            :, :, None
        ]
        x = x + gate * self.attention(self.norm(x) * (1 + scale) + shift)
        return x + gate2 * self.network(self.norm(x) * (1 + scale2) + shift2)


CONDITION = 64  # width of the embedding of noise level and season


class SpaceTimeTransformer(nn.Module):
    """F: windows (N, L, I, h, w) -> (N, L, K, h, w), one token per latent column and time."""

    def __init__(
        self,
        window: int,
        latent_shape: tuple[int, int, int],
        width: int,
        blocks: int,
        heads: int,
    ) -> None:
        super().__init__()
        channels, height, breadth = latent_shape
        self.inputs = nn.Linear(2 * channels, width)
        self.time = nn.Parameter(0.02 * torch.randn(window, 1, 1, width))
        self.row = nn.Parameter(0.02 * torch.randn(1, height, 1, width))
        self.column = nn.Parameter(0.02 * torch.randn(1, 1, breadth, width))
        self.embed = nn.Sequential(nn.Linear(32 + 4, CONDITION), nn.SiLU(), nn.Linear(CONDITION, CONDITION))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.outputs = nn.Linear(width, channels)
        nn.init.zeros_(self.outputs.weight)
        nn.init.zeros_(self.outputs.bias)

    def forward(self, x: Tensor, log_sigma: Tensor, season: Tensor) -> Tensor:
        """x (N, L, 2 K, h, w), log_sigma (N,), season (N, 4) -> (N, L, K, h, w)."""
        _, window, _, height, breadth = x.shape
        tokens = self.inputs(rearrange(x, "n l k h w -> n l h w k")) + self.time + self.row + self.column
        tokens = rearrange(tokens, "n l h w c -> n (l h w) c")
        frequency = torch.exp(torch.linspace(math.log(0.25), math.log(8.0), 16))
        phase = log_sigma[:, None] * frequency
        condition = F.silu(self.embed(torch.cat([phase.cos(), phase.sin(), season], dim=-1)))
        for block in self.blocks:
            tokens = block(tokens, condition)
        y = self.outputs(self.norm(tokens))
        return rearrange(y, "n (l h w) k -> n l k h w", l=window, h=height, w=breadth)


class Denoiser(nn.Module):
    """D(z, sigma): windows with noise -> the expectation of the window without.

    Arguments:
        gain: of what lies outside of the Climatology's modes of space, if it has been measured.
    """

    def __init__(self, climatology: Climatology, network: nn.Module, gain: Gain | None = None) -> None:
        super().__init__()
        self.climatology = climatology
        self.network = network
        self.gain = gain

    def forward(self, z: Tensor, sigma: Tensor, year_fraction: Tensor) -> Tensor:
        """E[z_0 | z].

        Arguments:
            z: noisy windows, (N, L, K, h, w).
            sigma: standard deviation of their noise, (N,).
            year_fraction: when each state is, (N, L), in [0, 1).
        """
        climate, s2 = self.climatology, sigma[:, None] ** 2
        mean = climate.mean(year_fraction)
        anomaly = z - mean
        white = climate.apply(lambda c: (c + s2).rsqrt(), anomaly)
        smooth = climate.apply(lambda c: c.sqrt() / (c + s2).sqrt(), white)
        season = seasonal(year_fraction)[..., 1:].mean(-2)
        correction = self.network(torch.cat([white, smooth], dim=2), sigma.log(), season)
        gaussian = climate.apply(lambda c: c.sqrt(), smooth)
        departure = gaussian + climate.apply(lambda c: (s2 * c / (c + s2)).sqrt(), correction)
        return mean + (self.gain(departure, sigma, climate.directions) if self.gain else departure)


def relative_loss(error: Tensor, sigma: Tensor, climatology: Climatology) -> Tensor:
    """Squared errors (N, L, K, h, w) per window (N,), in units of what the Gaussian denoiser expects."""
    s2 = sigma[:, None] ** 2
    size, rank = math.prod(climatology.shape), len(climatology.variances)
    c, d = climatology.variances, climatology.floor
    expected = (c * s2 / (c + s2)).sum(-1) + (size - rank) * (d * s2 / (d + s2))[:, 0]
    return error.flatten(1).square().sum(-1) / expected
