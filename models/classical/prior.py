"""The diffusion prior of a classical problem: a convolutional denoiser of windows of any length.

The denoiser is preconditioned by unit variance (EDM), not by the covariance: whitened along time, a
trajectory no longer shows its dynamics, and after the same training the error at low noise was three
times as large. The Climatology is what the sampler starts from and preconditions its solve with.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.classical import stationary
from models.prior.card import BUNDLED
from models.prior.climatology import Climatology
from models.prior.convolution import ConvolutionalNetwork
from models.prior.denoiser import Denoiser


@dataclass(frozen=True, eq=False)
class ClassicalPrior:
    """p(z) of windows of standardised states (L, K, 1, w), `spacing` apart.

    Attributes:
        spacing: time between states.
        mean, std: of each component, over the attractor, (K,).
        autocovariance: c of the standardised states, (lags, K, K, w).
        network: F.
        architecture: arguments of F.
    """

    spacing: float
    mean: Tensor
    std: Tensor
    autocovariance: Tensor
    network: ConvolutionalNetwork
    architecture: dict[str, object]

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """(K, 1, w) of a state."""
        return self.autocovariance.shape[1], 1, self.autocovariance.shape[3]

    def denoiser(self, window: int) -> Denoiser:
        """D of windows of L states."""
        return Denoiser(stationary.white(window, self.shape), self.network).eval()

    def climatology(self, window: int) -> Climatology:
        """The Gaussian of the same windows."""
        return stationary.climatology(self.autocovariance, window)

    def standardise(self, x: Tensor) -> Tensor:
        """States (..., K, 1, w) -> z, float32."""
        return ((x - self.mean[:, None, None]) / self.std[:, None, None]).float()

    def restore(self, z: Tensor) -> Tensor:
        """z (..., K, 1, w) -> states, float64."""
        return z.double() * self.std[:, None, None] + self.mean[:, None, None]


def save(prior: ClassicalPrior, folder: Path) -> None:
    """Writes `prior.json` and `weights.safetensors`, in float32."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {f"network.{k}": v for k, v in prior.network.state_dict().items()}
    weights |= {"mean": prior.mean, "std": prior.std, "autocovariance": prior.autocovariance.float()}
    save_file({k: v.contiguous() for k, v in weights.items()}, folder / "weights.safetensors")
    (folder / "weights.safetensors").chmod(0o644)
    settings = {"spacing": prior.spacing, "architecture": prior.architecture}
    (folder / "prior.json").write_text(json.dumps(settings, indent=1) + "\n")


def load(name: str | Path) -> ClassicalPrior:
    """The prior in a folder, or the bundled one called `name`; in float32, without gradients."""
    folder = name if isinstance(name, Path) else BUNDLED / name
    settings, weights = (
        json.loads((folder / "prior.json").read_text()),
        load_file(folder / "weights.safetensors"),
    )
    network = build(settings["architecture"])
    network.load_state_dict(
        {k.partition(".")[2]: v.float() for k, v in weights.items() if k.startswith("network.")}
    )
    return ClassicalPrior(
        settings["spacing"],
        weights["mean"],
        weights["std"],
        weights["autocovariance"].double(),
        network.eval().requires_grad_(False),
        settings["architecture"],
    )


def build(architecture: dict[str, object]) -> ConvolutionalNetwork:
    """F with untrained weights, the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)  # initialisation of layers takes no generator
        return ConvolutionalNetwork(**architecture)  # type: ignore[arg-type]
