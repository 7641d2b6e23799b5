"""The diffusion prior of a classical problem: a convolutional denoiser of windows of any length.

The denoiser is preconditioned by unit variance (EDM), not by the covariance: whitened along time, a
trajectory no longer shows its dynamics, and after the same training the error at low noise was three
times as large. The Climatology is what the sampler starts from and preconditions its solve with.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.classical import stationary, torus
from models.prior.card import BUNDLED
from models.prior.climatology import Climatology
from models.prior.convolution import ConvolutionalNetwork
from models.prior.denoiser import Denoiser
from models.prior.parameter import ParameterDenoiser, ParameterNetwork
from models.prior.parameter_unet import ParameterRemainderDenoiser, ParameterUNet, with_parameter
from models.prior.remainder import RemainderDenoiser
from models.prior.unet import UNet

HALF = torch.cpu.get_capabilities().get("amx_bf16", False)  # elsewhere bfloat16 is slower than float32


@dataclass(frozen=True, eq=False)
class ClassicalPrior:
    """p(z) of windows of standardised states (L, K, h, w), `spacing` apart; h is 1 but for flows on a torus.

    Attributes:
        spacing: time between states.
        mean, std: of each component, over the attractor, (K,); a mean that differs between rows, (K, h, 1).
        autocovariance: c of the standardised states, (lags, K, K, w); on a torus (lags, K, K, h, w), and
            a parameter is not among the K.
        network: F.
        architecture: arguments of F.
    """

    spacing: float
    mean: Tensor
    std: Tensor
    autocovariance: Tensor
    network: ConvolutionalNetwork | UNet
    architecture: dict[str, object]

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """(K, h, w) of a state."""
        channels, height, width = cast(tuple[int, int, int], self.architecture["latent_shape"])
        return channels, height, width

    @property
    def flat(self) -> bool:
        """Whether states are fields on a torus."""
        return self.autocovariance.ndim == 5

    def denoiser(self, window: int, pace: int = 0) -> Denoiser:
        """D of windows of L states, 2^pace `spacing` apart.

        Raises:
            ValueError: the network has not learned that pace.
        """
        if isinstance(self.network, ParameterUNet):
            states = torus.climatology(self.autocovariance, window)
            return ParameterRemainderDenoiser(states, self.network).eval()
        if isinstance(self.network, UNet):
            return RemainderDenoiser(self.climatology(window), self.network).eval()
        white = stationary.white(window, self.shape)
        if isinstance(self.network, ParameterNetwork):
            return ParameterDenoiser(white, self.network).eval()
        return Denoiser(white, self.network.at(pace)).eval()

    def climatology(self, window: int, pace: int = 0) -> Climatology:
        """The Gaussian of the same windows."""
        c = self.autocovariance[:: 2**pace]
        if not self.flat:
            return stationary.climatology(c, window)
        states = torus.climatology(c, window)
        if isinstance(self.network, ParameterUNet):
            return with_parameter(states, self.network.amplitude)
        return states

    def standardise(self, x: Tensor) -> Tensor:
        """States (..., K, h, w) -> z, float32."""
        return ((x - self._centre) / self.std[:, None, None]).float()

    def restore(self, z: Tensor) -> Tensor:
        """z (..., K, h, w) -> states, float64."""
        return z.double() * self.std[:, None, None] + self._centre

    @property
    def _centre(self) -> Tensor:
        """The mean, (K, 1 or h, 1)."""
        return self.mean.reshape(len(self.mean), -1, 1)


def save(prior: ClassicalPrior, folder: Path, weights_as: torch.dtype = torch.float32) -> None:
    """Writes `prior.json` and `weights.safetensors`, in float32 but for the network's weights."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {f"network.{k}": v.to(weights_as) for k, v in prior.network.state_dict().items()}
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


def build(architecture: dict[str, object]) -> ConvolutionalNetwork | UNet:
    """F with untrained weights, the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)  # initialisation of layers takes no generator
        if "wave" in architecture and "amplitude" in architecture:
            return ParameterUNet(**architecture)  # type: ignore[arg-type]
        if "wave" in architecture:
            return UNet(**architecture)  # type: ignore[arg-type]
        if "amplitude" in architecture:
            return ParameterNetwork(**architecture)  # type: ignore[arg-type]
        return ConvolutionalNetwork(**architecture)  # type: ignore[arg-type]
