"""Does the prior of the Earth make weather? Trajectories without observations beside a run of the model.

Spectra along latitude circles, means and standard deviations, the memory of a state over four days, and where
storms pass. Trajectories of the run are of some weeks around the days of the year on which those without
observations begin; of all of them the seasonal cycle of the run is taken away.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from app.scoreboard.report import Criterion, at_most, report
from models.free import trajectories
from models.posterior.sampler import Preset
from models.prior.card import load_card
from models.prior.climatology import seasonal
from models.prior.prior import load_prior
from models.simulation.truth import Truth
from models.state.time import year_fraction
from models.verification.climate import lag_correlations, storm_tracks, zonal_spectrum
from models.windows import Windows

SEASONS = ((1, 15), (4, 15), (7, 15), (10, 15))  # month and day
SHOWN = ("z500", "u510", "t510", "q835")
STEPS = (6, 12, 24)  # hours
DAY = 24 // STEPS[0]  # states
APART = 12 * DAY  # states of the run between two trajectories that are taken for the truth
AROUND = 3  # of them before and after each season's day
RESOLVED = 14  # wavenumber: two thirds of those that there are
Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """The run, members per season, and how they are sampled."""

    data: Path
    members: int = 8
    preset: str = "fast"
    seed: int = 1
    prior: str = "earth-t21"
    seasons: int = len(SEASONS)


@dataclass(frozen=True, eq=False)
class Weather:
    """Averages of one source of trajectories, per channel that is shown.

    Attributes:
        spectrum: variance per wavenumber, (W/2 + 1,).
        lags: correlation with the first state, (T,).
        mean, std: over the year, (H, W).
        storms: standard deviation of a day's change, (H, W).
    """

    spectrum: dict[str, np.ndarray]
    lags: dict[str, np.ndarray]
    mean: dict[str, np.ndarray]
    std: dict[str, np.ndarray]
    storms: dict[str, np.ndarray]


def score(options: Options, say: Say = lambda line: None) -> tuple[dict[str, Any], dict[str, Weather]]:
    """The scoreboard, as JSON, and what it is made of, for a picture."""
    start, card = time.monotonic(), load_card(options.prior)
    truth, days = Truth.open(options.data, card.state), SEASONS[: options.seasons]
    preset = Preset(**card.presets[options.preset])
    windows = {
        step: Windows(load_prior(card, step), preset, options.members, options.seed, mirrored=False)
        for step in STEPS
    }
    length = (card.window - 1) * STEPS[-1] // STEPS[0] + 1
    shown = [card.state.names.index(name) for name in SHOWN]
    seasons = Seasons.of(truth, shown)
    ours, theirs = [], []
    for k, (month, day) in enumerate(days):
        say(f"trajectories of season {k + 1} of {len(days)}")
        first = pd.Timestamp(year=truth.times[0].year, month=month, day=day, tz="UTC")
        drawn = {step: own.with_seed(options.seed + k) for step, own in windows.items()}
        z = trajectories(drawn, first)
        times = pd.date_range(first, periods=length, freq=f"{STEPS[0]}h")
        ours.append(np.stack([windows[STEPS[0]].states(part)[:, shown] for part in z]) - seasons.at(times))
        theirs.append(_of_run(truth, first, length, shown, seasons))
    grid = card.state.grid
    mean = seasons.mean
    found = {
        name: _weather(parts, mean, grid.latitude, grid.area_weights)
        for name, parts in (("truth", theirs), ("samples", ours))
    }
    detail = {"hours": STEPS[0], **{name: _numbers(weather) for name, weather in found.items()}}
    criteria = _criteria(found["samples"], found["truth"], grid.area_weights)
    return report("samples", criteria, detail, time.monotonic() - start), found


@dataclass(frozen=True, eq=False)
class Seasons:
    """The seasonal cycle of a run: coefficients of `models.prior.climatology.seasonal`, (S, C, H, W)."""

    coefficients: np.ndarray

    @classmethod
    def of(cls, truth: Truth, shown: list[int]) -> "Seasons":
        """Least squares over every tenth state."""
        positions = range(0, len(truth.times), 10)
        states = np.stack([truth.states(k)[0, shown] for k in positions])
        basis = _basis(truth.times[::10])
        flat, *_ = np.linalg.lstsq(basis, states.reshape(len(states), -1), rcond=None)
        return cls(flat.reshape(-1, *states.shape[1:]))

    @property
    def mean(self) -> np.ndarray:
        """Of the year, (C, H, W)."""
        return self.coefficients[0]

    def at(self, times: pd.DatetimeIndex) -> np.ndarray:
        """(T, C, H, W)."""
        return np.tensordot(_basis(times), self.coefficients, 1)


def _basis(times: pd.DatetimeIndex) -> np.ndarray:
    return seasonal(torch.from_numpy(year_fraction(times))).double().numpy()


def _of_run(truth: Truth, first: pd.Timestamp, length: int, shown: list[int], seasons: Seasons) -> np.ndarray:
    """Anomalies around this day in every year of the run, (N, T, C, H, W)."""
    parts = []
    for year in sorted(set(truth.times.year)):
        middle = truth.times.get_indexer([first.replace(year=int(year))])[0]
        for k in range(-AROUND, AROUND + 1):
            position = middle + k * APART
            if middle >= 0 and 0 <= position <= len(truth.times) - length:
                times = truth.times[position : position + length]
                parts.append(truth.states(position, length)[:, shown] - seasons.at(times))
    return np.stack(parts)


def _weather(
    seasons: list[np.ndarray], mean: np.ndarray, latitude: np.ndarray, weights: np.ndarray
) -> Weather:
    """Of anomalies (N, T, C, H, W) around each of some days of the year; `mean`: of the year, (C, H, W)."""
    every = [season[:, ::DAY] for season in seasons]
    found = Weather({}, {}, {}, {}, {})
    for c, name in enumerate(SHOWN):
        own = np.concatenate([x[:, :, c] for x in seasons])
        found.spectrum[name] = zonal_spectrum(own, latitude).mean((0, 1))
        found.lags[name] = lag_correlations(own, weights)
        found.mean[name] = mean[c] + np.mean([x[:, :, c].mean((0, 1)) for x in every], axis=0)
        found.std[name] = np.sqrt((own**2).mean((0, 1)))
        found.storms[name] = storm_tracks(
            np.concatenate([x[:, k : k + 2, c] for x in every for k in range(x.shape[1] - 1)])
        )
    return found


def _numbers(weather: Weather) -> dict[str, Any]:
    return {
        name: {"spectrum": weather.spectrum[name].tolist(), "lags": weather.lags[name].round(4).tolist()}
        for name in SHOWN
    }


def _criteria(ours: Weather, truth: Weather, weights: np.ndarray) -> list[Criterion]:
    out = []
    for name in SHOWN:
        inside = slice(1, RESOLVED + 1)
        ratio = ours.spectrum[name][inside] / truth.spectrum[name][inside]
        worst = int(np.abs(ratio - 1).argmax())
        out.append(
            at_most(f"{name}: spectrum off by, at most (wave {worst + 1})", float(abs(ratio[worst] - 1)), 0.2)
        )
        apart = np.abs(ours.lags[name] - truth.lags[name]).max()
        out.append(at_most(f"{name}: lag correlations off by, at most", float(apart), 0.1))
        scale = np.sqrt((truth.std[name] ** 2 * weights).mean())
        mean = np.sqrt(((ours.mean[name] - truth.mean[name]) ** 2 * weights).mean()) / scale
        out.append(at_most(f"{name}: mean map off by, of the standard deviation", float(mean), 0.35))
        for what, own, other in (("std", ours.std, truth.std), ("storms", ours.storms, truth.storms)):
            pattern = np.corrcoef(own[name].ravel(), other[name].ravel())[0, 1]
            out.append(at_most(f"{name}: {what}, 1 - correlation of the maps", float(1 - pattern), 0.15))
            size = np.sqrt((own[name] ** 2 * weights).mean() / (other[name] ** 2 * weights).mean())
            out.append(at_most(f"{name}: {what}, size off by", float(abs(size - 1)), 0.1))
    return out
