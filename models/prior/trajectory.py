"""F for trajectories on the sphere: a space-time transformer that is told where, when and how far apart.

One token per latent column and time. Queries and keys are turned by angles proportional to longitude,
latitude and hour (rotary embedding; Su et al. 2021): what two tokens say to each other depends on how far
apart they are, and longitude is a circle since its frequencies are whole numbers. What is tied to a place,
its latitude, orography and coasts, enters as features of the token and a table learned per column. The same
network serves windows of any number of states and any step between them; noise level, season and step shift,
scale and gate each block (AdaLN-zero; Peebles & Xie 2023).

Where there are too many tokens for each to attend to all, those of all times attend to each other in groups:
in turn of the `box` x `box` columns of a box, and of those at the same place in every box (MaxViT; Tu et al.
2022). After two blocks every token has heard of every other.
"""

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from models.prior.convolution import waves

CONDITION = 64  # width of the embedding of noise level, season and step
ZONAL = (1, 2, 3, 4, 6, 8)  # waves round a circle of latitude
MERIDIONAL = (1, 2, 4, 6, 8)  # likewise, of latitude
PERIODS = (24.0, 48.0, 96.0, 192.0, 384.0)  # hours
HEAD = 2 * (len(ZONAL) + len(MERIDIONAL) + len(PERIODS))  # width of a head
ALL = "n l h w c -> n (l h w) c"
NEAR = "n l (i a) (j b) c -> (n i j) (l a b) c"  # the columns of a box
FAR = "n l (i a) (j b) c -> (n a b) (l i j) c"  # those at the same place in every box


def finest(waves: tuple[int, ...], cells: int) -> Tensor:
    """The waves, stretched so that the highest is the finest that this many cells show, if that is finer."""
    stretch = max(1.0, math.log(cells / 2) / math.log(waves[-1]))
    return torch.tensor([round(wave**stretch) for wave in waves])


class Attention(nn.Module):
    """Multi-head self-attention over all tokens of a group, with normalised, rotated queries and keys."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)
        self.query_norm = nn.RMSNorm(HEAD)
        self.key_norm = nn.RMSNorm(HEAD)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        """(N, T, width), cosine and sine (N or 1, T, HEAD / 2) -> (N, T, width)."""
        q, k, v = rearrange(self.qkv(x), "n t (three h d) -> three n h t d", three=3, d=HEAD)
        q, k = (_rotate(norm(part), rotation) for norm, part in ((self.query_norm, q), (self.key_norm, k)))
        y = F.scaled_dot_product_attention(q.to(v), k.to(v), v)
        return self.out(rearrange(y, "n h t d -> n t (h d)"))


def _rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    cosine, sine = (part.unsqueeze(1) for part in rotation)
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cosine - b * sine, a * sine + b * cosine], dim=-1)


class Block(nn.Module):
    """Attention and a two-layer network, each shifted, scaled and gated by the condition.

    Arguments:
        groups: pattern by which tokens (N, L, h, w, width) form groups.
        box: a and b of the pattern.
    """

    def __init__(self, width: int, groups: str = ALL, box: int = 0) -> None:
        super().__init__()
        self.groups, self.box = groups, {"a": box, "b": box} if box else {}
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.attention = Attention(width)
        self.network = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.condition = nn.Linear(CONDITION, 6 * width)
        nn.init.zeros_(self.condition.weight)
        nn.init.zeros_(self.condition.bias)

    def forward(self, x: Tensor, condition: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        """(N, L, h, w, width), (N, CONDITION), (1, L, h, w, HEAD / 2) twice -> (N, L, h, w, width)."""
        parts = self.condition(condition)[:, None, None, None].chunk(6, dim=-1)
        shift, scale, gate, shift2, scale2, gate2 = parts
        x = x + gate * self._attend(self.norm(x) * (1 + scale) + shift, rotation)
        return x + gate2 * self.network(self.norm(x) * (1 + scale2) + shift2)

    def _attend(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        windows, length, height, breadth, _ = x.shape
        cosine, sine = (rearrange(part, self.groups, **self.box) for part in rotation)
        if len(cosine) > 1:
            cosine, sine = (part.repeat(windows, 1, 1) for part in (cosine, sine))
        y = self.attention(rearrange(x, self.groups, **self.box), (cosine, sine))
        before, after = self.groups.split(" -> ")
        sizes = {"n": windows, "l": length} | (
            {"i": height // self.box["a"], "j": breadth // self.box["b"], **self.box}
            if self.box
            else {"h": height, "w": breadth}
        )
        return rearrange(y, f"{after} -> {before}", **sizes)


class TrajectoryTransformer(nn.Module):
    """F: windows (N, L, 2 K, h, w) -> (N, L, K, h, w).

    Arguments:
        latent_shape: (K, h, w).
        static: fields per latent column, standardised, such as orography and land, (S, h, w).
        width: of a token, a multiple of HEAD.
        blocks: how many.
        box: of columns that attend to each other, if not all do; a divisor of h and w.
    """

    static: Tensor
    zonal: Tensor
    meridional: Tensor
    periods: Tensor

    recompute = False  # whether activations of blocks are computed again on the way back, not kept

    def __init__(
        self,
        latent_shape: tuple[int, int, int],
        latitude: Tensor,
        static: Tensor,
        width: int,
        blocks: int,
        box: int = 0,
    ) -> None:
        super().__init__()
        channels, height, breadth = latent_shape
        if width % HEAD:
            raise ValueError(f"a width of {width} is not a multiple of {HEAD}, the width of a head")
        if box and (height % box or breadth % box):
            raise ValueError(f"{height}x{breadth} latent columns cannot be cut into boxes of {box}x{box}")
        longitude = torch.arange(breadth) * 2 * math.pi / breadth
        self.register_buffer("static", static)
        self.register_buffer("zonal", longitude[:, None] * finest(ZONAL, breadth), persistent=False)
        self.register_buffer(
            "meridional", torch.deg2rad(latitude)[:, None] * finest(MERIDIONAL, 2 * height), persistent=False
        )
        self.register_buffer("periods", torch.tensor(PERIODS), persistent=False)
        self.inputs = nn.Linear(2 * channels, width)
        self.statics = nn.Linear(len(static), width)
        self.hours = nn.Linear(2 * len(PERIODS), width, bias=False)
        self.place = nn.Parameter(0.02 * torch.randn(height, breadth, width))
        self.embed = nn.Sequential(
            nn.Linear(2 * 32 + 4, CONDITION), nn.SiLU(), nn.Linear(CONDITION, CONDITION)
        )
        groups = (NEAR, FAR) if box else (ALL,)
        self.blocks = nn.ModuleList(Block(width, groups[k % len(groups)], box) for k in range(blocks))
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
        window = x.shape[1]
        hour = (torch.arange(window, device=x.device) - (window - 1) / 2) * step
        phase = hour[:, None] * (2 * math.pi / self.periods)
        where = self.place + self.statics(self.static.movedim(0, -1))
        when = self.hours(torch.cat([phase.cos(), phase.sin()], dim=-1))
        tokens = self.inputs(x.movedim(2, -1)) + where + when[:, None, None]
        told = [waves(log_sigma), waves(step.log().expand(len(x))), season]
        condition = F.silu(self.embed(torch.cat(told, dim=-1)))
        rotation = self._rotation(phase)
        for block in self.blocks:
            if self.recompute and torch.is_grad_enabled():
                tokens = checkpoint(block, tokens, condition, rotation, use_reentrant=False)
            else:
                tokens = block(tokens, condition, rotation)
        return self.outputs(self.norm(tokens)).movedim(-1, 2)

    def _rotation(self, phase: Tensor) -> tuple[Tensor, Tensor]:
        """Cosine and sine of the angles of all tokens, (1, L, h, w, HEAD / 2)."""
        shape = (len(phase), len(self.meridional), len(self.zonal), -1)
        angle = torch.cat(
            [
                self.zonal[None, None].expand(shape),
                self.meridional[None, :, None].expand(shape),
                phase[:, None, None].expand(shape),
            ],
            dim=-1,
        )[None]
        return angle.cos(), angle.sin()
