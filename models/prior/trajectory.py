"""F for trajectories on the sphere: a space-time transformer that is told where, when and how far apart.

One token per latent column and time. Queries and keys are turned by angles proportional to longitude,
latitude and hour (rotary embedding; Su et al. 2021): what two tokens say to each other depends on how far
apart they are, and longitude is a circle since its frequencies are whole numbers. What is tied to a place,
its latitude, orography and coasts, enters as features of the token and a table learned per column. The same
network serves windows of any number of states and any step between them; noise level, season and step shift,
scale and gate each block (AdaLN-zero; Peebles & Xie 2023).
"""

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from models.prior.convolution import waves

CONDITION = 64  # width of the embedding of noise level, season and step
ZONAL = (1, 2, 3, 4, 6, 8)  # waves round a circle of latitude
MERIDIONAL = (1, 2, 4, 6, 8)  # likewise, of latitude
PERIODS = (24.0, 48.0, 96.0, 192.0, 384.0)  # hours
HEAD = 2 * (len(ZONAL) + len(MERIDIONAL) + len(PERIODS))  # width of a head


class Attention(nn.Module):
    """Multi-head self-attention over all tokens of a window, with normalised, rotated queries and keys."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)
        self.query_norm = nn.RMSNorm(HEAD)
        self.key_norm = nn.RMSNorm(HEAD)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        """(N, T, width), cosine and sine (T, HEAD / 2) -> (N, T, width)."""
        q, k, v = rearrange(self.qkv(x), "n t (three h d) -> three n h t d", three=3, d=HEAD)
        q, k = (_rotate(norm(part), rotation) for norm, part in ((self.query_norm, q), (self.key_norm, k)))
        y = F.scaled_dot_product_attention(q.to(v), k.to(v), v)
        return self.out(rearrange(y, "n h t d -> n t (h d)"))


def _rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    cosine, sine = rotation
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cosine - b * sine, a * sine + b * cosine], dim=-1)


class Block(nn.Module):
    """Attention and a two-layer network, each shifted, scaled and gated by the condition."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.attention = Attention(width)
        self.network = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.condition = nn.Linear(CONDITION, 6 * width)
        nn.init.zeros_(self.condition.weight)
        nn.init.zeros_(self.condition.bias)

    def forward(self, x: Tensor, condition: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        """(N, T, width), (N, CONDITION), see `Attention` -> (N, T, width)."""
        parts = self.condition(condition)[:, None].chunk(6, dim=-1)
        shift, scale, gate, shift2, scale2, gate2 = parts
        x = x + gate * self.attention(self.norm(x) * (1 + scale) + shift, rotation)
        return x + gate2 * self.network(self.norm(x) * (1 + scale2) + shift2)


class TrajectoryTransformer(nn.Module):
    """F: windows (N, L, 2 K, h, w) -> (N, L, K, h, w).

    Arguments:
        latent_shape: (K, h, w).
        static: fields per latent column, standardised, such as orography and land, (S, h, w).
        width: of a token, a multiple of HEAD.
        blocks: how many.
    """

    static: Tensor
    zonal: Tensor
    meridional: Tensor
    periods: Tensor

    def __init__(
        self, latent_shape: tuple[int, int, int], latitude: Tensor, static: Tensor, width: int, blocks: int
    ) -> None:
        super().__init__()
        channels, height, breadth = latent_shape
        if width % HEAD:
            raise ValueError(f"a width of {width} is not a multiple of {HEAD}, the width of a head")
        longitude = torch.arange(breadth) * 2 * math.pi / breadth
        self.register_buffer("static", static)
        self.register_buffer("zonal", longitude[:, None] * torch.tensor(ZONAL), persistent=False)
        self.register_buffer(
            "meridional", torch.deg2rad(latitude)[:, None] * torch.tensor(MERIDIONAL), persistent=False
        )
        self.register_buffer("periods", torch.tensor(PERIODS), persistent=False)
        self.inputs = nn.Linear(2 * channels, width)
        self.statics = nn.Linear(len(static), width)
        self.hours = nn.Linear(2 * len(PERIODS), width, bias=False)
        self.place = nn.Parameter(0.02 * torch.randn(height, breadth, width))
        self.embed = nn.Sequential(
            nn.Linear(2 * 32 + 4, CONDITION), nn.SiLU(), nn.Linear(CONDITION, CONDITION)
        )
        self.blocks = nn.ModuleList(Block(width) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.outputs = nn.Linear(width, channels)
        nn.init.zeros_(self.outputs.weight)
        nn.init.zeros_(self.outputs.bias)

    def forward(self, x: Tensor, log_sigma: Tensor, season: Tensor, step: Tensor) -> Tensor:
        """One network evaluation.

        Arguments:
            x: what the network sees of the window, (N, L, 2 K, h, w).
            log_sigma: of the noise level, (N,).
            season: harmonics of the year, (N, 4).
            step: hours between states, ().
        """
        _, window, _, height, breadth = x.shape
        hour = (torch.arange(window, device=x.device) - (window - 1) / 2) * step
        phase = hour[:, None] * (2 * math.pi / self.periods)
        where = self.place + self.statics(self.static.movedim(0, -1))
        when = self.hours(torch.cat([phase.cos(), phase.sin()], dim=-1))
        tokens = self.inputs(x.movedim(2, -1)) + where + when[:, None, None]
        tokens = rearrange(tokens, "n l h w c -> n (l h w) c")
        told = [waves(log_sigma), waves(step.log().expand(len(x))), season]
        condition = F.silu(self.embed(torch.cat(told, dim=-1)))
        rotation = self._rotation(phase)
        for block in self.blocks:
            tokens = block(tokens, condition, rotation)
        y = self.outputs(self.norm(tokens))
        return rearrange(y, "n (l h w) k -> n l k h w", l=window, h=height, w=breadth)

    def _rotation(self, phase: Tensor) -> tuple[Tensor, Tensor]:
        """Cosine and sine of the angles of all tokens, (L h w, HEAD / 2)."""
        shape = (len(phase), len(self.meridional), len(self.zonal), -1)
        angle = torch.cat(
            [
                self.zonal[None, None].expand(shape),
                self.meridional[None, :, None].expand(shape),
                phase[:, None, None].expand(shape),
            ],
            dim=-1,
        ).flatten(0, 2)
        return angle.cos(), angle.sin()
