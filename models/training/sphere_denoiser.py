"""The last stage of a prior of the Earth: the denoiser of trajectories."""

import math
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from models.prior.climatology import Climatology
from models.prior.denoiser import Denoiser, relative_loss
from models.prior.lagged import LaggedCovariance
from models.prior.sphere_prior import AtStep, TrajectoryNetwork
from models.training.accelerator import Machine, Reduced, normal, seeds
from models.training.config import SphereConfig
from models.training.loop import train
from models.training.processes import Share
from models.training.run import Report, Tick
from models.training.trajectories import Trajectories, spread, windows


class Batch(NamedTuple):
    """Windows of one step: latents (n, L, K, h, w), when (n, L), noise level and seed of the noise (n,)."""

    step: int
    clean: Tensor
    when: Tensor
    sigma: Tensor
    seeds: list[int]

    def to(self, device: torch.device) -> "Batch":
        """On that device."""
        return self._replace(
            clean=self.clean.to(device), when=self.when.to(device), sigma=self.sigma.to(device)
        )


def train_denoiser(
    config: SphereConfig,
    network: TrajectoryNetwork,
    lagged: LaggedCovariance,
    latents: np.ndarray,
    found: Trajectories,
    folder: Path,
    report: Report,
    tick: Tick,
    machine: Machine,
) -> None:
    """Each batch has windows of one step: the first of `steps` half of the time, the others the rest."""
    settings, device = config.denoiser, network.static.device
    there = lagged.to(device)
    climatologies = {step: there.climatology(config.window, step) for step in config.steps}
    low, high = (math.log(s) for s in settings.sigma)
    starts = {
        (name, step): found.starts(years, (config.window - 1) * step // config.step_hours)
        for name, years in config.years.items()
        for step in config.steps
    }
    for (name, step), possible in starts.items():
        if not len(possible):
            raise ValueError(f"years: no window of {config.window} states {step} h apart to {name} on")
    network.recompute = machine.recompute
    machine.ready(list(network.blocks))

    def load(step: int, first: Tensor, sigma: Tensor, noise: Tensor) -> Batch:
        clean, when = windows(latents, found, first, config.window, step // config.step_hours)
        return Batch(step, clean, when, sigma, noise.tolist())

    def batch_of(generator: torch.Generator, share: Share) -> Batch:
        others = len(config.steps) - 1
        drawn = int(torch.randint(2 * others or 1, (), generator=generator))
        step = config.steps[max(0, drawn - others + 1) if others else 0]
        possible = starts["train", step]
        first = possible[torch.randint(len(possible), (settings.batch,), generator=generator)]
        sigma = torch.empty(settings.batch).uniform_(low, high, generator=generator).exp()
        noise = seeds(settings.batch, generator)
        return load(step, share.take(first), share.take(sigma), share.take(noise))

    def losses(module: nn.Module, batch: Batch) -> Tensor:
        network = cast(TrajectoryNetwork, module)
        return denoising_losses(network, batch.to(device), climatologies[batch.step], machine.bfloat16)

    def validate(module: nn.Module) -> dict[str, float]:
        generator, step = torch.Generator().manual_seed(1), config.steps[0]
        first = spread(starts["validate", step], settings.validation)

        def score(sigma: Tensor) -> float:
            parts = [
                losses(module, load(step, part, sigma.expand(len(part)), seeds(len(part), generator)))
                for part in first.split(machine.at_once(settings.batch))
            ]
            return float(torch.cat(parts).mean())

        scores = {f"sigma {sigma:.2g}": score(sigma) for sigma in torch.linspace(low, high, 6).exp()}
        return {"loss": sum(scores.values()) / len(scores), **scores}

    best = train(
        network,
        lambda module, batch: losses(module, batch).mean(),
        validate,
        folder / "denoiser",
        steps=settings.steps,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        ema=settings.ema,
        muon=settings.muon,
        batch_of=batch_of,
        machine=machine,
        report=lambda row: report("denoiser", row),
        tick=lambda step: tick("denoiser", step),
    )
    network.load_state_dict(best.state_dict())
    network.eval().requires_grad_(False)


def denoising_losses(
    network: TrajectoryNetwork, batch: Batch, climatology: Climatology, bfloat16: bool = False
) -> Tensor:
    """See `models.prior.denoiser.relative_loss`, (n,); `bfloat16`: on a CPU too."""
    noisy = batch.clean + batch.sigma[:, None, None, None, None] * normal(batch.clean, batch.seeds)
    at_step = Reduced(AtStep(network, batch.step), bfloat16)
    denoised = Denoiser(climatology, at_step)(noisy, batch.sigma, batch.when)
    return relative_loss(denoised - batch.clean, batch.sigma, climatology)
