"""The presets where the posterior has several modes whose weights are known."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.scoreboard.report import Criterion, at_most, report

Say = Callable[[str], None]
LIMITS = {"careful": 0.03, "balanced": 0.06}


@dataclass(frozen=True)
class Options:
    """What is sampled: `problems` mixtures from `seed` on, each with observations of its own."""

    members: int = 4096
    presets: Sequence[str] = ("fast", "balanced", "careful")
    problems: int = 4
    seed: int = 0


def score(options: Options, say: Say = lambda line: None) -> dict[str, Any]:
    """The scoreboard, as JSON."""
    start = time.monotonic()
    rows = [
        _measure(preset, seed, options, say)
        for preset in options.presets
        for seed in range(options.seed, options.seed + options.problems)
    ]
    criteria = [_judge(preset, rows) for preset in options.presets if preset in LIMITS]
    detail = {"members": options.members, "problems": rows}
    return report("mixture", criteria, detail, time.monotonic() - start)


def _measure(preset: str, seed: int, options: Options, say: Say) -> dict[str, Any]:
    import pandas as pd

    from models.posterior.noise import CounterNoise
    from models.posterior.presets import PRESETS
    from models.posterior.sampler import Progress, sample
    from models.testing.mixture import mixture

    oracle, begun = mixture(seed=seed), time.monotonic()

    def told(now: Progress) -> None:
        say(f"{preset}: problem {seed}, level {now.level} of {now.levels}")

    times = pd.date_range("2000-01-01", periods=1, freq="6h", tz="UTC")
    noise = CounterNoise(seed, range(options.members), times, mirrored=False)
    z = sample(oracle.posterior(), PRESETS[preset], noise, told).flatten(1).double()
    weights, found = oracle.posterior_weights, oracle.share(z)
    mean, std = oracle.moments()
    return {
        "preset": preset,
        "problem": seed,
        "weights": weights.tolist(),
        "sampled": found.tolist(),
        "total_variation": float((found - weights).abs().sum() / 2),
        "mean_error": float(((z.mean(0) - mean) / std).square().mean().sqrt()),
        "spread": float((z.var(0) / std**2).mean().sqrt()),
        "seconds": round(time.monotonic() - begun, 1),
    }


def _judge(preset: str, rows: list[dict[str, Any]]) -> Criterion:
    worst = max(row["total_variation"] for row in rows if row["preset"] == preset)
    return at_most(f"{preset}: total variation of mode weights, worst problem", worst, LIMITS[preset])
