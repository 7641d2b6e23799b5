"""The first stage of a prior of the Earth: the autoencoder, what it loses, and the latents of all states."""

from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from models.prior.sphere import SphereAutoencoder
from models.training.accelerator import normal, reduced
from models.training.config import SphereConfig
from models.training.loop import train
from models.training.run import Report, Tick
from models.training.trajectories import Trajectories, spread


def train_autoencoder(
    config: SphereConfig,
    autoencoder: SphereAutoencoder,
    found: Trajectories,
    folder: Path,
    report: Report,
    tick: Tick,
) -> None:
    """Least squares, by area; with noise on the latents, so that the decoder is smooth."""
    settings, device = config.autoencoder, autoencoder.scale.device
    weight = torch.as_tensor(found.grid.area_weights, dtype=torch.float32, device=device)
    rows = found.of_years(config.years["train"])
    autoencoder.start_from_patches(found.states(spread(rows, settings.start)).to(device), weight)
    held_out = found.states(spread(found.of_years(config.years["validate"]), settings.validation)).to(device)

    def loss_of(module: nn.Module, generator: torch.Generator) -> Tensor:
        autoencoder = cast(SphereAutoencoder, module)
        x = found.states(rows[torch.randint(len(rows), (settings.batch,), generator=generator)]).to(device)
        with reduced(device):
            z = autoencoder.encode(x).float()
            error = autoencoder.decode(z + settings.noise * normal(z, generator)).float() - x
        return (error.square() * weight).mean()

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


def residual(autoencoder: SphereAutoencoder, found: Trajectories, rows: Tensor) -> Tensor:
    """RMS of what the code loses of states, per channel, standardised, (C,); areas weigh."""
    device, parts = autoencoder.scale.device, []
    weight = torch.as_tensor(found.grid.area_weights, dtype=torch.float32, device=device)
    with torch.no_grad():
        for part in spread(rows, 400).split(50):
            x = found.states(part).to(device)
            error = autoencoder.decode(autoencoder.encode(x)) - x
            parts.append((error.square() * weight).mean((2, 3)))
    return torch.cat(parts).mean(0).sqrt().cpu()


def encode_all(autoencoder: SphereAutoencoder, found: Trajectories, folder: Path) -> Tensor:
    """Of all states, (N, K, h, w); kept in `folder`/latents.npy."""
    path = folder / "latents.npy"
    if not path.exists():
        rows, device = torch.arange(len(found.times)), autoencoder.scale.device
        with torch.no_grad():
            coded = (autoencoder.encode(found.states(part).to(device)) for part in rows.split(256))
            z = torch.cat([part.half().cpu() for part in coded])
        aside = path.with_suffix(".tmp")
        with aside.open("wb") as file:
            np.save(file, z.numpy())
        aside.replace(path)
    return torch.from_numpy(np.load(path)).float()
