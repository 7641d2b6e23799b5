"""The presets where observations are not linear: winds whose posterior is known by importance sampling.

Errors of the mean are in posterior standard deviations. The distance is Kolmogorov's, the largest of the wind
components at the stations: what is seen there is bent or has two humps, so a right mean is not enough.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from app.scoreboard.report import Criterion, at_most, report

Say = Callable[[str], None]
BATCH = 256  # members sampled together
CHANCE = {"mean": 1.67, "distance": 1.95}
"""Times 1 / sqrt(N) that are exceeded by chance in one of a hundred problems, with six components each."""
BIAS = {"careful": {"mean": 0.0, "distance": 0.0}, "balanced": {"mean": 0.1, "distance": 0.05}}


@dataclass(frozen=True)
class Options:
    """What is sampled: `problems` of each instrument, from `seed` on."""

    members: int = 1024
    presets: Sequence[str] = ("fast", "balanced", "careful")
    instruments: Sequence[str] = ("speed", "saturating")
    problems: int = 1
    seed: int = 0
    draws: int = 4_000_000


def score(options: Options, say: Say = lambda line: None) -> dict[str, Any]:
    """The scoreboard, as JSON."""
    from models.testing.nonlinear import wind

    start, rows = time.monotonic(), []
    for instrument in options.instruments:
        for seed in range(options.seed, options.seed + options.problems):
            say(f"{instrument}, problem {seed}: importance sampling")
            oracle = wind(instrument, seed=seed, draws=options.draws)
            say(f"{instrument}, problem {seed}: {oracle.effective:.0f} draws count")
            for preset in options.presets:
                title = {"instrument": instrument, "problem": seed, "preset": preset}
                rows.append(title | _measure(oracle, preset, seed, options, say))
    criteria = [c for row in rows for c in _judge(row, options.members)]
    return report("nonlinear", criteria, {"members": options.members, "runs": rows}, time.monotonic() - start)


def _measure(oracle: Any, preset: str, seed: int, options: Options, say: Say) -> dict[str, Any]:
    import torch

    from models.posterior.noise import SeededNoise
    from models.posterior.presets import PRESETS
    from models.posterior.sampler import sample

    begun, posterior, parts = time.monotonic(), oracle.posterior(), []
    for first in range(0, options.members, BATCH):
        count = min(BATCH, options.members - first)
        say(f"{preset}: members from {first} of {options.members}")
        noise = SeededNoise(seed * 100_003 + first, count)
        parts.append(sample(posterior, PRESETS[preset], noise).flatten(1).double())
    seconds = round(time.monotonic() - begun, 1)
    z, (mean, std) = torch.cat(parts), oracle.moments()
    error, ratio = ((z.mean(0) - mean) / std).square(), z.var(0) / std**2
    return {
        "effective_draws": round(oracle.effective),
        "mean_error_seen": float(error[oracle.places].mean().sqrt()),
        "mean_error": float(error.mean().sqrt()),
        "spread_seen": float(ratio[oracle.places].mean().sqrt()),
        "spread": float(ratio.mean().sqrt()),
        "distance": oracle.distance(z),
        "seconds": seconds,
    }


def _judge(row: dict[str, Any], members: int) -> Iterator[Criterion]:
    if row["preset"] not in BIAS:
        return
    chance, bias = (1 / members + 1 / row["effective_draws"]) ** 0.5, BIAS[row["preset"]]
    where = f"{row['preset']}, {row['instrument']} {row['problem']}"
    for key, title in (("mean", "error of the mean at the stations"), ("distance", "distance, worst")):
        limit = (bias[key] ** 2 + (CHANCE[key] * chance) ** 2) ** 0.5
        yield at_most(f"{where}: {title}", row["mean_error_seen" if key == "mean" else key], round(limit, 4))
