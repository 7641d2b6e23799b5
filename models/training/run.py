"""Trains a prior: normalisation, autoencoder, climatology, denoiser, card. Each stage resumes."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.prior.autoencoder import Autoencoder
from models.prior.card import PriorCard
from models.prior.climatology import Climatology, fit_cross_validated, fit_seasons
from models.prior.denoiser import Denoiser, relative_loss
from models.prior.prior import Prior, build, save_prior
from models.state.channels import channel
from models.state.spec import StateSpec
from models.state.time import year_fraction
from models.training.config import SphereConfig, TrainingConfig
from models.training.data import States, open_states, window_starts
from models.training.loop import train
from models.training.source import Source

Report = Callable[[str, dict[str, float]], None]
Tick = Callable[[str, int], None]


def train_prior(
    config: TrainingConfig,
    data: Source | Path | str,
    folder: Path,
    report: Report,
    tick: Tick = lambda stage, step: None,
) -> Prior:
    """Trains the prior of `config` on `data` and writes it to `folder`/prior; resumes what it finds there.

    Arguments:
        report: called with the stage ("autoencoder", "denoiser") and each row of its log.
        tick: called with the stage and the number of steps done, after each.
    """
    states = open_states(data, config.channels, config.autoencoder.patch)
    with torch.random.fork_rng():
        torch.manual_seed(0)  # initialisation of layers takes no generator
        prior = build(_card(config, states, folder / "prior"), _architecture(config))
    x = torch.from_numpy(_standardise(states.values, prior.card.state))
    masks = {name: states.of_years(years) for name, years in config.years.items()}
    assert isinstance(prior.autoencoder, Autoencoder)  # noqa: S101, for the type checker
    _train_autoencoder(config, prior.autoencoder, x, masks, folder, report, tick)
    with torch.no_grad():
        z = torch.cat([prior.autoencoder.encode(part) for part in x.split(256)])
    season = torch.from_numpy(year_fraction(states.times))
    starts = {
        name: window_starts(states.times, mask, config.window, config.step_hours)
        for name, mask in masks.items()
    }
    years = torch.from_numpy(states.times.year.to_numpy().astype(np.int64))
    held_out = _fit_climatology(prior.climatology, z, season, masks["train"], starts["train"], years)
    _train_denoiser(config, prior.denoiser, held_out, z, season, starts, years, folder, report, tick)
    card = dataclasses.replace(
        prior.card,
        representativeness=_reconstruction(prior, x[masks["validate"]]),
        scores={"reconstruction": _reconstruction(prior, x[masks["test"]])},
    )
    prior = dataclasses.replace(prior, card=card)
    save_prior(prior, folder / "prior")
    return prior


def _architecture(config: TrainingConfig) -> dict[str, Any]:
    a, d = config.autoencoder, config.denoiser
    return {
        "autoencoder": {"patch": a.patch, "latent": a.latent, "width": a.width, "blocks": a.blocks},
        "rank": config.climatology.rank,
        "denoiser": {"width": d.width, "blocks": d.blocks, "heads": d.heads},
    }


def _card(config: TrainingConfig, states: States, folder: Path) -> PriorCard:
    train_values = states.values[states.of_years(config.years["train"])].astype(np.float64)
    spec = StateSpec(
        channels=tuple(channel(name) for name in config.channels),
        grid=states.grid,
        step_hours=config.step_hours,
        mean=train_values.mean(axis=(0, 2, 3)),
        std=train_values.std(axis=(0, 2, 3)),
    )
    return described(config, spec, _architecture(config), folder)


def described(
    config: TrainingConfig | SphereConfig, spec: StateSpec, architecture: dict[str, Any], folder: Path
) -> PriorCard:
    """The card of a prior to be trained, which does not know its errors yet."""
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


def _standardise(values: np.ndarray, spec: StateSpec) -> np.ndarray:
    return ((values - spec.mean[:, None, None]) / spec.std[:, None, None]).astype(np.float32)


def _train_autoencoder(
    config: TrainingConfig,
    autoencoder: Autoencoder,
    x: Tensor,
    masks: dict[str, np.ndarray],
    folder: Path,
    report: Report,
    tick: Tick,
) -> None:
    settings, training, validation = config.autoencoder, x[masks["train"]], x[masks["validate"]]
    autoencoder.start_from_patches(training)
    with torch.no_grad():  # each channel counts in units of what the linear code leaves
        floor = (autoencoder.decode(autoencoder.encode(training)) - training).square().mean((0, 2, 3))

    def error(module: nn.Module, batch: Tensor) -> Tensor:
        return ((module.decode(module.encode(batch)) - batch).square().mean((0, 2, 3)) / floor).mean()  # type: ignore[operator]

    def loss_of(module: nn.Module, generator: torch.Generator) -> Tensor:
        chosen = torch.randint(len(training), (settings.batch,), generator=generator)
        return error(module, training[chosen])

    best = train(
        autoencoder,
        loss_of,
        lambda module: {"loss": float(error(module, validation))},
        folder / "autoencoder",
        steps=settings.steps,
        learning_rate=settings.learning_rate,
        report=lambda row: report("autoencoder", row),
        tick=lambda step: tick("autoencoder", step),
    )
    autoencoder.load_state_dict(best.state_dict())
    autoencoder.eval().requires_grad_(False)
    autoencoder.mean.zero_()
    autoencoder.std.fill_(1)
    z = autoencoder.encode(training)
    autoencoder.mean.copy_(z.mean((0, 2, 3))[:, None, None])
    autoencoder.std.copy_(z.std((0, 2, 3))[:, None, None])


def _fit_climatology(
    climatology: Climatology, z: Tensor, season: Tensor, mask: np.ndarray, starts: Tensor, years: Tensor
) -> dict[int, Climatology]:
    """Fits it; returns, per training year, the Climatology of the other years."""
    climatology.seasons.copy_(fit_seasons(z[mask], season[mask]))
    index = starts[:, None] + torch.arange(climatology.shape[0])
    anomalies = z[index] - climatology.mean(season[index])
    if len(years[starts].unique()) < 2:
        climatology.fit(anomalies)
        return {int(years[starts[0]]): climatology}
    return fit_cross_validated(climatology, anomalies, years[starts])


def _train_denoiser(
    config: TrainingConfig,
    denoiser: Denoiser,
    held_out: dict[int, Climatology],
    z: Tensor,
    season: Tensor,
    starts: dict[str, Tensor],
    years: Tensor,
    folder: Path,
    report: Report,
    tick: Tick,
) -> None:
    """Trains the network, each batch on one year with the Climatology of the others.

    With the Climatology of all years it would learn to trust modes that were fitted to what it sees.
    """
    settings, span = config.denoiser, torch.arange(config.window)
    low, high = (float(np.log(s)) for s in settings.sigma)
    of_year = {year: starts["train"][years[starts["train"]] == year] for year in held_out}

    def loss_at(module: Denoiser, first: Tensor, sigma: Tensor, generator: torch.Generator) -> Tensor:
        index = first[:, None] + span
        clean = z[index]
        noise = torch.randn(clean.shape, generator=generator)
        denoised = module(clean + sigma[:, None, None, None, None] * noise, sigma, season[index])
        return relative_loss(denoised - clean, sigma, module.climatology)

    def loss_of(module: nn.Module, generator: torch.Generator) -> Tensor:
        at = starts["train"][torch.randint(len(starts["train"]), (), generator=generator)]
        year = int(years[at])
        chosen = torch.randint(len(of_year[year]), (settings.batch,), generator=generator)
        sigma = torch.empty(settings.batch).uniform_(low, high, generator=generator).exp()
        unseen = Denoiser(held_out[year], module.network)  # type: ignore[arg-type]
        return loss_at(unseen, of_year[year][chosen], sigma, generator).mean()

    def validate(module: nn.Module) -> dict[str, float]:
        first, generator = starts["validate"][::2], torch.Generator().manual_seed(1)
        levels = torch.linspace(low, high, 6).exp()
        rows = {
            f"sigma {s:.2g}": loss_at(module, first, s.expand(len(first)), generator)  # type: ignore[arg-type]
            for s in levels
        }
        scores = {name: float(row.mean()) for name, row in rows.items()}
        return {"loss": sum(scores.values()) / len(scores), **scores}

    best = train(
        denoiser,
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
    denoiser.load_state_dict(best.state_dict())


def _reconstruction(prior: Prior, x: Tensor) -> dict[str, float]:
    """RMS difference (SI units) between states and what their latents decode to, per channel."""
    with torch.no_grad():
        error = prior.autoencoder.decode(prior.autoencoder.encode(x)) - x
    rms = error.square().mean((0, 2, 3)).sqrt().double().numpy() * prior.card.state.std
    return {name: float(value) for name, value in zip(prior.card.state.names, rms, strict=True)}
