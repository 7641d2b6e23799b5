"""Trains a prior of the whole Earth: autoencoder, lagged covariances, denoiser, card. Each stage resumes.

Neither states nor latents are ever in memory as a whole. Several processes may share the work (torchrun): the
first writes, all read the same folder.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.prior.card import PriorCard
from models.prior.forecaster import Forecaster
from models.prior.lagged import LaggedCovariance
from models.prior.prior import HALF_FROM, Prior, write_prior
from models.prior.sphere import SphereAutoencoder
from models.prior.sphere_prior import (
    TrajectoryNetwork,
    assemble,
    build_autoencoder,
    build_forecaster,
    build_network,
)
from models.state.channels import channel
from models.state.grid import Grid
from models.state.spec import StateSpec
from models.training.accelerator import Machine
from models.training.config import SphereConfig
from models.training.gains import fit_gains
from models.training.run import Report, Tick, described
from models.training.same_run import same_run
from models.training.source import STATIC, Source
from models.training.sphere_autoencoder import encode_all, residual, train_autoencoder
from models.training.sphere_denoiser import train_denoiser
from models.training.sphere_forecaster import measure_errors, train_forecaster
from models.training.trajectories import NORMALISATION, Trajectories, prepare
from models.whole_files import written_whole


def train_sphere(
    config: SphereConfig,
    data: Source | Path | str,
    folder: Path,
    report: Report,
    tick: Tick = lambda stage, step: None,
    reading: Tick = lambda stage, step: None,
    machine: Machine = Machine(),  # noqa: B008, for it cannot be changed
) -> Prior:
    """Trains the prior of `config` on a data set, and writes it to `folder`/prior; resumes what is there.

    Arguments:
        report, tick: as of `models.training.run.train_prior`.
        reading: called with "data" and the percentage read, while data are prepared.
    """
    for settings in (config.autoencoder, config.denoiser, config.forecaster):
        if settings is not None:
            machine.at_once(settings.batch)
    source = Source.of(data)
    made_from = {**source.to_dict(), **_what_matters(config)}
    begun = (folder / NORMALISATION).exists()
    machine.processes.first_then_others(lambda: same_run(folder, made_from, begun))
    found = prepare(
        source,
        config.channels,
        config.step_hours,
        config.years,
        folder,
        lambda done, of: reading("data", 100 * done // of),
        hours=config.valid_hours,
        patch=config.autoencoder.patch,
        copy=config.copy,
        processes=machine.processes,
    )
    card = card_of(config, found.grid, found.mean, found.std, folder / "prior")
    autoencoder, network, forecaster = build(card, found.static)
    for module in (autoencoder, network, forecaster):
        if module is not None:
            module.to(machine.device)
    train_autoencoder(config, autoencoder, found, folder, report, tick, machine)
    lost = residual(autoencoder, found, found.of_years(config.years["validate"]))
    card = dataclasses.replace(card, representativeness=_in_si(lost, card))
    latents = encode_all(autoencoder, found, folder, machine)
    lagged = machine.processes.first_then_others(lambda: _lagged(config, latents, found, folder))
    card = _with_lags(card, lagged)
    train_denoiser(config, network, lagged, latents, found, folder, report, tick, machine)
    tensors = _tensors(autoencoder, network, lagged)
    tensors |= fit_gains(config, network, lagged, latents, found, machine)
    if forecaster is not None:
        train_forecaster(config, forecaster, autoencoder, lagged, found, folder, report, tick, machine)
        measure_errors(config, forecaster, autoencoder, lagged.spatial, latents, found)
        tensors |= {f"forecaster.{k}": v for k, v in forecaster.state_dict().items()}
    weights = {name: value.cpu() for name, value in tensors.items()}
    test = _in_si(residual(autoencoder, found, found.of_years(config.years["test"])), card)
    card = dataclasses.replace(card, scores={"reconstruction": test})
    if machine.processes.first:
        write_prior(card, stored(weights), folder / "prior")
    return Prior(card, *assemble(card, weights))


def _lagged(config: SphereConfig, latents: np.ndarray, found: Trajectories, folder: Path) -> LaggedCovariance:
    """Of the training years; kept in `folder`/climatology.pt."""
    path, rows = folder / "climatology.pt", found.of_years(config.years["train"])
    if not path.exists():
        fitted = LaggedCovariance.fit(
            latents[int(rows[0]) : int(rows[-1]) + 1],
            found.year_fraction[rows],
            found.years[rows],
            modes=config.climatology.modes,
            rank=config.climatology.rank,
            window=config.window,
            steps=config.steps,
            hours=config.step_hours,
        )
        with written_whole(path) as aside:
            torch.save(dataclasses.asdict(fitted), aside)
    return LaggedCovariance(**torch.load(path, weights_only=True))


def _what_matters(config: SphereConfig) -> dict[str, Any]:
    """The settings that a run cannot change on the way."""
    settings = dataclasses.asdict(config)
    return {
        name: value
        for name, value in settings.items()
        if name not in ("card", "title", "description", "grid")
    }


def card_of(config: SphereConfig, grid: Grid, mean: np.ndarray, std: np.ndarray, folder: Path) -> PriorCard:
    """The card of a prior to be trained; mean and standard deviation per channel, (C,)."""
    channels = tuple(channel(name) for name in config.channels)
    spec = StateSpec(channels, grid, config.step_hours, mean, std)
    a, d = config.autoencoder, config.denoiser
    architecture: dict[str, Any] = {
        "kind": "sphere",
        "autoencoder": {k: getattr(a, k) for k in ("patch", "latent", "reach", "width", "blocks")},
        "denoiser": {
            **{k: getattr(d, k) for k in ("kind", "width", "blocks", "box", "fine")},
            "static": len(STATIC) * a.patch**2,
        },
        "climatology": {"steps": config.steps},
    }
    if f := config.forecaster:
        sizes = {k: getattr(f, k) for k in ("width", "blocks", "words", "constant", "diagnosed")}
        architecture["forecaster"] = {"directions": config.climatology.modes, **sizes}
    return described(config, spec, architecture, folder)


def build(card: PriorCard, static: Tensor) -> tuple[SphereAutoencoder, TrajectoryNetwork, Forecaster | None]:
    """Networks of that card with untrained weights; orography and land standardised, (2, H, W)."""
    with torch.random.fork_rng():
        torch.manual_seed(0)  # initialisation of layers takes no generator
        autoencoder, network = build_autoencoder(card), build_network(card)
        forecaster = build_forecaster(card)
    network.static.copy_(F.pixel_unshuffle(static[None], autoencoder.patch)[0])
    if forecaster is not None:
        forecaster.static.copy_(static)
    return autoencoder, network, forecaster


def _in_si(residual: Tensor, card: PriorCard) -> dict[str, float]:
    rms = residual.double().numpy() * card.state.std
    return {name: float(value) for name, value in zip(card.state.names, rms, strict=True)}


def _with_lags(card: PriorCard, lagged: LaggedCovariance) -> PriorCard:
    """With what a reader needs to know of the covariances."""
    sizes = {"steps": list(lagged.variances), "lags": lagged.lags, "hours": lagged.hours}
    return dataclasses.replace(card, architecture={**card.architecture, "climatology": sizes})


def _tensors(
    autoencoder: SphereAutoencoder, network: TrajectoryNetwork, lagged: LaggedCovariance
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


def stored(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """As they are written: large matrices in half precision, modes of space in bytes, where that is harmless.

    A mode has thousands of numbers; rounded to one of 255 each, it turns by a hundredth of a radian. That is
    harmless if it is made orthonormal again (`lagged_of`).
    """
    exact = {"autoencoder.climate"} | {name for name in weights if name.startswith("gain.")}
    spatial = weights["climatology.spatial"]
    return {
        name: value.float() if name in exact or value.numel() < HALF_FROM else value.half()
        for name, value in weights.items()
    } | {"climatology.spatial": (127 * spatial / spatial.abs().amax(1, keepdim=True)).round().to(torch.int8)}
