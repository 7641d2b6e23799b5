"""Convolutional autoencoder: one state <-> one latent field.

A state x (C, H, W), standardised per channel, is cut into p x p patches u (pixel-unshuffle; Shi et al. 2016)
and projected to K channels on the coarse grid (H/p, W/p). The projection is linear plus a residual of 3x3
convolutions that starts at zero,

    z = P u + encoder(u),        u = Q z + decoder(z),

and P, Q start as the principal components of the patches (`start_from_patches`): training begins at the
best linear code and the decoder stays close to linear, which the guidance likes. Along longitude the
padding is circular on a grid that goes round the Earth, elsewhere edges are repeated. Latents are
standardised per channel with buffers measured after training, so that the diffusion prior sees unit variance.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Convolution(nn.Module):
    """3x3 convolution that keeps the shape; circular in longitude where `periodic`."""

    def __init__(self, inputs: int, outputs: int, periodic: bool) -> None:
        super().__init__()
        self.kernel = nn.Conv2d(inputs, outputs, 3)
        self.periodic = periodic

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, h, w) -> (N, outputs, h, w)."""
        x = F.pad(x, (1, 1, 0, 0), mode="circular" if self.periodic else "replicate")
        return self.kernel(F.pad(x, (0, 0, 1, 1), mode="replicate"))


class Residual(nn.Module):
    """x + conv(silu(conv(x))), the second convolution starting at zero."""

    def __init__(self, width: int, periodic: bool) -> None:
        super().__init__()
        self.first = Convolution(width, width, periodic)
        self.second = Convolution(width, width, periodic)
        nn.init.zeros_(self.second.kernel.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, h, w) -> the same."""
        return x + self.second(F.silu(self.first(x)))


class Autoencoder(nn.Module):
    """State <-> latent.

    Arguments:
        channels: C, fields of a state.
        shape: (H, W) of the grid; each a multiple of `patch`.
        patch: p, downsampling.
        latent: K, latent channels.
        width, blocks: of the residual trunk.
        periodic: whether the grid goes round the Earth.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        channels: int,
        shape: Sequence[int],
        patch: int,
        latent: int,
        width: int,
        blocks: int,
        periodic: bool,
    ) -> None:
        super().__init__()
        if shape[0] % patch or shape[1] % patch:
            raise ValueError(
                f"a grid of {shape[0]}x{shape[1]} points cannot be cut into {patch}x{patch} patches"
            )
        self.patch = patch
        self.latent_shape = (latent, shape[0] // patch, shape[1] // patch)
        patches = channels * patch**2
        self.analyse = nn.Conv2d(patches, latent, 1)
        self.synthesise = nn.Conv2d(latent, patches, 1)
        self.encoder = _trunk(patches, latent, width, blocks, periodic)
        self.decoder = _trunk(latent, patches, width, blocks, periodic)
        self.register_buffer("mean", torch.zeros(latent, 1, 1))
        self.register_buffer("std", torch.ones(latent, 1, 1))

    def start_from_patches(self, x: Tensor) -> None:
        """Sets P and Q to the leading principal components of the patches of states x (N, C, H, W)."""
        patches = F.pixel_unshuffle(x, self.patch).movedim(1, -1).flatten(0, -2).double()
        mean = patches.mean(0)
        _, vectors = torch.linalg.eigh((patches - mean).T @ (patches - mean))
        leading = vectors[:, -self.latent_shape[0] :].flip(1).to(x)
        with torch.no_grad():
            for layer, matrix, offset in (
                (self.analyse, leading.T, -leading.T @ mean.to(x)),
                (self.synthesise, leading, mean.to(x)),
            ):
                layer.weight.copy_(matrix[:, :, None, None])
                assert layer.bias is not None  # noqa: S101, for the type checker
                layer.bias.copy_(offset)

    def encode(self, x: Tensor) -> Tensor:
        """Standardised states (..., C, H, W) -> latents (..., K, h, w)."""
        u = F.pixel_unshuffle(x.reshape(-1, *x.shape[-3:]), self.patch)
        z = self.analyse(u) + self.encoder(u)
        return ((z - self.mean) / self.std).reshape(*x.shape[:-3], *self.latent_shape)

    def decode(self, z: Tensor) -> Tensor:
        """Latents (..., K, h, w) -> standardised states (..., C, H, W)."""
        raw = z.reshape(-1, *z.shape[-3:]) * self.std + self.mean
        x = F.pixel_shuffle(self.synthesise(raw) + self.decoder(raw), self.patch)
        return x.reshape(*z.shape[:-3], *x.shape[-3:])


def _trunk(inputs: int, outputs: int, width: int, blocks: int, periodic: bool) -> nn.Sequential:
    last = nn.Conv2d(width, outputs, 1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)  # type: ignore[arg-type]
    residuals = (Residual(width, periodic) for _ in range(blocks))
    return nn.Sequential(nn.Conv2d(inputs, width, 1), *residuals, last)
