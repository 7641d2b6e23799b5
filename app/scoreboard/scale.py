"""Memory and time of the sampler as observations and members grow; and that members do not depend on company.

The prior `europe` is observed at random places, without quality control or superobservations, which in the
service leave some thousand of a million reports. Every measurement is a process of its own, on one core: its
peak memory less that of a process that has only loaded the prior, its processor time, and its first members.
"""

import multiprocessing
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from app.scoreboard.report import Criterion, at_most, report

Say = Callable[[str], None]
MEMORY = 16.0  # GB that 10^6 observations may take
ROUNDING = 1e-3  # of the spread, by which a member may differ in other company


@dataclass(frozen=True)
class Options:
    """What is measured: numbers of observations at some members, of members at some observations."""

    observations: Sequence[int] = (100, 1_000, 10_000, 100_000, 1_000_000)
    members: Sequence[int] = (1, 4, 16, 64)
    few: int = 8  # members, where observations vary
    some: int = 1_000  # observations, where members vary
    preset: str = "fast"
    seed: int = 0


def score(options: Options, say: Say = lambda line: None) -> dict[str, Any]:
    """The scoreboard, as JSON."""
    start = time.monotonic()
    base, _ = _alone(0, range(0), options)
    by_observations, by_members = [], []
    for count in options.observations:
        say(f"{count} observations, {options.few} members")
        by_observations.append(_row(base, count, range(options.few), options))
    for count in options.members:
        say(f"{options.some} observations, {count} members")
        by_members.append(_row(base, options.some, range(count), options))
    say("the same members in other company")
    apart = company(options)
    detail = {
        "preset": options.preset,
        "base_gb": base["gb"],
        "observations": by_observations,
        "members": by_members,
        "company": apart,
    }
    return report("scale", _judge(options, by_observations, apart), detail, time.monotonic() - start)


def _judge(options: Options, rows: list[dict[str, Any]], apart: dict[str, float]) -> list[Criterion]:
    most = max(rows, key=lambda row: row["observations"])
    return [
        at_most(f"{most['observations']} observations: peak memory, GB", most["gb"], MEMORY),
        at_most("member alone and in a batch: largest difference / spread", apart["alone"], ROUNDING),
        at_most("members of two processes and of one", apart["two processes"], ROUNDING),
    ]


def company(options: Options) -> dict[str, float]:
    """Largest difference, in units of the spread, of members sampled together, alone, by two processes."""
    half = options.few // 2
    _, together = _alone(options.some, range(options.few), options)
    spread = together.std(0, ddof=1).mean((-1, -2), keepdims=True)
    _, alone = _alone(options.some, range(half, half + 1), options)
    with _pool(2) as pool:
        jobs = [
            pool.submit(measure, options.some, part, options.preset, options.seed)
            for part in (range(half), range(half, options.few))
        ]
        apart = np.concatenate([job.result()[1] for job in jobs])
    return {
        "alone": float((np.abs(alone[0] - together[half]) / spread).max()),
        "two processes": float((np.abs(apart - together) / spread).max()),
    }


def _row(base: dict[str, float], count: int, members: range, options: Options) -> dict[str, float]:
    found, _ = _alone(count, members, options)
    return {"observations": count, "members": len(members), **found, "more_gb": found["gb"] - base["gb"]}


def _alone(count: int, members: range, options: Options) -> tuple[dict[str, float], np.ndarray]:
    with _pool(1) as pool:
        return pool.submit(measure, count, members, options.preset, options.seed).result()


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), max_tasks_per_child=1)


def measure(count: int, members: range, preset: str, seed: int) -> tuple[dict[str, float], np.ndarray]:
    """What `count` observations cost this process: peak memory in GB, seconds, and processor seconds.

    Returns:
        that, and the members in SI units, (M, T, C, H, W).
    """
    import torch

    from models.analysis import Analysis, sample
    from models.prior.card import load_card
    from models.prior.prior import load_prior

    torch.set_num_threads(1)
    prior = load_prior(load_card("europe"))
    step = f"{prior.card.state.step_hours}h"
    analysis = Analysis(prior, pd.date_range("2019-02-16T12:00Z", periods=prior.card.window, freq=step))
    table = scattered(analysis, max(1, count), seed)
    begun, cpu = time.monotonic(), time.process_time()
    found = np.empty(0, dtype=np.float32)
    if len(members):
        found = sample(analysis, table, members=members, seed=seed, preset=preset)
    cost = {
        "gb": peak() / 2**20,
        "seconds": round(time.monotonic() - begun, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
    }
    return cost, found


def peak() -> int:
    """Peak memory of this process, KiB. Linux counts what the parent had into `ru_maxrss`, so not by that."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    own = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return own[0] if own else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def scattered(analysis: Any, count: int, seed: int) -> pd.DataFrame:
    """A truth drawn from the prior, observed `count` times: at random places, channels and states."""
    from models.osse import reports, truth

    card, generator = analysis.prior.card, np.random.default_rng(seed)
    grid, places = card.state.grid, -(-count // len(analysis.times))
    network = pd.DataFrame(
        {
            "station_id": np.char.mod("%08d", np.arange(places)),
            "latitude": generator.uniform(grid.latitude.min(), grid.latitude.max(), places),
            "longitude": generator.uniform(grid.longitude.min(), grid.longitude.max(), places),
            "elevation": 0.0,
            "channel": generator.choice(card.state.names, places),
            "error": np.nan,
            "kind": "POINT",
        }
    )
    return reports(card, analysis.times, network, truth(analysis, seed), seed).head(count)


def plot(detail: dict[str, Any], path: Path) -> None:
    """Peak memory and processor time against observations and members."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots(2, 2, sharex="col")
    for column, key in enumerate(("observations", "members")):
        rows = detail[key]
        other = "members" if key == "observations" else "observations"
        for ax, what, label in zip(
            axes[:, column], ("gb", "cpu_seconds"), ("peak memory, GB", "processor time, s"), strict=True
        ):
            ax.loglog([row[key] for row in rows], [row[what] for row in rows], "o-")
            ax.set_ylabel(label)
            ax.grid(alpha=0.3)
        axes[0, column].set_title(f"{rows[0][other]} {other}, preset {detail['preset']}")
        axes[0, column].axhline(detail["base_gb"], color="0.5", linestyle=":", label="prior loaded, no more")
        axes[1, column].set_xlabel(key)
    axes[0, 0].legend()
    figure.savefig(path)
