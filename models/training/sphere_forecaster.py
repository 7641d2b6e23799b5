"""A stage of a prior of the Earth that some have: the forecaster, and what it is wrong by."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from models.prior.climatology import Climatology
from models.prior.forecaster import Forecaster, factor
from models.prior.lagged import LaggedCovariance
from models.prior.modes import parts
from models.prior.sphere import SphereAutoencoder
from models.training.accelerator import Machine, reduced
from models.training.config import ForecasterConfig, SphereConfig
from models.training.loop import train
from models.training.processes import Share
from models.training.run import Report, Tick
from models.training.trajectories import Trajectories, spread

LAWFUL = 2000  # states from which it is known what holds of all
CHANGES = 400  # pairs of states from which it is known how much channels change
MEASURED = 1600  # states after which what it is wrong by is measured
DRAWN = 128  # of these, after which it is drawn, too
TOGETHER = 16
FARTHEST = 0.25  # of a draw of the Climatology, by which states are moved
NONE = torch.empty(0)  # noise of states that are not moved

Batch = tuple[Tensor, Tensor, Tensor, Tensor]  # states, when they and those after them are, the last, noise


def train_forecaster(
    config: SphereConfig,
    forecaster: Forecaster,
    autoencoder: SphereAutoencoder,
    lagged: LaggedCovariance,
    found: Trajectories,
    folder: Path,
    report: Report,
    tick: Tick,
    machine: Machine,
) -> None:
    """Least squares, by area, of the next state; from a state, or from what becomes of one in some steps.

    A share `moved` of batches begins from states as far from true ones as members of an ensemble are: what a
    network that has seen none of these makes of them is worse than what it makes of its own.
    """
    settings, device = cast(ForecasterConfig, config.forecaster), forecaster.static.device
    weight = torch.as_tensor(found.grid.area_weights, dtype=torch.float32, device=device)
    starts = {name: found.starts(years, settings.own + 1) for name, years in config.years.items()}
    forecaster.change.copy_(_change(found, spread(starts["train"], CHANGES)))
    forecaster.laws.fit(lambda: found.parts(spread(starts["train"], LAWFUL)))
    machine.ready(list(forecaster.blocks))
    moves = Moves(autoencoder, lagged.climatology(config.window, config.step_hours).to(device))

    def load(first: Tensor, own: int, white: Tensor) -> Batch:
        first = first + settings.own - own
        when = found.year_fraction[first[:, None] + torch.arange(own + 1)].float()
        return found.states(first), when, found.states(first + own + 1), white

    def batch_of(generator: torch.Generator, share: Share) -> Batch:
        possible = starts["train"]
        first = possible[torch.randint(len(possible), (settings.batch,), generator=generator)]
        own, white = int(torch.randint(settings.own + 1, (), generator=generator)), NONE
        if torch.rand((), generator=generator) < settings.moved:
            own, white = 0, share.take(moves.noise(settings.batch, generator))
        return load(share.take(first), own, white)

    def losses(module: nn.Module, batch: Batch) -> Tensor:
        x, when, after, white = (x.to(device) for x in batch)
        if len(white):
            with torch.no_grad(), reduced(device, machine.bfloat16):
                x = moves(x, white)
        return squares_off(cast(Forecaster, module), x, when, after, weight, machine.bfloat16)

    def validate(module: nn.Module) -> dict[str, float]:
        first = spread(starts["validate"], settings.validation)
        cut = first.split(machine.at_once(settings.batch))
        squares = [losses(module, load(part, own, NONE)) for part in cut for own in range(settings.own + 1)]
        return {"loss": float(torch.cat(squares).mean())}

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


@dataclass(frozen=True, eq=False)
class Moves:
    """Moves states by up to `FARTHEST` of a draw of the Climatology."""

    autoencoder: SphereAutoencoder
    climatology: Climatology

    def noise(self, count: int, generator: torch.Generator) -> Tensor:
        """For that many states, (count, L, K, h, w)."""
        far = FARTHEST * torch.rand(count, 1, 1, 1, 1, generator=generator)
        return far * torch.randn(count, *self.climatology.shape, generator=generator)

    def __call__(self, states: Tensor, noise: Tensor) -> Tensor:
        """Standardised states (count, C, H, W), moved."""
        code = self.autoencoder.encode(states).float()
        to = code + self.climatology.apply(torch.sqrt, noise)[:, 0]
        return states + self.autoencoder.decode(to).float() - self.autoencoder.decode(code).float()


def squares_off(
    forecaster: Forecaster,
    states: Tensor,
    when: Tensor,
    after: Tensor,
    weight: Tensor,
    bfloat16: bool = False,
) -> Tensor:
    """Mean square error of forecasts of as many steps as there are times, (n,); only the last is taught.

    Arguments:
        states: standardised, (n, C, H, W).
        when: fractions of the year of these states and of those that steps begin from after them, (n, steps).
        after: a step after the last of these times, (n, C, H, W).
        weight: of rows, (H, 1).
    """
    with reduced(states.device, bfloat16):
        with torch.no_grad():
            for k in range(when.shape[1] - 1):
                states = forecaster(states, when[:, k]).float()
        found = forecaster(states, when[:, -1])
    return ((found.float() - after).square() * weight).mean((1, 2, 3))


def _change(found: Trajectories, first: Tensor) -> Tensor:
    """Standard deviation of what channels change by in a step, (C,); areas weigh."""
    weight = torch.as_tensor(found.grid.area_weights, dtype=torch.float32)
    squares = [
        _squares(found.states(part + 1) - found.states(part), weight) for part in first.split(TOGETHER)
    ]
    return torch.cat(squares).mean(0).sqrt()


def _squares(x: Tensor, weight: Tensor) -> Tensor:
    """Means by area, (n, C)."""
    return (x.square() * weight).mean((2, 3))


def measure_errors(
    config: SphereConfig,
    forecaster: Forecaster,
    autoencoder: SphereAutoencoder,
    directions: Tensor,
    latents: np.ndarray,
    found: Trajectories,
) -> None:
    """Sets what `forecaster` is wrong by, as the code has it, as found on states it was not trained on.

    Arguments:
        directions: the Climatology's modes of space, (r, K h w).
        latents: of all states, (N, K, h, w).
    """
    own = directions.float().to(forecaster.static)
    (channels, height, _), device = latents.shape[1:], own.device
    modes = torch.zeros(len(own), len(own), dtype=torch.float64)
    rest = torch.zeros(height, channels, channels, dtype=torch.float64)
    last = config.window - 2

    def off_after(rows: Tensor) -> Tensor:
        states, when = (x.to(device) for x in (found.states(rows), found.year_fraction[rows]))
        there = torch.from_numpy(latents[(rows + 1).numpy()]).float().to(device)
        return autoencoder.encode(forecaster(states, when)) - there

    later, first = torch.zeros(2), spread(found.starts(config.years["validate"], last + 1), MEASURED)
    for part in first.split(TOGETHER):
        with torch.no_grad():
            off = torch.stack([off_after(part + k) for k in (0, last)])
        inside, left = parts(off.flatten(2), own)
        outside = left.unflatten(2, latents.shape[1:])
        modes += torch.einsum("knr,kns->rs", inside, inside).cpu() / 2
        rest += torch.einsum("knchw,kndhw->hcd", outside, outside).cpu() / 2
        later += torch.stack([inside.prod(0).sum(), outside.prod(0).sum()]).cpu()
    total = torch.stack([modes.trace(), rest.diagonal(dim1=1, dim2=2).sum()])
    forecaster.modes.copy_(factor(modes / len(first)))
    forecaster.rest.copy_(factor(rest / (len(first) * latents.shape[3])))
    forecaster.lasting.copy_((later / total).clamp(0, 1) ** (1 / last))
    forecaster.loudness.copy_(_loudness(forecaster, autoencoder, own, found, spread(first, DRAWN)))


def _loudness(
    forecaster: Forecaster,
    autoencoder: SphereAutoencoder,
    directions: Tensor,
    found: Trajectories,
    rows: Tensor,
) -> Tensor:
    """What fields are off by a step after these rows, over what draws of latents make of it, (C,)."""
    device, generator = directions.device, torch.Generator().manual_seed(0)
    weight = torch.as_tensor(found.grid.area_weights, dtype=torch.float32, device=device)
    real = drawn = torch.zeros(len(forecaster.change), device=device)
    for part in rows.split(TOGETHER):
        states, there, when = (
            x.to(device) for x in (found.states(part), found.states(part + 1), found.year_fraction[part])
        )
        with torch.no_grad():
            after = forecaster(states, when)
            code = autoencoder.encode(after)
            white = torch.randn(len(code), 1, *code.shape[1:], generator=generator).to(device)
            off = autoencoder.decode(code + forecaster.errors(white, directions)[:, 0])
            off = off - autoencoder.decode(code)
        real = real + _squares(after - there, weight).sum(0)
        drawn = drawn + _squares(off, weight).sum(0)
    return (real / drawn).sqrt().nan_to_num(1.0, 1.0)
