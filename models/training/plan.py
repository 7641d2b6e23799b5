"""What training a prior of the Earth needs, before anything is downloaded or bought."""

import math
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from models.prior.climatology import HARMONICS, Climatology
from models.prior.forecaster import Forecaster
from models.prior.lagged import LaggedCovariance
from models.prior.sphere import SphereAutoencoder
from models.prior.sphere_prior import TrajectoryNetwork
from models.state.grid import Grid
from models.training.config import ForecasterConfig, SphereConfig
from models.training.footprint import footprint
from models.training.source import STATIC
from models.training.sphere import build, card_of
from models.training.sphere_autoencoder import squares_lost
from models.training.sphere_denoiser import Batch, denoising_losses
from models.training.sphere_forecaster import squares_off

COPIES = 5  # of each weight in float32: it, its average, the best average, two moments; gradients are counted
HOURS = 8766  # of a year


@dataclass(frozen=True)
class Stage:
    """One stage of training.

    Attributes:
        parameters: number of weights.
        tokens: per sample (a state, a window); of columns, places that hold a whole window.
        flop: of a step, forward and back.
        memory: bytes held at the most on one device, with `at_once` samples at once.
        recompute: whether activations are computed again.
    """

    name: str
    parameters: int
    tokens: int
    batch: int
    steps: int
    at_once: int
    recompute: bool
    flop: int
    memory: int


@dataclass(frozen=True)
class Plan:
    """Numbers in a state and its latents, bytes on disk per year of states, and what each stage needs."""

    name: str
    state: tuple[int, int, int]
    latent: tuple[int, int, int]
    states_per_year: int
    source_bytes: int
    copy_bytes: int
    latent_bytes: int
    climatology_bytes: int
    stages: list[Stage]

    def stage(self, name: str) -> Stage:
        """The first of that name."""
        return next(stage for stage in self.stages if stage.name == name)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def plan(config: SphereConfig, at_once: int = 1) -> Plan:
    """What it takes to train the prior of `config`; a step of each stage is run on tensors without values.

    Arguments:
        at_once: samples that are computed at once on one device.
    """
    height, breadth = config.grid
    south = -90 + 180 / height / 2
    grid = Grid(np.linspace(-south, south, height), np.arange(breadth) * 360 / breadth)
    ones = np.ones(len(config.channels))
    with FakeTensorMode():
        card = card_of(config, grid, ones, ones, Path())
        autoencoder, network, forecaster = build(card, torch.zeros(len(STATIC), height, breadth))
        stages = [
            _autoencoder(config, autoencoder, grid, at_once),
            *(_denoiser(config, network, autoencoder.latent_shape, at_once, r) for r in (False, True)),
        ]
        if forecaster is not None:
            stages.append(_forecaster(config, forecaster, at_once))
        climatologies = _climatologies(config, autoencoder.latent_shape)
    states = HOURS // config.step_hours
    return Plan(
        name=config.name,
        state=card.state.shape,
        latent=autoencoder.latent_shape,
        states_per_year=states,
        source_bytes=4 * states * math.prod(card.state.shape),
        copy_bytes=2 * states * math.prod(card.state.shape) if config.copy else 0,
        latent_bytes=2 * states * math.prod(autoencoder.latent_shape),
        climatology_bytes=_bytes_of(climatologies),
        stages=stages,
    )


def _autoencoder(config: SphereConfig, module: SphereAutoencoder, grid: Grid, at_once: int) -> Stage:
    settings = config.autoencoder
    x = torch.zeros(at_once, len(config.channels), *grid.shape)
    weight = torch.zeros(grid.shape[0], 1)
    took = footprint(lambda: squares_lost(module, x, list(range(at_once)), settings.noise, weight))
    return Stage(
        name="autoencoder",
        parameters=_parameters(module),
        tokens=math.prod(module.latent_shape[1:]),
        batch=settings.batch,
        steps=settings.steps,
        at_once=at_once,
        recompute=False,
        flop=took.flop * settings.batch // at_once,
        memory=took.peak + 4 * x.numel() + _held(module),
    )


def _denoiser(
    config: SphereConfig,
    network: TrajectoryNetwork,
    latent: tuple[int, int, int],
    at_once: int,
    recompute: bool,
) -> Stage:
    settings = config.denoiser
    climatologies = _climatologies(config, latent)
    clean = torch.zeros(at_once, config.window, *latent)
    when, sigma = torch.zeros(at_once, config.window), torch.ones(at_once)
    batch = Batch(config.steps[0], clean, when, sigma, list(range(at_once)))
    network.recompute = recompute
    network.zero_grad()
    took = footprint(lambda: denoising_losses(network, batch, climatologies[0]).mean())
    return Stage(
        name="denoiser",
        parameters=_parameters(network),
        tokens=(settings.fine**2 if settings.kind == "columns" else config.window) * math.prod(latent[1:]),
        batch=settings.batch,
        steps=settings.steps,
        at_once=at_once,
        recompute=recompute,
        flop=took.flop * settings.batch // at_once,
        memory=took.peak + 4 * clean.numel() + _held(network) + _bytes_of(climatologies),
    )


def _forecaster(config: SphereConfig, module: Forecaster, at_once: int) -> Stage:
    settings, (height, breadth) = cast(ForecasterConfig, config.forecaster), module.static.shape[1:]
    x, weight = torch.zeros(2, at_once, len(module.change), height, breadth), torch.ones(height, 1)

    def step(own: int) -> Tensor:
        return squares_off(module, x[0], torch.zeros(at_once, own + 1), x[1], weight).mean()

    took, most = (footprint(partial(step, own)) for own in (0, settings.own))
    return Stage(
        name="forecaster",
        parameters=_parameters(module),
        tokens=height * breadth,
        batch=settings.batch,
        steps=settings.steps,
        at_once=at_once,
        recompute=False,
        flop=(took.flop + most.flop) // 2 * settings.batch // at_once,
        memory=max(took.peak, most.peak) + 4 * x.numel() + _held(module),
    )


def _climatologies(config: SphereConfig, latent: tuple[int, int, int]) -> list[Climatology]:
    """Of windows of each step."""
    r, rank = config.climatology.modes, config.climatology.rank
    lags = sorted({k * step // config.step_hours for step in config.steps for k in range(config.window)})
    lagged = LaggedCovariance(
        seasons=torch.zeros(1 + 2 * HARMONICS, *latent),
        spatial=torch.zeros(r, math.prod(latent)),
        lags=lags,
        lagged=torch.zeros(len(lags), r, r),
        variances={step: torch.ones(rank) for step in config.steps},
        floor=dict.fromkeys(config.steps, 1.0),
        hours=config.step_hours,
    )
    return [lagged.climatology(config.window, step) for step in config.steps]


def _parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _held(module: nn.Module) -> int:
    """Bytes of weights, what the optimiser keeps of them, and buffers."""
    return 4 * COPIES * _parameters(module) + 3 * sum(b.nbytes for b in module.buffers())


def _bytes_of(climatologies: list[Climatology]) -> int:
    """What they share is counted once."""
    storages = [buffer.untyped_storage() for c in climatologies for buffer in c.buffers()]
    return sum({storage._cdata: storage.nbytes() for storage in storages}.values())
