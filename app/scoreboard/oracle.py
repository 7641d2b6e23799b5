"""The presets where the answer is known in closed form: a Gaussian in space and time, observed linearly."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from app.scoreboard.report import Criterion, at_most, report, within

Say = Callable[[str], None]
BATCH = 128  # members sampled together


@dataclass(frozen=True)
class Options:
    """What is sampled; `states` of `points` each make the windows."""

    members: int = 1024
    presets: Sequence[str] = ("fast", "balanced", "careful")
    states: int = 12
    points: int = 128
    seed: int = 0


def score(options: Options, say: Say = lambda line: None) -> dict[str, Any]:
    """The scoreboard, as JSON: every preset, and *fast* with the denoiser in bfloat16."""
    import torch

    from models.testing.linear import ring

    start = time.monotonic()
    oracle = ring(options.states, options.points, options.seed)
    rows = [_measure(oracle, name, options, say) for name in options.presets]
    half = dataclasses.replace(oracle, dtype=torch.bfloat16)
    rows.append({**_measure(half, "fast", options, say), "preset": "fast, bfloat16"})
    detail = {"dimension": options.states * options.points, "members": options.members, "presets": rows}
    criteria = [c for row in rows for c in _judge(row, options.members)]
    return report("oracle", criteria, detail, time.monotonic() - start)


def _measure(oracle: Any, preset: str, options: Options, say: Say) -> dict[str, Any]:
    import pandas as pd
    import torch

    from models.posterior.noise import CounterNoise
    from models.posterior.presets import PRESETS
    from models.posterior.sampler import Progress, sample
    from models.testing.counted import counted

    posterior, cost = counted(oracle.posterior(), options.members)
    times, begun = pd.date_range("2000-01-01", periods=options.states, freq="6h", tz="UTC"), time.monotonic()
    parts = []
    for first in range(0, options.members, BATCH):
        members = range(first, min(first + BATCH, options.members))

        def told(now: Progress, first: int = first) -> None:
            say(f"{preset}: members from {first} of {options.members}, level {now.level} of {now.levels}")

        noise = CounterNoise(options.seed, members, times, mirrored=False)
        parts.append(sample(posterior, PRESETS[preset], noise, told).flatten(1).double())
    z, mean, covariance = torch.cat(parts), oracle.mean, oracle.posterior_covariance
    variance = covariance.diagonal()
    error, ratio = (z.mean(0) - mean).square() / variance, z.var(0) / variance
    misfit = (oracle.value - z @ oracle.jacobian.T) / oracle.error
    spread = ((oracle.jacobian @ covariance) * oracle.jacobian).sum(-1) / oracle.error**2
    expected = ((oracle.value - oracle.jacobian @ mean) / oracle.error).square() + spread
    seen = oracle.jacobian.sum(0) > 0
    return {
        "preset": preset,
        "forward": cost.forward,
        "vjp": cost.backward,
        "seconds": round(time.monotonic() - begun, 1),
        "mean_error_observed": float(error[seen].mean().sqrt()),
        "mean_error_unobserved": float(error[~seen].mean().sqrt()),
        "spread_observed": float(ratio[seen].mean().sqrt()),
        "spread_unobserved": float(ratio[~seen].mean().sqrt()),
        "chi2": float(misfit.square().mean() / expected.mean()),
    }


def _judge(row: dict[str, Any], members: int) -> Iterator[Criterion]:
    name, chance = row["preset"], members**-0.5
    if name.startswith("fast"):
        yield at_most(f"{name}: network evaluations forward", row["forward"], 20)
        yield at_most(f"{name}: vector-Jacobian products", row["vjp"], 60)
    # what remains of 0.06 posterior standard deviations is bias, for any number of members
    limit = (0.06**2 - 1 / 1024 + chance**2) ** 0.5 if name != "careful" else 1.2 * chance
    margin = 0.03 if name != "careful" else 0.02
    for where in ("observed", "unobserved"):
        yield at_most(f"{name}: error of the mean, {where}", row[f"mean_error_{where}"], round(limit, 4))
        yield within(f"{name}: spread, {where}", row[f"spread_{where}"], 1.0, margin)
    yield within(f"{name}: chi2", row["chi2"], 1.0, 0.05 if name != "careful" else 0.02)
