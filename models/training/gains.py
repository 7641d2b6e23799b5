"""Measures what a trained denoiser has to be multiplied by; see `models.prior.gain`."""

import math

import numpy as np
import torch
from torch import Tensor

from models.prior.denoiser import Denoiser
from models.prior.gain import Gain, outside
from models.prior.lagged import LaggedCovariance
from models.prior.sphere_prior import AtStep, TrajectoryNetwork
from models.training.accelerator import Reduced, normal
from models.training.config import SphereConfig
from models.training.trajectories import Trajectories, spread

LEVELS = 14  # noise levels
WINDOWS = 72
AT_ONCE = 4  # windows


def fit_gains(
    config: SphereConfig,
    network: TrajectoryNetwork,
    lagged: LaggedCovariance,
    latents: np.ndarray,
    found: Trajectories,
) -> dict[str, Tensor]:
    """Of windows of each step in the training years; as `models.prior.sphere_prior.gain_of` reads it."""
    device = network.static.device
    there: dict[str, Tensor] = {}
    for step in config.steps:
        climatology = lagged.to(device).climatology(config.window, step)
        denoiser = Denoiser(climatology, Reduced(AtStep(network, step)))
        apart = step // config.step_hours
        possible = found.starts(config.years["train"], (config.window - 1) * apart)
        index = spread(possible, WINDOWS)[:, None] + torch.arange(config.window) * apart
        clean = torch.from_numpy(latents[index.numpy()]).float()
        when = found.year_fraction[index]
        gain = fit_gain(denoiser, clean.to(device), when.to(device), config.denoiser.sigma)
        there |= {"gain.sigmas": gain.sigmas, f"gain.{step}.factors": gain.factors}
    return there


def fit_gain(denoiser: Denoiser, clean: Tensor, when: Tensor, sigma: tuple[float, float]) -> Gain:
    """Least squares over windows it may have been trained with, each with noise of its own.

    Arguments:
        clean: latents, (n, L, K, h, w).
        when: fractions of the year, (n, L).
        sigma: least and largest noise level.
    """
    low, high = (math.log(level) for level in sigma)
    sigmas = torch.linspace(low, high, LEVELS).exp()
    directions = denoiser.climatology.directions.to(clean)
    mean, factors = denoiser.climatology.mean(when), []
    small = outside(clean - mean, directions)
    for k, level in enumerate(sigmas.tolist()):
        explained = varies = torch.zeros(clean.shape[2], dtype=torch.float64)
        for rows in torch.arange(len(clean)).split(AT_ONCE):
            own, date = clean[rows], when[rows]
            noise = normal(own, [len(clean) * k + row for row in rows.tolist()])
            with torch.no_grad():
                made = denoiser(own + level * noise, own.new_full((len(own),), level), date)
            d = outside(made - mean[rows], directions)
            explained = explained + (small[rows] * d).sum((0, 1, 3, 4)).double().cpu()
            varies = varies + d.square().sum((0, 1, 3, 4)).double().cpu()
        factors.append(explained / varies)
    return Gain(sigmas, torch.stack(factors).float())
