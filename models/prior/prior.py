"""A prior in memory: card, autoencoder and denoiser; saved and loaded as one folder.

The prior of a classical problem (`models.classical`) has no autoencoder: its latents are the standardised
states. Its folder is written by `models.classical.prior` and described by `models.classical.card`.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from models.classical import prior as classical
from models.prior.autoencoder import Autoencoder
from models.prior.card import PriorCard
from models.prior.climatology import Climatology
from models.prior.convolution import ConvolutionalNetwork
from models.prior.denoiser import Denoiser, SpaceTimeTransformer
from models.prior.forecaster import Forecaster
from models.prior.sphere import SphereAutoencoder
from models.prior.sphere_prior import assemble
from models.whole_files import written_whole


class Standardised(nn.Module):
    """The autoencoder of latents that are the standardised states themselves, less `mean` (K, h, w)."""

    def __init__(self, mean: Tensor) -> None:
        super().__init__()
        self.mean = mean

    def encode(self, x: Tensor) -> Tensor:
        """(..., K, h, w) -> the same shape."""
        return x - self.mean.to(x)

    def decode(self, z: Tensor) -> Tensor:
        """(..., K, h, w) -> the same shape."""
        return z + self.mean.to(z)


@dataclass(frozen=True, eq=False)
class Prior:
    """p(z): windows of latents; and the way from latents to states in SI units.

    `climatology` is the Gaussian model of the same latents; the denoiser may be preconditioned by another.
    Some have learned what follows from a state, too.
    """

    card: PriorCard
    autoencoder: Autoencoder | SphereAutoencoder | Standardised
    denoiser: Denoiser
    climatology: Climatology
    forecaster: Forecaster | None = None

    def decode(self, z: Tensor) -> Tensor:
        """Latents (..., K, h, w) -> states in SI units (..., C, H, W)."""
        return self._in_si(self.autoencoder.decode(z))

    def fields(self, z: Tensor) -> NDArray[np.float32]:
        """States in SI units as they are told to people, (..., C, H, W), none of them impossible.

        They obey the laws of the forecaster, if there is one.
        """
        with torch.no_grad():
            states = self.card.state.possible(self.decode(z).numpy())
            return states if self.forecaster is None else self.balanced(torch.from_numpy(states)).numpy()

    def encode(self, states: Tensor) -> Tensor:
        """States in SI units (..., C, H, W) -> latents (..., K, h, w)."""
        return self.autoencoder.encode(self._standardised(states))

    def ahead(self, states: Tensor, year_fraction: float) -> Tensor:
        """States of one time in SI units, (N, C, H, W), a step later, as the forecaster has them.

        Raises:
            ValueError: there is none.
        """
        forecaster = self.need_forecaster()
        after = [
            forecaster(x, x.new_full((len(x),), year_fraction))
            for x in self._standardised(states).split(TOGETHER)
        ]
        return self._in_si(torch.cat(after))

    def balanced(self, states: Tensor) -> Tensor:
        """States in SI units (..., C, H, W), as the forecaster's laws would have them.

        Raises:
            ValueError: there is no forecaster.
        """
        return self._in_si(self.need_forecaster().laws(self._standardised(states)))

    def need_forecaster(self) -> Forecaster:
        """The forecaster.

        Raises:
            ValueError: there is none.
        """
        if self.forecaster is None:
            raise ValueError(f"the prior {self.card.name} has no forecaster")
        return self.forecaster

    def _standardised(self, states: Tensor) -> Tensor:
        mean, std = self._scale(self.card.state.mean), self._scale(self.card.state.std)
        return ((states.double() - mean) / std).float()

    def _in_si(self, x: Tensor) -> Tensor:
        return x * self._scale(self.card.state.std).to(x) + self._scale(self.card.state.mean).to(x)

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
    return Prior(card, autoencoder.eval(), Denoiser(climatology, network).eval(), climatology)


def load_prior(card: PriorCard, step_hours: int | None = None) -> Prior:
    """The prior that `card` describes, in float32 on the CPU, without gradients.

    Arguments:
        step_hours: between states, if not the card's: some priors have learned several.

    Raises:
        ValueError: the prior has not learned that step, or its weights are not those of its card.
    """
    kind = card.architecture.get("kind")
    if step_hours is not None:
        card = _at_step(card, step_hours)
    if kind == "classical":
        return _of_model(card, classical.load(card.folder))
    weights = {k: v.float() for k, v in load_file(card.weights_path).items()}
    try:
        if kind == "sphere":
            return Prior(card, *assemble(card, weights))
        return _of_region(card, weights)
    except (KeyError, TypeError, RuntimeError) as error:
        first = "\n".join(f"{type(error).__name__}: {error}".splitlines()[:3])
        raise ValueError(
            f"{card.weights_path}: names and shapes of these weights are not what card.json beside them "
            f"describes; take both from one training with this version of Serein: {first}"
        ) from error


def _of_region(card: PriorCard, weights: dict[str, Tensor]) -> Prior:
    prior = build(card, card.architecture)
    for part, module in (("autoencoder", prior.autoencoder), ("denoiser", prior.denoiser)):
        module.load_state_dict(
            {k.partition(".")[2]: v for k, v in weights.items() if k.startswith(f"{part}.")}
        )
        module.requires_grad_(False)
    return prior


def _of_model(card: PriorCard, model: classical.ClassicalPrior) -> Prior:
    mean, std = (Prior._scale(x) for x in (card.state.mean, card.state.std))
    offset = (model.restore(torch.zeros(model.shape)) - mean) / std  # of places from the mean of all
    return Prior(card, Standardised(offset), model.denoiser(card.window), model.climatology(card.window))


def _at_step(card: PriorCard, step_hours: int) -> PriorCard:
    learned = card.architecture.get("climatology", {}).get("steps", [card.state.step_hours])
    if step_hours not in learned:
        known = ", ".join(map(str, learned))
        raise ValueError(f"the prior {card.name} has learned steps of {known} hours, not of {step_hours}")
    return replace(card, state=replace(card.state, step_hours=step_hours))


def save_prior(prior: Prior, folder: Path) -> None:
    """Writes `card.json` and `weights.safetensors`; large matrices of the denoiser in half precision."""
    weights = {}
    for part, module in (("autoencoder", prior.autoencoder), ("denoiser", prior.denoiser)):
        for name, value in module.state_dict().items():
            half = value.numel() >= HALF_FROM and part == "denoiser"
            weights[f"{part}.{name}"] = value.half() if half else value.float()
    write_prior(prior.card, weights, folder)


def write_prior(card: PriorCard, weights: dict[str, Tensor], folder: Path) -> None:
    """Writes `card.json` and, as they are, `weights.safetensors`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "weights.safetensors"
    with written_whole(path) as aside:  # who has loaded the old file has it mapped
        save_file({name: value.contiguous() for name, value in weights.items()}, aside)
    path.chmod(0o644)
    (folder / "card.json").write_text(json.dumps(card.to_dict(), indent=1, allow_nan=False) + "\n")


HALF_FROM = 4096  # values; smaller tensors stay in float32
TOGETHER = 4  # states that are forecast at once: what a CPU computes of more does not stay in its caches
