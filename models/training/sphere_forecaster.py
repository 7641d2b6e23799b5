"""A stage of a prior of the Earth that some have: the forecaster, and what it is wrong by."""

from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from models.prior.forecaster import Forecaster, factor
from models.prior.modes import parts
from models.training.accelerator import Machine, normal, reduced, seeds
from models.training.config import ForecasterConfig, SphereConfig
from models.training.loop import train
from models.training.processes import Share
from models.training.run import Report, Tick
from models.training.trajectories import Trajectories, spread, windows

MEASURED = 1600  # states after which what it is wrong by is measured
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
    """Least squares, by area, of the next state; with noise on the one it follows from."""
    settings, device = cast(ForecasterConfig, config.forecaster), forecaster.static.device
    weight = area_weights(found, forecaster).to(device)
    starts = {name: found.starts(years, 1) for name, years in config.years.items()}
    machine.ready(list(forecaster.blocks))

    def load(first: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, list[int]]:
        return (*windows(latents, found, first, 2, 1), noise.tolist())

    def batch_of(generator: torch.Generator, share: Share) -> tuple[Tensor, Tensor, list[int]]:
        possible = starts["train"]
        first = possible[torch.randint(len(possible), (settings.batch,), generator=generator)]
        noise = seeds(settings.batch, generator)
        return load(share.take(first), share.take(noise))

    def losses(module: nn.Module, batch: tuple[Tensor, Tensor, list[int]]) -> Tensor:
        states, when, noise = batch[0].to(device), batch[1].to(device), batch[2]
        known = settings.noise * normal(states[:, 0], noise)
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
    """Mean square error of the second of two states, (n,).

    Arguments:
        states, when: latents (n, 2, K, h, w) and fractions of the year (n, 2).
        noise: on the first state, (n, K, h, w).
        weight: of rows, (h, 1).
    """
    with reduced(states.device, bfloat16):
        after = forecaster(states[:, 0] + noise, when[:, 0])
    return ((after.float() - states[:, 1]).square() * weight).mean((1, 2, 3))


def measure_errors(
    config: SphereConfig,
    forecaster: Forecaster,
    directions: Tensor,
    latents: np.ndarray,
    found: Trajectories,
) -> None:
    """Sets what `forecaster` is wrong by, as found on states that it was not trained on.

    Arguments:
        directions: the Climatology's modes of space, (r, K h w).
    """
    own = directions.float().to(forecaster.static)
    channels, height, _ = latents.shape[1:]
    modes = torch.zeros(len(own), len(own), dtype=torch.float64)
    rest = torch.zeros(height, channels, channels, dtype=torch.float64)
    last = config.window - 2
    later, first = torch.zeros(2), spread(found.starts(config.years["validate"], last + 1), MEASURED)
    for part in first.split(TOGETHER):
        states, when = (x.to(own.device) for x in windows(latents, found, part, last + 2, 1))
        with torch.no_grad():
            off = torch.stack([forecaster(states[:, k], when[:, k]) - states[:, k + 1] for k in (0, last)])
        inside, left = parts(off.flatten(2), own)
        outside = left.unflatten(2, latents.shape[1:])
        modes += torch.einsum("knr,kns->rs", inside, inside).cpu() / 2
        rest += torch.einsum("knchw,kndhw->hcd", outside, outside).cpu() / 2
        later += torch.stack([inside.prod(0).sum(), outside.prod(0).sum()]).cpu()
    total = torch.stack([modes.trace(), rest.diagonal(dim1=1, dim2=2).sum()])
    forecaster.modes.copy_(factor(modes / len(first)))
    forecaster.rest.copy_(factor(rest / (len(first) * latents.shape[3])))
    forecaster.lasting.copy_((later / total).clamp(0, 1) ** (1 / last))
