"""The first stage of a prior of the Earth: the autoencoder, what it loses, and the latents of all states."""

from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from models.prior.sphere import SphereAutoencoder
from models.training.accelerator import Machine, normal, reduced, seeds
from models.training.blocks import filled
from models.training.config import SphereConfig
from models.training.loop import train
from models.training.processes import Share
from models.training.run import Report, Tick
from models.training.synthesis import fit_synthesis
from models.training.trajectories import Trajectories, at_a_time, spread

LOST = 400  # states on which the error of the code is measured


def train_autoencoder(
    config: SphereConfig,
    autoencoder: SphereAutoencoder,
    found: Trajectories,
    folder: Path,
    report: Report,
    tick: Tick,
    machine: Machine,
) -> None:
    """Least squares, by area; with noise on the latents, so that the decoder is smooth."""
    settings, device = config.autoencoder, autoencoder.scale.device
    weight = torch.as_tensor(found.grid.area_weights, dtype=torch.float32, device=device)
    rows, held_out = (found.of_years(config.years[name]) for name in ("train", "validate"))
    held_out = spread(held_out, settings.validation)
    if machine.processes.first and not (folder / "autoencoder" / "checkpoint.pt").exists():
        start = spread(rows, settings.start)
        autoencoder.start_from_patches(found.parts(start), found.climate.to(device), weight)
        fit_synthesis(autoencoder, found.parts(start), weight, settings.noise)
    machine.ready([*autoencoder.encoder.blocks, *autoencoder.decoder.blocks])

    def batch_of(generator: torch.Generator, share: Share) -> tuple[Tensor, list[int]]:
        chosen = rows[torch.randint(len(rows), (settings.batch,), generator=generator)]
        noise = seeds(settings.batch, generator)
        return found.states(share.take(chosen)), share.take(noise).tolist()

    def loss_of(module: nn.Module, batch: tuple[Tensor, list[int]]) -> Tensor:
        x, noise = batch
        own = cast(SphereAutoencoder, module)
        return squares_lost(own, x.to(device), noise, settings.noise, weight, machine.bfloat16)

    def validate(module: nn.Module) -> dict[str, float]:
        lost = _lost(cast(SphereAutoencoder, module), found, held_out, weight)
        return {"loss": float(lost.mean())}

    best = train(
        autoencoder,
        loss_of,
        validate,
        folder / "autoencoder",
        steps=settings.steps,
        learning_rate=settings.learning_rate,
        ema=0.99,
        batch_of=batch_of,
        machine=machine,
        report=lambda row: report("autoencoder", row),
        tick=lambda step: tick("autoencoder", step),
    )
    autoencoder.load_state_dict(best.state_dict())
    autoencoder.eval().requires_grad_(False)


def squares_lost(
    autoencoder: SphereAutoencoder,
    x: Tensor,
    seeds: list[int],
    noise: float,
    weight: Tensor,
    bfloat16: bool = False,
) -> Tensor:
    """Mean square error of states (n, C, H, W) decoded from latents with noise of this size, by area, ()."""
    with reduced(x.device, bfloat16):
        z = autoencoder.encode(x).float()
        error = autoencoder.decode(z + noise * normal(z, seeds)).float() - x
    return (error.square() * weight).mean()


def residual(autoencoder: SphereAutoencoder, found: Trajectories, rows: Tensor) -> Tensor:
    """RMS of what the code loses of states, per channel, standardised, (C,); areas weigh."""
    weight = torch.as_tensor(found.grid.area_weights, dtype=torch.float32, device=autoencoder.scale.device)
    with torch.no_grad():
        return _lost(autoencoder, found, spread(rows, LOST), weight).sqrt().cpu()


def _lost(autoencoder: SphereAutoencoder, found: Trajectories, rows: Tensor, weight: Tensor) -> Tensor:
    """Mean square of that, (C,)."""
    squares = []
    for part in found.parts(rows):
        x = part.to(weight)
        error = autoencoder.decode(autoencoder.encode(x)) - x
        squares.append((error.square() * weight).mean((2, 3)))
    return torch.cat(squares).mean(0)


def encode_all(
    autoencoder: SphereAutoencoder, found: Trajectories, folder: Path, machine: Machine
) -> np.ndarray:
    """Latents of all states, (N, K, h, w) float16; kept in `folder`/latents.npy, mapped into memory."""

    def code(rows: slice) -> np.ndarray:
        x = found.states(torch.arange(rows.start, rows.stop)).to(autoencoder.scale.device)
        with torch.no_grad():
            return autoencoder.encode(x).half().cpu().numpy()

    shape = (len(found.times), *autoencoder.latent_shape)
    block = at_a_time((len(found.mean), *found.grid.shape))
    return filled(folder / "latents.npy", shape, block, code, machine.processes)
