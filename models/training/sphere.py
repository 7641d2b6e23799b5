"""Trains a prior of the whole Earth: autoencoder, lagged covariances, denoiser, card. Each stage resumes.

States are never in memory as a whole. Their latents are: for thirty years of 8 x 16 columns of 96 numbers
they take 2 GB, and a few times as much while covariances are fitted.
"""

import dataclasses
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from models.prior.card import PriorCard
from models.prior.lagged import LaggedCovariance
from models.prior.prior import HALF_FROM, Prior, write_prior
from models.prior.sphere import SphereAutoencoder
from models.prior.sphere_prior import assemble, build_autoencoder, build_network
from models.prior.trajectory import TrajectoryTransformer
from models.state.channels import channel
from models.state.spec import StateSpec
from models.training.config import SphereConfig
from models.training.run import Report, Tick, described
from models.training.same_run import same_run
from models.training.sphere_autoencoder import encode_all, residual, train_autoencoder
from models.training.sphere_denoiser import train_denoiser
from models.training.trajectories import Trajectories, prepare


def train_sphere(
    config: SphereConfig,
    data: Path | str,
    folder: Path,
    report: Report,
    tick: Tick = lambda stage, step: None,
    reading: Tick = lambda stage, step: None,
    device: str = "cpu",
) -> Prior:
    """Trains the prior of `config` on a Zarr store, and writes it to `folder`/prior; resumes what is there.

    Arguments:
        report, tick: as of `models.training.run.train_prior`.
        reading: called with "data" and the percentage read, while data are prepared.
        device: where networks are trained, such as "cuda"; there in bfloat16.
    """
    same_run(folder, {"data": str(Path(data).resolve()), **_what_matters(config)})
    found = prepare(
        data,
        config.channels,
        config.step_hours,
        config.years,
        folder,
        lambda done, of: reading("data", 100 * done // of),
    )
    card = _card(config, found, folder / "prior")
    autoencoder, network = _build(card, found)
    autoencoder.to(device)
    network.to(device)
    train_autoencoder(config, autoencoder, found, folder, report, tick)
    lost = residual(autoencoder, found, found.of_years(config.years["validate"]))
    card = dataclasses.replace(card, representativeness=_in_si(lost, card))
    latents = encode_all(autoencoder, found, folder)
    rows = found.of_years(config.years["train"])
    lagged = LaggedCovariance.fit(
        latents[rows],
        found.year_fraction[rows],
        found.years[rows],
        modes=config.climatology.modes,
        rank=config.climatology.rank,
        window=config.window,
        steps=config.steps,
    )
    card = _with_floor(card, lagged)
    train_denoiser(config, network, lagged, latents, found, folder, report, tick)
    weights = _tensors(autoencoder, network, lagged)
    test = _in_si(residual(autoencoder, found, found.of_years(config.years["test"])), card)
    card = dataclasses.replace(card, scores={"reconstruction": test})
    weights = {name: value.cpu() for name, value in weights.items()}
    write_prior(card, {name: _half(name, value) for name, value in weights.items()}, folder / "prior")
    return Prior(card, *assemble(card, weights))


def _what_matters(config: SphereConfig) -> dict[str, Any]:
    """The settings that a run cannot change on the way."""
    settings = dataclasses.asdict(config)
    return {name: value for name, value in settings.items() if name not in ("card", "title", "description")}


def _card(config: SphereConfig, found: Trajectories, folder: Path) -> PriorCard:
    spec = StateSpec(
        channels=tuple(channel(name) for name in config.channels),
        grid=found.grid,
        step_hours=config.step_hours,
        mean=found.mean,
        std=found.std,
    )
    a, d = config.autoencoder, config.denoiser
    architecture: dict[str, Any] = {
        "kind": "sphere",
        "autoencoder": {k: getattr(a, k) for k in ("patch", "latent", "reach", "width", "blocks")},
        "denoiser": {"width": d.width, "blocks": d.blocks, "static": len(found.static) * a.patch**2},
        "climatology": {"steps": config.steps},
    }
    return described(config, spec, architecture, folder)


def _build(card: PriorCard, found: Trajectories) -> tuple[SphereAutoencoder, TrajectoryTransformer]:
    with torch.random.fork_rng():
        torch.manual_seed(0)  # initialisation of layers takes no generator
        autoencoder, network = build_autoencoder(card), build_network(card)
    network.static.copy_(F.pixel_unshuffle(found.static[None], autoencoder.patch)[0])
    return autoencoder, network


def _in_si(residual: Tensor, card: PriorCard) -> dict[str, float]:
    rms = residual.double().numpy() * card.state.std
    return {name: float(value) for name, value in zip(card.state.names, rms, strict=True)}


def _with_floor(card: PriorCard, lagged: LaggedCovariance) -> PriorCard:
    """With what a reader needs to know of the covariances."""
    sizes = {"steps": list(lagged.variances), "lags": lagged.lags}
    denoiser = {**card.architecture["denoiser"], "floor": lagged.floor[card.state.step_hours]}
    return dataclasses.replace(
        card, architecture={**card.architecture, "climatology": sizes, "denoiser": denoiser}
    )


def _tensors(
    autoencoder: SphereAutoencoder, network: TrajectoryTransformer, lagged: LaggedCovariance
) -> dict[str, Tensor]:
    """What `models.prior.sphere_prior.assemble` reads."""
    weights = {f"autoencoder.{k}": v for k, v in autoencoder.state_dict().items()}
    weights |= {f"network.{k}": v for k, v in network.state_dict().items()}
    return weights | {
        "climatology.seasons": lagged.seasons,
        "climatology.spatial": lagged.spatial,
        "climatology.lagged": lagged.lagged.float(),
        "climatology.variances": torch.stack(list(lagged.variances.values())),
        "climatology.floor": torch.tensor(list(lagged.floor.values())),
    }


def _half(name: str, value: Tensor) -> Tensor:
    """Large matrices in half precision, where that is harmless."""
    exact = name in ("climatology.lagged", "autoencoder.climate")
    return value.float() if exact or value.numel() < HALF_FROM else value.half()
