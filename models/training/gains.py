"""Measures what a trained denoiser has to be multiplied by; see `models.prior.gain`."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from models.prior.denoiser import Denoiser
from models.prior.gain import Gain, outside
from models.prior.lagged import LaggedCovariance
from models.prior.sphere_prior import AtStep, TrajectoryNetwork
from models.training.accelerator import Machine, Reduced, normal
from models.training.config import SphereConfig
from models.training.processes import Processes, Share
from models.training.trajectories import Trajectories, spread, windows

LEVELS = 14  # noise levels
WINDOWS = 72
AT_ONCE = 4  # windows


def fit_gains(
    config: SphereConfig,
    network: TrajectoryNetwork,
    lagged: LaggedCovariance,
    latents: np.ndarray,
    found: Trajectories,
    machine: Machine,
) -> dict[str, Tensor]:
    """Of windows of each step in the training years; as `models.prior.sphere_prior.gain_of` reads it.

    Every process calls it, for they share the windows.
    """
    device = network.static.device
    there = lagged.to(device)

    def of_step(step: int) -> Gain:
        climatology = there.climatology(config.window, step)
        denoiser = Denoiser(climatology, Reduced(AtStep(network, step), machine.bfloat16))
        apart = step // config.step_hours
        possible = found.starts(config.years["train"], (config.window - 1) * apart)
        first = spread(possible, WINDOWS)

        def load(rows: Tensor) -> tuple[Tensor, Tensor]:
            clean, when = windows(latents, found, first[rows], config.window, apart)
            return clean.to(device), when.to(device)

        return fit_gain(denoiser, load, len(first), config.denoiser.sigma, machine.processes)

    gains = {step: of_step(step) for step in config.steps}
    factors = {f"gain.{step}.factors": gain.factors for step, gain in gains.items()}
    return {"gain.sigmas": gains[config.steps[0]].sigmas, **factors}


def fit_gain(
    denoiser: Denoiser,
    load: Callable[[Tensor], tuple[Tensor, Tensor]],
    count: int,
    sigma: tuple[float, float],
    processes: Processes = Processes(),  # noqa: B008, for it cannot be changed
) -> Gain:
    """Least squares over windows it may have been trained with, each with noise of its own.

    Arguments:
        load: latents (n, L, K, h, w) and fractions of the year (n, L) of windows (n,).
        count: of windows.
        sigma: least and largest noise level.
        processes: each takes its share of the windows.
    """
    low, high = (math.log(level) for level in sigma)
    sigmas = torch.linspace(low, high, LEVELS).exp()
    climatology = denoiser.climatology
    directions = climatology.directions.to(climatology.seasons)
    explained = directions.new_zeros(LEVELS, climatology.shape[1], dtype=torch.float64)
    varies, share = explained.clone(), Share(processes.rank, processes.world)
    for rows in share.take(torch.arange(count)).split(AT_ONCE):
        clean, when = load(rows)
        mean = climatology.mean(when)
        small = outside(clean - mean, directions)
        for k, level in enumerate(sigmas.tolist()):
            noise = normal(clean, [count * k + row for row in rows.tolist()])
            with torch.no_grad():
                made = denoiser(clean + level * noise, clean.new_full((len(clean),), level), when)
            d = outside(made - mean, directions)
            explained[k] += (small * d).sum((0, 1, 3, 4))
            varies[k] += d.square().sum((0, 1, 3, 4))
    processes.total([explained, varies])
    return Gain(sigmas, (explained / varies).float().cpu())
