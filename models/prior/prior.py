"""A prior in memory: card, autoencoder and denoiser; saved and loaded as one folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.prior.autoencoder import Autoencoder
from models.prior.card import PriorCard
from models.prior.climatology import Climatology
from models.prior.convolution import ConvolutionalNetwork
from models.prior.denoiser import Denoiser, SpaceTimeTransformer


@dataclass(frozen=True, eq=False)
class Prior:
    """p(z): windows of latents; and the way from latents to states in SI units."""

    card: PriorCard
    autoencoder: Autoencoder
    denoiser: Denoiser

    @property
    def climatology(self) -> Climatology:
        """The Gaussian model of the same latents."""
        return self.denoiser.climatology

    def decode(self, z: Tensor) -> Tensor:
        """Latents (..., K, h, w) -> states in SI units (..., C, H, W)."""
        x = self.autoencoder.decode(z)
        return x * self._scale(self.card.state.std).to(x) + self._scale(self.card.state.mean).to(x)

    def encode(self, states: Tensor) -> Tensor:
        """States in SI units (..., C, H, W) -> latents (..., K, h, w)."""
        mean, std = self._scale(self.card.state.mean), self._scale(self.card.state.std)
        return self.autoencoder.encode(((states.double() - mean) / std).float())

    @staticmethod
    def _scale(x: Any) -> Tensor:
        return torch.as_tensor(x, dtype=torch.float64)[:, None, None]


def build(card: PriorCard, architecture: dict[str, Any]) -> Prior:
    """A prior of this architecture with untrained weights."""
    state, shape = card.state, architecture["autoencoder"]
    autoencoder = Autoencoder(len(state.channels), state.grid.shape, **shape, periodic=state.grid.periodic)
    climatology = Climatology(card.window, autoencoder.latent_shape, architecture["rank"])
    network: SpaceTimeTransformer | ConvolutionalNetwork
    sizes = {k: v for k, v in architecture["denoiser"].items() if k != "kind"}
    if architecture["denoiser"].get("kind") == "convolution":
        network = ConvolutionalNetwork(autoencoder.latent_shape, **sizes)
    else:
        network = SpaceTimeTransformer(card.window, autoencoder.latent_shape, **sizes)
    return Prior(card, autoencoder.eval(), Denoiser(climatology, network).eval())


def load_prior(card: PriorCard) -> Prior:
    """The prior that `card` describes, in float32 on the CPU, without gradients."""
    prior = build(card, card.architecture)
    weights = {k: v.float() for k, v in load_file(card.weights_path).items()}
    for part, module in (("autoencoder", prior.autoencoder), ("denoiser", prior.denoiser)):
        module.load_state_dict(
            {k.partition(".")[2]: v for k, v in weights.items() if k.startswith(f"{part}.")}
        )
        module.requires_grad_(False)
    return prior


def save_prior(prior: Prior, folder: Path) -> None:
    """Writes `card.json` and `weights.safetensors`; large matrices in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {}
    for part, module in (("autoencoder", prior.autoencoder), ("denoiser", prior.denoiser)):
        for name, value in module.state_dict().items():
            half = value.numel() >= HALF_FROM and part == "denoiser"
            weights[f"{part}.{name}"] = (value.half() if half else value.float()).contiguous()
    path = folder / "weights.safetensors"
    save_file(weights, path)
    path.chmod(0o644)
    (folder / "card.json").write_text(json.dumps(prior.card.to_dict(), indent=1, allow_nan=False) + "\n")


HALF_FROM = 4096  # values; smaller tensors stay in float32
