"""A stage of a prior of the Earth that some have: the forecaster, and what it is wrong by."""

from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from models.prior.forecaster import Forecaster, factor
from models.prior.modes import parts
from models.prior.sphere import SphereAutoencoder
from models.training.accelerator import Machine, normal, reduced, seeds
from models.training.config import ForecasterConfig, SphereConfig
from models.training.loop import train
from models.training.processes import Share
from models.training.run import Report, Tick
from models.training.trajectories import Trajectories, spread, windows

CHANGES = 400  # pairs of states from which it is known how much channels change
MEASURED = 1600  # states after which what it is wrong by is measured
TOGETHER = 16

Batch = tuple[Tensor, Tensor, Tensor, list[int]]  # latents, when they are, states a step later, seeds


def train_forecaster(
    config: SphereConfig,
    forecaster: Forecaster,
    autoencoder: SphereAutoencoder,
    latents: np.ndarray,
    found: Trajectories,
    folder: Path,
    report: Report,
    tick: Tick,
    machine: Machine,
) -> None:
    """Least squares, by area, of the next state; from what the code keeps of the one before, with noise."""
    settings, device = cast(ForecasterConfig, config.forecaster), forecaster.static.device
    weight = torch.as_tensor(found.grid.area_weights, dtype=torch.float32, device=device)
    starts = {name: found.starts(years, 1) for name, years in config.years.items()}
    forecaster.change.copy_(_change(found, spread(starts["train"], CHANGES)))
    machine.ready(list(forecaster.blocks))

    def load(first: Tensor, noise: Tensor) -> Batch:
        z, when = windows(latents, found, first, 1, 1)
        return z[:, 0], when[:, 0], found.states(first + 1), noise.tolist()

    def batch_of(generator: torch.Generator, share: Share) -> Batch:
        possible = starts["train"]
        first = possible[torch.randint(len(possible), (settings.batch,), generator=generator)]
        noise = seeds(settings.batch, generator)
        return load(share.take(first), share.take(noise))

    def losses(module: nn.Module, batch: Batch) -> Tensor:
        z, when, after = (x.to(device) for x in batch[:3])
        with torch.no_grad():
            x = autoencoder.decode(z + settings.noise * normal(z, batch[3]))
        return squares_off(cast(Forecaster, module), x, when, after, weight, machine.bfloat16)

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


def squares_off(
    forecaster: Forecaster,
    states: Tensor,
    when: Tensor,
    after: Tensor,
    weight: Tensor,
    bfloat16: bool = False,
) -> Tensor:
    """Mean square error of forecasts, (n,).

    Arguments:
        states, after: standardised, a step apart, (n, C, H, W); when: fractions of the year (n,).
        weight: of rows, (H, 1).
    """
    with reduced(states.device, bfloat16):
        found = forecaster(states, when)
    return ((found.float() - after).square() * weight).mean((1, 2, 3))


def _change(found: Trajectories, first: Tensor) -> Tensor:
    """Standard deviation of what channels change by in a step, (C,); areas weigh."""
    weight = torch.as_tensor(found.grid.area_weights, dtype=torch.float32)
    squares = [
        ((found.states(part + 1) - found.states(part)).square() * weight).mean((2, 3))
        for part in first.split(TOGETHER)
    ]
    return torch.cat(squares).mean(0).sqrt()


def measure_errors(
    config: SphereConfig,
    forecaster: Forecaster,
    autoencoder: SphereAutoencoder,
    directions: Tensor,
    latents: np.ndarray,
    found: Trajectories,
) -> None:
    """Sets what `forecaster` is wrong by, in latents, as found on states that it was not trained on.

    Arguments:
        directions: the Climatology's modes of space, (r, K h w).
    """
    own = directions.float().to(forecaster.static)
    channels, height, _ = latents.shape[1:]
    modes = torch.zeros(len(own), len(own), dtype=torch.float64)
    rest = torch.zeros(height, channels, channels, dtype=torch.float64)
    last = config.window - 2

    def ahead(z: Tensor, when: Tensor) -> Tensor:
        return autoencoder.encode(forecaster(autoencoder.decode(z), when))

    later, first = torch.zeros(2), spread(found.starts(config.years["validate"], last + 1), MEASURED)
    for part in first.split(TOGETHER):
        states, when = (x.to(own.device) for x in windows(latents, found, part, last + 2, 1))
        with torch.no_grad():
            off = torch.stack([ahead(states[:, k], when[:, k]) - states[:, k + 1] for k in (0, last)])
        inside, left = parts(off.flatten(2), own)
        outside = left.unflatten(2, latents.shape[1:])
        modes += torch.einsum("knr,kns->rs", inside, inside).cpu() / 2
        rest += torch.einsum("knchw,kndhw->hcd", outside, outside).cpu() / 2
        later += torch.stack([inside.prod(0).sum(), outside.prod(0).sum()]).cpu()
    total = torch.stack([modes.trace(), rest.diagonal(dim1=1, dim2=2).sum()])
    forecaster.modes.copy_(factor(modes / len(first)))
    forecaster.rest.copy_(factor(rest / (len(first) * latents.shape[3])))
    forecaster.lasting.copy_((later / total).clamp(0, 1) ** (1 / last))
