"""The last stage of a prior of the Earth: the denoiser of trajectories."""

import math
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from models.prior.denoiser import Denoiser, relative_loss
from models.prior.lagged import LAG, LaggedCovariance
from models.prior.sphere_prior import AtStep
from models.prior.trajectory import TrajectoryTransformer
from models.training.accelerator import Reduced, normal
from models.training.config import SphereConfig
from models.training.loop import train
from models.training.run import Report, Tick
from models.training.trajectories import Trajectories, spread


def train_denoiser(
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
    settings, span, device = config.denoiser, torch.arange(config.window), network.static.device
    climatologies = {step: lagged.climatology(config.window, step).to(device) for step in config.steps}
    latents, when = latents.to(device), found.year_fraction.to(device)
    low, high = (math.log(s) for s in settings.sigma)
    starts = {
        (name, step): _starts(found.of_years(years), (config.window - 1) * step // LAG)
        for name, years in config.years.items()
        for step in config.steps
    }

    def loss_at(
        module: nn.Module, step: int, first: Tensor, sigma: Tensor, generator: torch.Generator
    ) -> Tensor:
        index, sigma = (first[:, None] + span * (step // LAG)).to(device), sigma.to(device)
        clean, climatology = latents[index], climatologies[step]
        noisy = clean + sigma[:, None, None, None, None] * normal(clean, generator)
        network = AtStep(cast(TrajectoryTransformer, module), step).to(device)
        denoised = Denoiser(climatology, Reduced(network))(noisy, sigma, when[index])
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
        first = spread(starts["validate", config.steps[0]], settings.validation)
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
