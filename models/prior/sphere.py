"""Autoencoder of states on the sphere: anomalies from the mean map <-> one latent column per patch.

Fields of a spectral model are smooth: most of what a patch holds can be told from its neighbours. So the code
is a lapped transform. With u the p x p patches of the anomaly (pixel-unshuffle; Shi et al. 2016),

    z = A * u + encoder(u),        u = B * z + decoder(z),

A and B being convolutions that reach over the patches around, started at the principal components of single
patches, scaled together so that latents have unit variance on average; encoder and decoder are residual
networks of wide depthwise convolutions (Liu et al. 2022) that start at zero. Along longitude padding is
circular; the row beyond a pole is the row half a turn away, and the networks are told the row they are in,
since north there is south and east is west. A mild bound, z / sqrt(1 + (z / BOUND)^2), keeps freak states
from being freak latents (Andry et al. 2025).
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BOUND = 20.0  # in units of the latents' standard deviation


def padded(x: Tensor, by: int) -> Tensor:
    """(..., h, w) -> (..., h + 2 by, w + 2 by): round the Earth and across its poles."""
    turned = x.roll(x.shape[-1] // 2, -1)
    x = torch.cat([turned[..., :by, :].flip(-2), x, turned[..., -by:, :].flip(-2)], dim=-2)
    return torch.cat([x[..., -by:], x, x[..., :by]], dim=-1)


class Convolution(nn.Module):
    """k x k, k odd, that keeps the shape; `groups` as of `nn.Conv2d`."""

    def __init__(self, inputs: int, outputs: int, size: int, groups: int = 1) -> None:
        super().__init__()
        self.kernel = nn.Conv2d(inputs, outputs, size, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, h, w) -> (N, outputs, h, w)."""
        return self.kernel(padded(x, self.kernel.kernel_size[0] // 2))


class Block(nn.Module):
    """x + network(depthwise(x)), the network's last layer starting at zero."""

    def __init__(self, width: int, size: int = 5) -> None:
        super().__init__()
        self.depthwise = Convolution(width, width, size, groups=width)
        self.norm = nn.GroupNorm(1, width)
        self.network = nn.Sequential(
            nn.Conv2d(width, 3 * width, 1), nn.GELU(), nn.Conv2d(3 * width, width, 1)
        )
        nn.init.zeros_(self.network[-1].weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, h, w) -> the same."""
        return x + self.network(self.norm(self.depthwise(x)))


class Trunk(nn.Module):
    """Blocks between two projections; starts at zero."""

    def __init__(self, inputs: int, outputs: int, rows: int, width: int, blocks: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, width, 1)
        self.row = nn.Parameter(torch.zeros(width, rows, 1))
        self.blocks = nn.Sequential(*(Block(width) for _ in range(blocks)))
        self.last = nn.Conv2d(width, outputs, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, h, w) -> (N, outputs, h, w)."""
        return self.last(self.blocks(self.first(x) + self.row))


class SphereAutoencoder(nn.Module):
    """State <-> latent.

    Arguments:
        state_shape: (C, H, W); H and W multiples of `patch`.
        patch: p, downsampling.
        latent: K, latent channels.
        reach: size of A and B, in patches, odd.
        width, blocks: of encoder and decoder.
    """

    climate: Tensor
    scale: Tensor

    def __init__(
        self,
        state_shape: tuple[int, int, int],
        patch: int,
        latent: int,
        reach: int,
        width: int,
        blocks: int,
    ) -> None:
        super().__init__()
        channels, height, breadth = state_shape
        if height % patch or breadth % patch:
            raise ValueError(
                f"a grid of {height}x{breadth} points cannot be cut into {patch}x{patch} patches"
            )
        self.patch = patch
        self.latent_shape = (latent, height // patch, breadth // patch)
        inside, rows = channels * patch**2, height // patch
        self.analyse = Convolution(inside, latent, reach)
        self.synthesise = Convolution(latent, inside, reach)
        self.encoder = Trunk(inside, latent, rows, width, blocks)
        self.decoder = Trunk(latent, inside, rows, width, blocks)
        self.register_buffer("climate", torch.zeros(state_shape))
        self.register_buffer("scale", torch.ones(()))

    @torch.no_grad()
    def start_from_patches(self, parts: Iterable[Tensor], climate: Tensor, weight: Tensor) -> None:
        """Mean map, and principal components of the patches of standardised states.

        Arguments:
            parts: states, a few at a time, (n, C, H, W).
            climate: their mean map, (C, H, W).
            weight: of the squares of errors, (H, 1) or (C, H, 1), such as cell areas.
        """
        self.climate.copy_(climate)
        total, count = torch.zeros(()), 0
        for x in parts:
            anomaly = (x.to(weight) - self.climate) * weight.sqrt()
            u = F.pixel_unshuffle(anomaly, self.patch).movedim(1, -1).flatten(0, -2)
            total = total.to(weight) + sum(part.double().T @ part.double() for part in u.split(2**14))
            count += len(u)
        covariance = total / count
        values, vectors = torch.linalg.eigh(covariance)
        keep = self.latent_shape[0]
        leading = vectors[:, -keep:].flip(1).to(weight)
        self.scale.copy_(values[-keep:].mean().sqrt())
        for layer, matrix in ((self.analyse, leading.T), (self.synthesise, leading)):
            middle = layer.kernel.kernel_size[0] // 2
            layer.kernel.weight.zero_()
            assert layer.kernel.bias is not None  # noqa: S101, for the type checker
            layer.kernel.bias.zero_()
            layer.kernel.weight[:, :, middle, middle] = matrix

    def encode(self, x: Tensor) -> Tensor:
        """Standardised states (..., C, H, W) -> latents (..., K, h, w)."""
        u = F.pixel_unshuffle((x - self.climate).reshape(-1, *x.shape[-3:]), self.patch)
        z = self.analyse(u) / self.scale + self.encoder(u)
        z = z * (1 + (z / BOUND).square()).rsqrt()
        return z.reshape(*x.shape[:-3], *self.latent_shape)

    def decode(self, z: Tensor) -> Tensor:
        """Latents (..., K, h, w) -> standardised states (..., C, H, W)."""
        flat = z.reshape(-1, *z.shape[-3:])
        u = self.synthesise(flat) * self.scale + self.decoder(flat)
        x = F.pixel_shuffle(u, self.patch)
        return x.reshape(*z.shape[:-3], *x.shape[-3:]) + self.climate
