"""Simulation-based calibration of the presets: Lorenz-96, with a known and an unknown force, and `europe`.

*gaussian* is the control: the ring of `serein score oracle`, where the denoiser is exact.
*Truth from the prior*: drawn by the prior's own network, so that truth and members are exchangeable if the
observations enter as they should; this judges the sampler. *Truth from the simulator* (or the test year): the
prior has to be right as well. How: `models.verification.sbc`.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.scoreboard import sbc_europe
from app.scoreboard.report import Criterion, at_most, report, within

Say = Callable[[str], None]
LEVEL = 0.01
"""A p-value below convicts."""
LORENZ = {"lorenz96": (4, 2, 1.0), "lorenz96-forcing": (12, 3, 1.0)}
"""States of a window, which of them are seen (every n-th), and the standard deviation of the errors."""
PRESETS = {
    "gaussian": ("balanced", "careful"),
    "lorenz96": ("balanced", "careful"),
    "lorenz96-forcing": ("single",),
    "europe": ("balanced", "careful"),
}
WINDOWS = {
    "gaussian": {"balanced": 300, "careful": 300},
    "lorenz96": {"careful": 60},
    "europe": {"balanced": 60, "careful": 30},
}
"""Of each problem and preset; 120 where nothing is said."""
RING = 4, 40  # states and points
REFERENCE = 400  # members of the filters that estimate the force


@dataclass(frozen=True)
class Options:
    """What is tried.

    Attributes:
        problems: of `PRESETS`.
        presets, windows: None for those of the problem. "single" is *balanced* with one particle.
        members: M.
        data: folder with the test year of `europe`; without it, its truths are the prior's only.
        sources: prior, simulator (or test year), or both.
        reference: whether the force is estimated by filters as well.
    """

    problems: Sequence[str] = tuple(PRESETS)
    presets: Sequence[str] | None = None
    windows: int | None = None
    members: int = 5
    seed: int = 0
    data: Path | None = None
    sources: Sequence[str] = ("prior", "simulator")
    reference: bool = True


def score(options: Options, say: Say = lambda line: None) -> dict[str, Any]:
    """The scoreboard, as JSON."""
    start = time.monotonic()
    rows = []
    for problem in options.problems:
        for preset in options.presets or PRESETS[problem]:
            for source in options.sources:
                if source == "prior" or problem in LORENZ or (problem == "europe" and options.data):
                    rows.append(_run(problem, preset, source, options, say))
    criteria = [c for row in rows for c in judge(row)]
    return report("sbc", criteria, {"runs": rows}, time.monotonic() - start)


def _run(problem: str, preset: str, source: str, options: Options, say: Say) -> dict[str, Any]:
    from models.verification.sbc import calibration

    windows = options.windows or WINDOWS.get(problem, {}).get(preset, 120)
    row: dict[str, Any] = {"problem": problem, "preset": preset, "truth": source}
    row |= {"windows": windows, "members": options.members}
    begin, processor = time.monotonic(), time.process_time()

    def told(what: str) -> None:
        say(f"{problem}, {preset}, truth from the {source}: {what}")

    if problem == "europe":
        compared = sbc_europe.compared(
            preset,
            windows,
            options.members,
            options.seed,
            None if source == "prior" else options.data,
            told,
        )
    elif problem == "gaussian":
        told(f"{windows} windows")
        compared = _gaussian(preset, windows, options)
    else:
        told(f"{windows} windows")
        compared, extra = _lorenz(problem, preset, source, windows, options)
        row |= extra
    row |= calibration(compared, np.random.default_rng(options.seed))
    row["seconds"] = round(time.monotonic() - begin, 1)
    row["processor_seconds"] = round(time.process_time() - processor, 1)
    return row


def _gaussian(preset: str, windows: int, options: Options) -> sbc_europe.Compared:
    import torch

    from models.testing import trials
    from models.testing.linear import ring

    oracle = ring(*RING)
    truth, values = trials.truths(oracle, windows, torch.Generator().manual_seed(options.seed))
    members = trials.sampled(oracle, values, options.members, fitted(preset), options.seed)
    return trials.compared(oracle, truth, values, members)


def _lorenz(
    problem: str, preset: str, source: str, windows: int, options: Options
) -> tuple[sbc_europe.Compared, dict[str, Any]]:
    from models.classical import trials
    from models.classical.prior import load
    from models.classical.problem import PROBLEMS

    prior, setting = load(problem), PROBLEMS[problem]
    layout = trials.Layout(*LORENZ[problem])
    if source == "prior":
        truth = trials.from_prior(prior, setting.sigma, layout.window, windows, 2 * options.seed + 1)
    else:
        truth = trials.from_simulator(prior, setting, layout.window, windows, options.seed)
    learned = fitted(preset, setting.sigma)
    run = trials.run(prior, layout, truth, learned, options.members, 2 * options.seed)
    compared = run.compared()
    extra: dict[str, Any] = {"sampler": dataclasses.asdict(learned)}
    if "parameter" in compared:
        members, true = compared["parameter"]
        extra["force"] = _estimate(members, true)
        if options.reference and source == "simulator":
            extra["force"]["filters"] = trials.by_filters(run, layout, REFERENCE, options.seed)
    return compared, extra


def fitted(preset: str, sigma: tuple[float, float] = (0.0, float("inf"))) -> Any:
    """The settings called `preset`, between the noise levels that a prior has learned."""
    from models.posterior.presets import PRESETS as KNOWN

    known = dataclasses.replace(KNOWN["balanced"], particles=1) if preset == "single" else KNOWN[preset]
    start, stop = min(known.sigma_start, sigma[1]), max(known.sigma_stop, sigma[0])
    return dataclasses.replace(known, sigma_start=start, sigma_stop=stop)


def _estimate(members: Any, truth: Any) -> dict[str, float]:
    """How well the force is known, beside the spread of its prior, 2."""
    from models.verification.calibration import coverage, rank_probabilities, spread_skill
    from models.verification.scores import crps_ensemble

    ranks = rank_probabilities(members.T, truth)
    return {
        "rmse": float(np.sqrt(np.mean((members.mean(1) - truth) ** 2))),
        "prior_spread": float(truth.std(ddof=1)),
        "crps": float(crps_ensemble(members.T, truth).mean()),
        "spread_skill": spread_skill(members.T, truth),
        "coverage50": coverage(ranks, 0.5),
        "coverage90": coverage(ranks, 0.9),
    }


def judge(row: dict[str, Any]) -> list[Criterion]:
    """Uniform ranks; and where a parameter is estimated, that it is and that it covers the truth."""
    source = "test year" if (row["problem"], row["truth"]) == ("europe", "simulator") else row["truth"]
    where = f"{row['problem']}, {row['preset']}, truth from the {source}"
    count = len(row["functions"])
    name = f"{where}: least p of {count} rank histograms, times {count}"
    out = [Criterion(name, row["p"], f"> {LEVEL:g}", bool(row["p"] > LEVEL))]
    force = row.get("force", {})
    if force:
        out.append(within(f"{where}: 90 % coverage of the force", force["coverage90"], 0.9, 0.05))
    if "filters" in force:
        best = force["filters"]["rmse"]
        out.append(at_most(f"{where}: RMSE of the force / that of filters", force["rmse"] / best, 1.0))
    return out
