"""Trains a prior of the whole Earth: autoencoder, lagged covariances, denoiser, card. Each stage resumes.

States are never in memory as a whole. Their latents are: for thirty years of 8 x 16 columns of 96 numbers
they take 2 GB, and a few times as much while covariances are fitted.
"""

import dataclasses
import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.prior.card import PriorCard
from models.prior.denoiser import Denoiser, relative_loss
from models.prior.lagged import LAG, LaggedCovariance
from models.prior.prior import HALF_FROM, Prior, write_prior
from models.prior.sphere import SphereAutoencoder
from models.prior.sphere_prior import AtStep, assemble, build_autoencoder, build_network
from models.prior.trajectory import TrajectoryTransformer
from models.state.channels import channel
from models.state.spec import StateSpec
from models.training.config import SphereConfig
from models.training.loop import train
from models.training.run import Report, Tick
from models.training.same_run import same_run
from models.training.trajectories import Trajectories, prepare


def train_sphere(
    config: SphereConfig,
    data: Path | str,
    folder: Path,
    report: Report,
    tick: Tick = lambda stage, step: None,
    reading: Tick = lambda stage, step: None,
) -> Prior:
    """Trains the prior of `config` on a Zarr store, and writes it to `folder`/prior; resumes what is there.

    Arguments:
        report, tick: as of `models.training.run.train_prior`.
        reading: called with "data" and the percentage read, while data are prepared.
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
    _train_autoencoder(config, autoencoder, found, folder, report, tick)
    residual = _residual(autoencoder, found, found.of_years(config.years["validate"]))
    card = dataclasses.replace(card, representativeness=_in_si(residual, card))
    latents = _latents(autoencoder, found, folder)
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
    _train_denoiser(config, network, lagged, latents, found, folder, report, tick)
    weights = _tensors(autoencoder, network, lagged)
    test = _in_si(_residual(autoencoder, found, found.of_years(config.years["test"])), card)
    card = dataclasses.replace(card, scores={"reconstruction": test})
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
    extra = {**config.card, "data": {**config.card.get("data", {}), "years": config.years}}
    return PriorCard(
        name=config.name,
        title=config.title,
        description=config.description.strip(),
        folder=folder,
        state=spec,
        window=config.window,
        valid_hours=tuple(config.valid_hours),
        architecture=architecture,
        representativeness={},
        **extra,
    )


def _build(card: PriorCard, found: Trajectories) -> tuple[SphereAutoencoder, TrajectoryTransformer]:
    with torch.random.fork_rng():
        torch.manual_seed(0)  # initialisation of layers takes no generator
        autoencoder, network = build_autoencoder(card), build_network(card)
    network.static.copy_(F.pixel_unshuffle(found.static[None], autoencoder.patch)[0])
    return autoencoder, network


def _train_autoencoder(
    config: SphereConfig,
    autoencoder: SphereAutoencoder,
    found: Trajectories,
    folder: Path,
    report: Report,
    tick: Tick,
) -> None:
    settings, weight = config.autoencoder, torch.as_tensor(found.grid.area_weights, dtype=torch.float32)
    rows = found.of_years(config.years["train"])
    autoencoder.start_from_patches(found.states(_spread(rows, settings.start)), weight)
    held_out = found.states(_spread(found.of_years(config.years["validate"]), settings.validation))

    def loss_of(module: nn.Module, generator: torch.Generator) -> Tensor:
        autoencoder = cast(SphereAutoencoder, module)
        x = found.states(rows[torch.randint(len(rows), (settings.batch,), generator=generator)])
        z = autoencoder.encode(x)
        noise = settings.noise * torch.randn(z.shape, generator=generator)
        return ((autoencoder.decode(z + noise) - x).square() * weight).mean()

    def validate(module: nn.Module) -> dict[str, float]:
        autoencoder = cast(SphereAutoencoder, module)
        error = autoencoder.decode(autoencoder.encode(held_out)) - held_out
        return {"loss": float((error.square() * weight).mean())}

    best = train(
        autoencoder,
        loss_of,
        validate,
        folder / "autoencoder",
        steps=settings.steps,
        learning_rate=settings.learning_rate,
        ema=0.99,
        report=lambda row: report("autoencoder", row),
        tick=lambda step: tick("autoencoder", step),
    )
    autoencoder.load_state_dict(best.state_dict())
    autoencoder.eval().requires_grad_(False)


def _spread(rows: Tensor, most: int) -> Tensor:
    """At most so many of the rows, evenly spread."""
    return rows[torch.linspace(0, len(rows) - 1, min(most, len(rows))).long()]


def _residual(autoencoder: SphereAutoencoder, found: Trajectories, rows: Tensor) -> Tensor:
    """RMS of what the code loses of states, per channel, standardised, (C,); areas weigh."""
    weight = torch.as_tensor(found.grid.area_weights, dtype=torch.float32)
    parts = []
    with torch.no_grad():
        for part in _spread(rows, 400).split(50):
            x = found.states(part)
            error = autoencoder.decode(autoencoder.encode(x)) - x
            parts.append((error.square() * weight).mean((2, 3)))
    return torch.cat(parts).mean(0).sqrt()


def _in_si(residual: Tensor, card: PriorCard) -> dict[str, float]:
    rms = residual.double().numpy() * card.state.std
    return {name: float(value) for name, value in zip(card.state.names, rms, strict=True)}


def _latents(autoencoder: SphereAutoencoder, found: Trajectories, folder: Path) -> Tensor:
    """Of all states, (N, K, h, w); kept in `folder`/latents.npy."""
    path = folder / "latents.npy"
    if not path.exists():
        rows = torch.arange(len(found.times))
        with torch.no_grad():
            z = torch.cat([autoencoder.encode(found.states(part)).half() for part in rows.split(256)])
        aside = path.with_suffix(".tmp")
        with aside.open("wb") as file:
            np.save(file, z.numpy())
        aside.replace(path)
    return torch.from_numpy(np.load(path)).float()


def _with_floor(card: PriorCard, lagged: LaggedCovariance) -> PriorCard:
    """With what a reader needs to know of the covariances."""
    sizes = {"steps": list(lagged.variances), "lags": lagged.lags}
    denoiser = {**card.architecture["denoiser"], "floor": lagged.floor[card.state.step_hours]}
    return dataclasses.replace(
        card, architecture={**card.architecture, "climatology": sizes, "denoiser": denoiser}
    )


def _train_denoiser(
    config: SphereConfig,
    network: TrajectoryTransformer,
    lagged: LaggedCovariance,
    latents: Tensor,
    found: Trajectories,
    folder: Path,
    report: Report,
    tick: Tick,
) -> None:
    """Each batch has windows of one step: the first of `steps` half of the time, the others the rest."""
    settings, span = config.denoiser, torch.arange(config.window)
    climatologies = {step: lagged.climatology(config.window, step) for step in config.steps}
    low, high = (math.log(s) for s in settings.sigma)
    starts = {
        (name, step): _starts(found.of_years(years), (config.window - 1) * step // LAG)
        for name, years in config.years.items()
        for step in config.steps
    }

    def loss_at(
        module: nn.Module, step: int, first: Tensor, sigma: Tensor, generator: torch.Generator
    ) -> Tensor:
        index = first[:, None] + span * (step // LAG)
        clean, climatology = latents[index], climatologies[step]
        noisy = clean + sigma[:, None, None, None, None] * torch.randn(clean.shape, generator=generator)
        denoiser = Denoiser(climatology, AtStep(cast(TrajectoryTransformer, module), step))
        denoised = denoiser(noisy, sigma, found.year_fraction[index])
        return relative_loss(denoised - clean, sigma, climatology)

    def loss_of(module: nn.Module, generator: torch.Generator) -> Tensor:
        others = len(config.steps) - 1
        drawn = int(torch.randint(2 * others or 1, (), generator=generator))
        step = config.steps[max(0, drawn - others + 1) if others else 0]
        possible = starts["train", step]
        first = possible[torch.randint(len(possible), (settings.batch,), generator=generator)]
        sigma = torch.empty(settings.batch).uniform_(low, high, generator=generator).exp()
        return loss_at(module, step, first, sigma, generator).mean()

    def validate(module: nn.Module) -> dict[str, float]:
        generator = torch.Generator().manual_seed(1)
        first = _spread(starts["validate", config.steps[0]], settings.validation)
        levels = torch.linspace(low, high, 6).exp()
        scores = {}
        for sigma in levels:
            parts = [
                loss_at(module, config.steps[0], part, sigma.expand(len(part)), generator)
                for part in first.split(16)
            ]
            scores[f"sigma {sigma:.2g}"] = float(torch.cat(parts).mean())
        return {"loss": sum(scores.values()) / len(scores), **scores}

    best = train(
        network,
        loss_of,
        validate,
        folder / "denoiser",
        steps=settings.steps,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        ema=settings.ema,
        report=lambda row: report("denoiser", row),
        tick=lambda step: tick("denoiser", step),
    )
    network.load_state_dict(best.state_dict())
    network.eval().requires_grad_(False)


def _starts(rows: Tensor, length: int) -> Tensor:
    """Positions from which `length` more steps stay among the rows, which ascend."""
    inside = torch.isin(rows + length, rows)
    return rows[inside]


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
