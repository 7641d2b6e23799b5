"""A small prior whose posterior is known in closed form, for tests and for those who build on Serein.

The autoencoder is linear and the denoiser untrained, hence the exact denoiser of its Climatology: what the
sampler makes of linear observations can be compared with `models.posterior.gaussian` to Monte-Carlo error.
"""

import dataclasses
from pathlib import Path

import numpy as np
import torch

from models.prior.card import PriorCard
from models.prior.prior import Prior, build
from models.state.channels import channel
from models.state.grid import Grid
from models.state.spec import StateSpec

CHANNELS = ("msl", "z500", "t850")


def gaussian_prior(seed: int = 0, *, window: int = 2, rank: int = 24) -> Prior:
    """A prior of msl, z500 and t850 on 6 x 8 points over western Europe that is exactly Gaussian.

    Arguments:
        seed: of its random climatology.
        window: L, number of states, 24 h apart.
        rank: number of covariance modes.
    """
    grid = Grid(np.linspace(58, 38, 6), np.linspace(-12, 16, 8))
    mean, std = np.array([101_500.0, 55_000.0, 278.0]), np.array([900.0, 1500.0, 7.0])
    card = PriorCard(
        name="gaussian",
        title="A Gaussian atmosphere",
        description="For tests: exactly Gaussian, linear decoder.",
        folder=Path(),
        state=StateSpec(tuple(channel(c) for c in CHANNELS), grid, 24, mean, std),
        window=window,
        valid_hours=(12,),
        time_tolerance_minutes=30,
        max_station_elevation={"msl": 500.0},
        observation_error={"msl": 100.0, "z": 120.0, "t": 1.2},
        representativeness={"msl": 0.0, "z500": 0.0, "t850": 0.0},
        superob_correlation=0.3,
        architecture={
            "autoencoder": {"patch": 2, "latent": 6, "width": 8, "blocks": 1},
            "rank": rank,
            "denoiser": {"width": 16, "blocks": 1, "heads": 2},
        },
        presets={
            "fast": {"steps": 8, "sigma_start": 4.0, "sigma_stop": 0.02, "stochastic": False},
            "balanced": {"steps": 16, "sigma_start": 8.0, "sigma_stop": 0.02, "stochastic": True},
            "careful": {"steps": 48, "sigma_start": 10.0, "sigma_stop": 0.01, "stochastic": True},
        },
        network={"msl": {"stations": 20, "error": 100.0}, "t850": {"stations": 5, "error": 1.2}},
        data={"source": "random numbers"},
    )
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # initialisation of layers takes no generator
        prior = build(card, card.architecture)
    climate = prior.climatology
    size = climate.modes.shape[1]
    modes, _ = torch.linalg.qr(torch.randn(size, rank, generator=generator, dtype=torch.float64))
    climate.modes.copy_(modes.T)
    climate.variances.copy_(20.0 / torch.arange(1, rank + 1))
    climate.floor.fill_(0.1)
    climate.seasons[0] = 0.1 * torch.randn(climate.shape[1:], generator=generator)
    for module in (prior.autoencoder, prior.denoiser):
        module.requires_grad_(False)
    return prior


def save_gaussian_prior(folder: Path, seed: int = 0) -> PriorCard:
    """Writes `gaussian_prior` as a folder `serein` can load; returns its card."""
    from models.prior.prior import save_prior

    prior = gaussian_prior(seed)
    prior = dataclasses.replace(prior, card=dataclasses.replace(prior.card, folder=folder / "gaussian"))
    save_prior(prior, folder / "gaussian")
    return prior.card
