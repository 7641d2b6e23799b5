"""The card of a classical problem's prior, by which the service offers it.

The model's time is given a calendar and its space a place on Earth, so that its observations are reports like
any other: for Lorenz (1996) its variables lie on a circle of latitude and its unit of time is five days.

After a prior was trained anew: python -m models.classical.card NAME ...
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.classical.prior import ClassicalPrior, load
from models.classical.problem import PROBLEMS
from models.prior.card import BUNDLED, PriorCard
from models.state.channels import channel
from models.state.grid import Grid
from models.state.spec import StateSpec

Presets = dict[str, dict[str, Any]]

NEAR: Presets = {
    "fast": {"steps": 12, "sigma_start": 1.0, "sigma_stop": 0.03, "stochastic": True, "iterations": 2},
    "balanced": {"steps": 24, "sigma_start": 1.5, "sigma_stop": 0.03, "stochastic": True, "iterations": 4},
    "careful": {"steps": 48, "sigma_start": 2.0, "sigma_stop": 0.02, "stochastic": True, "iterations": 6},
}
"""Moment matching from near the Gaussian posterior."""
AHEAD = {"sigma_start": 5.0, "sigma_stop": 0.03, "stochastic": True, "iterations": 0, "delta": 0.5}
FAR: Presets = {
    "fast": NEAR["fast"],
    "balanced": {**AHEAD, "steps": 16, "ahead": 0.3, "corrections": 1},
    "careful": {**AHEAD, "steps": 32, "ahead": 0.17, "corrections": 1},
}
"""From strong noise, where few observations leave posteriors that are far from Gaussian."""


@dataclass(frozen=True)
class Setting:
    """How a problem is presented.

    Attributes:
        title: for people.
        source: who described it.
        channels: of the state, (K,).
        days: of the calendar in a unit of the model's time.
        stations, error: of the example network; each observes all channels.
        presets: of the sampler.
    """

    title: str
    source: str
    channels: tuple[str, ...]
    days: float
    stations: int
    error: float
    presets: Presets


SETTINGS = {
    "lorenz63": Setting(
        title="Lorenz (1963): three variables of convection",
        source="Lorenz 1963, doi:10.1175/1520-0469(1963)020<0130:DNF>2.0.CO;2",
        channels=("lorenz_x", "lorenz_y", "lorenz_z"),
        days=2,
        stations=10,
        error=2.0,
        presets=FAR,
    ),
    "lorenz96": Setting(
        title="Lorenz (1996): forty variables on a circle of latitude",
        source="Lorenz 1996, Predictability: a problem partly solved",
        channels=("lorenz_x",),
        days=5,
        stations=40,
        error=1.0,
        presets=FAR,
    ),
    "kolmogorov": Setting(
        title="Kolmogorov flow: two-dimensional turbulence in a box",
        source="Rozet & Louppe 2023, arXiv:2306.10574",
        channels=("flow_u", "flow_v"),
        days=1.25,
        stations=128,
        error=0.1,
        presets=NEAR,
    ),
}


def describe(name: str, prior: ClassicalPrior, folder: Path) -> PriorCard:
    """The card of the prior of the problem called `name`.

    Raises:
        ValueError: its states lie no whole number of hours apart.
    """
    setting, problem = SETTINGS[name], PROBLEMS[name]
    hours = prior.spacing * setting.days * 24
    step = round(hours)
    if abs(hours - step) > 1e-6 or step < 1:
        raise ValueError(f"the states of {name} are {hours:g} h apart, which is no whole number of hours")
    grid = place(prior.shape[1], prior.shape[2])
    mean = prior.mean.double().reshape(len(prior.mean), -1).mean(1).numpy()  # of all rows
    every = range(0, 24, step) if 24 % step == 0 else range(1 if step % 24 == 0 else 24)
    return PriorCard(
        name=name,
        title=setting.title,
        description=f"{setting.title}. A unit of the model's time is {setting.days:g} days here, a window is "
        f"{problem.window} states, {prior.spacing:g} units apart. Learned from simulations.",
        folder=folder,
        state=StateSpec(
            tuple(channel(c) for c in setting.channels), grid, step, mean, prior.std.double().numpy()
        ),
        window=problem.window,
        valid_hours=tuple(every),
        time_tolerance_minutes=30,
        max_station_elevation={},
        observation_error=dict.fromkeys(setting.channels, setting.error),
        representativeness=dict.fromkeys(setting.channels, 0.0),
        superob_correlation=0.0,
        architecture={"kind": "classical"},
        presets=setting.presets,
        network={c: {"stations": setting.stations, "error": setting.error} for c in setting.channels},
        data={
            "source": "simulations of the model itself",
            "licence": "Apache-2.0",
            "attribution": setting.source,
            "years": {},
        },
    )


def place(height: int, width: int) -> Grid:
    """A point, a ring on the equator, or a box in the open Pacific, rows from north to south."""
    if height == 1:
        return Grid(np.zeros(1), np.arange(width) * 360 / width)
    return Grid(28 - np.arange(height) / 2, -151 + np.arange(width) / 2)


def write(name: str) -> None:
    """Writes the card of a bundled prior beside it."""
    card = describe(name, load(name), BUNDLED / name)
    (card.folder / "card.json").write_text(json.dumps(card.to_dict(), indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        write(argument)
