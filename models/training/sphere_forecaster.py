"""A stage of a prior of the Earth that some have: the forecaster, and what it is wrong by."""

import math
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from models.prior.forecaster import AHEAD, BACK, CLIMATE, Forecaster
from models.prior.lagged import LaggedCovariance
from models.training.accelerator import Machine, normal, reduced, seeds
from models.training.config import ForecasterConfig, SphereConfig
from models.training.loop import train
from models.training.processes import Share
from models.training.run import Report, Tick
from models.training.trajectories import Trajectories, spread, windows

COURSES = 400  # on which what forecasts are wrong by is measured
TOGETHER = 16


def train_forecaster(
    config: SphereConfig,
    forecaster: Forecaster,
    latents: np.ndarray,
    found: Trajectories,
    folder: Path,
    report: Report,
    tick: Tick,
    machine: Machine,
) -> None:
    """Least squares, by area, of the next state and the one before; with noise on what they follow from."""
    settings, device = cast(ForecasterConfig, config.forecaster), forecaster.static.device
    weight = area_weights(found, forecaster).to(device)
    starts = {name: found.starts(years, 2) for name, years in config.years.items()}
    machine.ready(list(forecaster.blocks))

    def load(first: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, list[int]]:
        return (*windows(latents, found, first, 3, 1), noise.tolist())

    def batch_of(generator: torch.Generator, share: Share) -> tuple[Tensor, Tensor, list[int]]:
        possible = starts["train"]
        first = possible[torch.randint(len(possible), (settings.batch,), generator=generator)]
        noise = seeds(settings.batch, generator)
        return load(share.take(first), share.take(noise))

    def losses(module: nn.Module, batch: tuple[Tensor, Tensor, list[int]]) -> Tensor:
        states, when, noise = batch[0].to(device), batch[1].to(device), batch[2]
        known = settings.noise * normal(states[:, 1], noise)
        return squares_off(cast(Forecaster, module), states, when, known, weight, machine.bfloat16)

    def validate(module: nn.Module) -> dict[str, float]:
        first = spread(starts["validate"], settings.validation)
        parts = first.split(machine.at_once(settings.batch))
        return {"loss": float(torch.cat([losses(module, load(part, part)) for part in parts]).mean())}

    best = train(
        forecaster,
        lambda module, batch: losses(module, batch).mean(),
        validate,
        folder / "forecaster",
        steps=settings.steps,
        learning_rate=settings.learning_rate,
        weight_decay=0.05,
        ema=0.998,
        muon=True,
        batch_of=batch_of,
        machine=machine,
        report=lambda row: report("forecaster", row),
        tick=lambda step: tick("forecaster", step),
    )
    forecaster.load_state_dict(best.state_dict())
    forecaster.eval().requires_grad_(False)


def area_weights(found: Trajectories, forecaster: Forecaster) -> Tensor:
    """Of rows of latents, (h, 1)."""
    rows = forecaster.place.shape[0]
    weights = torch.as_tensor(found.grid.area_weights, dtype=torch.float32)
    return weights.reshape(rows, -1).mean(1)[:, None]


def squares_off(
    forecaster: Forecaster,
    states: Tensor,
    when: Tensor,
    noise: Tensor,
    weight: Tensor,
    bfloat16: bool = False,
) -> Tensor:
    """Mean square error of what follows from the second of three states and of what precedes it, (n,).

    Arguments:
        states, when: latents (n, 3, K, h, w) and fractions of the year (n, 3).
        noise: on the second state, (n, K, h, w).
        weight: of rows, (h, 1).
    """
    with reduced(states.device, bfloat16):
        after, before = forecaster(states[:, 1] + noise, when[:, 1])
    off = (after.float() - states[:, 2]).square() + (before.float() - states[:, 0]).square()
    return (off * weight).mean((1, 2, 3)) / 2


def measure_courses(
    config: SphereConfig,
    forecaster: Forecaster,
    lagged: LaggedCovariance,
    latents: np.ndarray,
    found: Trajectories,
) -> None:
    """Sets `Forecaster.modes` and `rest`, from courses of states that it was not trained on."""
    directions = lagged.spatial.float().to(forecaster.static)
    steps = config.window - 1
    first = spread(found.starts(config.years["validate"], steps), COURSES)
    climate = lagged.climatology(config.window, config.step_hours)
    sums = [(torch.zeros_like(forecaster.modes[k]), torch.zeros_like(forecaster.rest[k])) for k in range(3)]
    for part in first.split(TOGETHER):
        states, when = (x.to(directions.device) for x in windows(latents, found, part, config.window, 1))
        with torch.no_grad():
            ahead = forecaster.course(states[:, 0], when[:, 0], steps)
            back = forecaster.course(states[:, -1], when[:, -1], steps, back=True)
        departures = {CLIMATE: climate.mean(when) - states, AHEAD: ahead - states, BACK: back - states}
        for which, departure in departures.items():
            modes, rest = products(departure, directions)
            sums[which][0].add_(modes / len(first))
            sums[which][1].add_(rest / len(first))
    forecaster.modes.copy_(torch.stack([modes for modes, _ in sums]))
    forecaster.rest.copy_(torch.stack([rest for _, rest in sums]))


def products(departures: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Sums over courses (N, T, K, h, w) of products at each two states.

    Returns:
        Of amplitudes of orthonormal modes, (r, T, T); of what is left, mean over columns, (K, T, T).
    """
    flat, columns = departures.flatten(2), math.prod(departures.shape[3:])
    amplitudes = flat @ directions.T
    rest = (flat - amplitudes @ directions).unflatten(2, (-1, columns))
    modes = torch.einsum("nsm,ntm->mst", amplitudes, amplitudes)
    return modes, torch.einsum("nskc,ntkc->kst", rest, rest) / columns
