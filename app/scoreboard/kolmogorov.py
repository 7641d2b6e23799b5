"""SDA's three experiments with Kolmogorov flow (Rozet & Louppe 2023), on trajectories nobody trained on.

A trajectory is simulated, a sensor looks at it, and noise of the sensor's error is added. Were the posterior
exact, its samples would differ from the observations by just that error (truth and sample are exchangeable):
SDA reports the standard deviation of these residuals. That says nothing of what was not observed, so members
are scored against the truth as well, beside the climatology and beside optimal interpolation: the Gaussian
with the same covariance, in windows of nine states, whose closed form is all it needs. Velocities are in
units of the simulation, where the climatological standard deviation is 1.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from app.scoreboard.report import Criterion, at_most, report, within

if TYPE_CHECKING:
    from torch import Tensor

    from models.classical.prior import ClassicalPrior

Say = Callable[[str], None]
Array = np.ndarray
MARGIN = 0.1  # of the sensor's error, that the residuals' may differ by
PRESETS: dict[str, dict[str, Any]] = {
    "fast": {"steps": 16, "stochastic": False},
    "balanced": {"steps": 24, "stochastic": True},
    "careful": {"steps": 32, "stochastic": True, "iterations": 2, "corrections": 1},
}
LEVELS: dict[str, Any] = {"sigma_start": 200.0, "sigma_stop": 0.02}
WINDOW = 5  # states that the network sees; the Gaussian sees up to twice as many less one
BANDS = {"1-4": (1, 5), "5-12": (5, 13), "13-24": (13, 25)}  # wavenumbers


@dataclass(frozen=True)
class Options:
    """What is scored: experiments, presets, truths by seed, members of each; `free` samples of the prior."""

    experiments: Sequence[str] = ("coarse", "sparse", "saturating")
    presets: Sequence[str] = tuple(PRESETS)
    seeds: Sequence[int] = (1, 2)
    members: int = 8
    free: int = 8


@dataclass(frozen=True, eq=False)
class Picture:
    """Vorticity to draw: of the truth and of members, (states, 64, 64), and what was observed."""

    experiment: str
    truth: Array
    members: Array
    every: int
    values: Array


def score(
    options: Options, say: Say = lambda line: None, draw: Callable[[Picture], None] | None = None
) -> dict[str, Any]:
    """The scoreboard, as JSON; `draw` is given the last preset's members of each experiment's first truth."""
    from models.classical.prior import load

    begin, prior = time.monotonic(), load("kolmogorov")
    rows = []
    for name in options.experiments:
        for seed in options.seeds:
            rows += run(prior, name, seed, options, say, draw if seed == options.seeds[0] else None)
    detail: dict[str, Any] = {"runs": rows}
    if options.free:
        say("samples without observations")
        detail["free"] = free(prior, options.presets[-1], options.free)
    return report("kolmogorov", judge(rows, options), detail, time.monotonic() - begin)


def run(
    prior: "ClassicalPrior",
    name: str,
    seed: int,
    options: Options,
    say: Say,
    draw: Callable[[Picture], None] | None = None,
) -> list[dict[str, Any]]:
    """One truth of one experiment: the presets, optimal interpolation and the climatology."""
    import torch

    from models.classical.experiments import EXPERIMENTS
    from models.classical.kolmogorov import vorticity
    from models.classical.problem import PROBLEMS
    from models.classical.stitching import Seen, Windows, interpolated, trajectories
    from models.posterior.sampler import Preset

    experiment = EXPERIMENTS[name]
    sensor, states = experiment.sensor, experiment.states
    say(f"{name}, truth {seed}")
    truth = PROBLEMS["kolmogorov"].unseen(1, states, seed)[0]
    clear = sensor(truth)
    noise = torch.randn(clear.shape, generator=torch.Generator().manual_seed(seed))
    seen = Seen(sensor, clear + sensor.error * noise)
    common = {"experiment": name, "seed": seed}

    def judged(method: str, drawn: "Tensor", since: float) -> dict[str, Any]:
        x = prior.restore(drawn).float()
        residual = float((sensor(x) - seen.values).std())
        return {
            **common,
            "method": method,
            "residual std": residual,
            **scores(x.numpy(), truth.numpy()),
            "seconds": round(time.monotonic() - since, 1),
        }

    begin = time.monotonic()
    lags = min(states, prior.autocovariance.shape[0])
    gaussian = interpolated(Windows(prior, lags, seen), states, options.members, seed, stride=sensor.every)
    rows = [{**common, "method": "climatology", **climatology(prior, truth)}]
    rows.append(judged("optimal interpolation", gaussian, begin))
    for method in options.presets:
        say(f"{name}, truth {seed}: {method}")
        begin, windows = time.monotonic(), Windows(prior, WINDOW, seen)
        preset = Preset(**LEVELS, **PRESETS[method])
        drawn = trajectories(windows, states, preset, options.members, seed)
        rows.append(judged(method, drawn, begin) | windows.cost(options.members))
    if draw is not None:
        x = prior.restore(drawn[:2]).float()
        found, two = vorticity(truth).numpy(), vorticity(x).numpy()
        draw(Picture(name, found, two, sensor.every, seen.values.numpy()))
    return rows


def scores(ensemble: Array, truth: Array) -> dict[str, float]:
    """Of members (M, L, 2, n, n) against the truth: RMSE of the mean, fair CRPS, spread / RMSE."""
    from models.verification.calibration import spread_skill
    from models.verification.scores import crps_ensemble

    return {
        "rmse": float(((ensemble.mean(0) - truth) ** 2).mean()) ** 0.5,
        "crps": float(crps_ensemble(ensemble, truth).mean()),
        "spread / rmse": spread_skill(ensemble, truth),
    }


def climatology(prior: "ClassicalPrior", truth: "Tensor") -> dict[str, float]:
    """The same scores of the mean and standard deviation of each component, as a Gaussian."""
    from models.verification.scores import crps_gaussian

    z = prior.standardise(truth).numpy()
    std = prior.std.numpy()[:, None, None]
    error = float((z**2 * std**2).mean())
    return {
        "rmse": error**0.5,
        "crps": float((crps_gaussian(0.0, 1.0, z) * std).mean()),
        "spread / rmse": float((std**2).mean() / error) ** 0.5,
    }


def free(prior: "ClassicalPrior", method: str, members: int) -> dict[str, Any]:
    """Samples of one window without observations, beside as many simulated states."""
    from models.classical.kolmogorov import divergence, vorticity
    from models.classical.problem import PROBLEMS
    from models.classical.stitching import Windows, trajectories
    from models.posterior.sampler import Preset

    preset = Preset(**LEVELS, **PRESETS[method])
    x = prior.restore(trajectories(Windows(prior, WINDOW), WINDOW, preset, members, seed=0)).float()
    truth = PROBLEMS["kolmogorov"].unseen(members, WINDOW, 0)
    ours, theirs = energy(x.flatten(0, 1).numpy()), energy(truth.flatten(0, 1).numpy())
    return {
        "preset": method,
        "energy / truth": {
            band: float(ours[low:high].sum() / theirs[low:high].sum()) for band, (low, high) in BANDS.items()
        },
        "divergence / vorticity": float(divergence(x).std() / vorticity(x).std()),
        "kurtosis of vorticity": [kurtosis(vorticity(v).numpy()) for v in (x, truth)],
    }


def energy(velocity: Array) -> Array:
    """Mean kinetic energy of states (N, 2, n, n) in shells of the wavenumber, (n // 2,)."""
    n = velocity.shape[-1]
    k = np.fft.fftfreq(n, 1 / n)
    shell = np.hypot(k[:, None], k).round().astype(int)
    power = (np.abs(np.fft.fft2(velocity) / n**2) ** 2).sum(1).mean(0) / 2
    return np.bincount(shell.ravel(), power.ravel())[: n // 2]


def kurtosis(field: Array) -> float:
    """Of all values: 3 if they are normal."""
    d = field - field.mean()
    return float((d**4).mean() / (d**2).mean() ** 2)


def judge(rows: Sequence[dict[str, Any]], options: Options) -> list[Criterion]:
    """The claims, means over truths."""
    from models.classical.experiments import EXPERIMENTS

    def mean(name: str, method: str, key: str) -> float:
        own = [row[key] for row in rows if (row["experiment"], row["method"]) == (name, method)]
        return float(np.mean(own))

    out = []
    for name in options.experiments:
        error = EXPERIMENTS[name].sensor.error
        for method in options.presets:
            value = mean(name, method, "residual std")
            title = f"{name}, {method}: residual std (SDA: {EXPERIMENTS[name].sda:g})"
            out.append(within(title, value, error, MARGIN * error))
        best = mean(name, options.presets[-1], "crps") / mean(name, "optimal interpolation", "crps")
        out.append(at_most(f"{name}, {options.presets[-1]}: CRPS / optimal interpolation's", best, 1.0))
    return out
