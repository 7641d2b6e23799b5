"""Simulation-based calibration of the presets: Lorenz-96, with a known and an unknown force, Kolmogorov flow
of an unknown Reynolds number, and `europe`.

Presets are those of the cards (`lorenz96` has both forces'), of *gaussian* of `models.posterior.presets`, of
the flow those of `app.scoreboard.sbc_reynolds`.

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

from app.scoreboard import sbc_europe, sbc_reynolds
from app.scoreboard.report import Criterion, at_most, report, within
from models.verification.sbc import Compared

Say = Callable[[str], None]
LEVEL = 0.01
"""A p-value below convicts."""
LORENZ = {"lorenz96": (16, 3, 1.0), "lorenz96-forcing": (12, 3, 1.0)}
"""States of a window, which of them are seen (every n-th), and the standard deviation of the errors.

Not shorter: a network that was trained on long windows has never seen both ends at once; drawn from it with
four states, the states have 0.6 of their variance.
"""
TRIALS = {
    "gaussian": {"balanced": (300, 5), "careful": (300, 5)},
    "lorenz96": {"balanced": (100, 3), "careful": (100, 3)},
    "lorenz96-forcing": {"balanced": (100, 5), "careful": (100, 5)},
    "europe": {"balanced": (60, 5), "careful": (30, 5)},
    sbc_reynolds.NAME: {"balanced": (40, 3)},
}
"""Windows and members, of each problem and preset."""
OTHERWISE = 100, 5
RING = 4, 40  # states and points
REFERENCE = 400  # members of the filters that estimate the force


@dataclass(frozen=True)
class Options:
    """What is tried.

    Attributes:
        problems: of `TRIALS`.
        presets, windows, members: None for those of the problem.
        data: folder with the test year of `europe`; without it, its truths are the prior's only.
        sources: prior, simulator (or test year), or both.
        reference: whether the force is estimated by filters as well.
    """

    problems: Sequence[str] = tuple(TRIALS)
    presets: Sequence[str] | None = None
    windows: int | None = None
    members: int | None = None
    seed: int = 0
    data: Path | None = None
    sources: Sequence[str] = ("prior", "simulator")
    reference: bool = True


def score(options: Options, say: Say = lambda line: None) -> dict[str, Any]:
    """The scoreboard, as JSON."""
    start = time.monotonic()
    rows = []
    for problem in options.problems:
        for preset in options.presets or TRIALS[problem]:
            for source in options.sources:
                if source == "prior" or _simulated(problem, options):
                    rows.append(_run(problem, preset, source, options, say))
    criteria = [c for row in rows for c in judge(row)]
    return report("sbc", criteria, {"runs": rows}, time.monotonic() - start)


def _simulated(problem: str, options: Options) -> bool:
    """Whether there are truths that are not the prior's."""
    return problem in LORENZ or problem == sbc_reynolds.NAME or (problem == "europe" and bool(options.data))


def _run(problem: str, preset: str, source: str, options: Options, say: Say) -> dict[str, Any]:
    from models.verification.sbc import calibration

    usual = TRIALS[problem].get(preset, OTHERWISE)
    windows, members = options.windows or usual[0], options.members or usual[1]
    row: dict[str, Any] = {"problem": problem, "preset": preset, "truth": source}
    row |= {"windows": windows, "members": members}
    begin, processor = time.monotonic(), time.process_time()

    def told(what: str) -> None:
        say(f"{problem}, {preset}, truth from the {source}: {what}")

    if problem == "europe":
        data = None if source == "prior" else options.data
        compared = sbc_europe.compared(preset, windows, members, options.seed, data, told)
    elif problem == sbc_reynolds.NAME:
        compared = sbc_reynolds.compared(preset, windows, members, options.seed, source, told)
        row["parameter"] = {"name": "ln Re", **_estimate(*compared["parameter"])}
    elif problem == "gaussian":
        told(f"{windows} windows")
        compared = _gaussian(preset, windows, members, options.seed)
    else:
        told(f"{windows} windows")
        compared, extra = _lorenz(problem, preset, source, (windows, members), options)
        row |= extra
    row |= calibration(compared, np.random.default_rng(options.seed))
    row["seconds"] = round(time.monotonic() - begin, 1)
    row["processor_seconds"] = round(time.process_time() - processor, 1)
    return row


def _gaussian(preset: str, windows: int, members: int, seed: int) -> Compared:
    import torch

    from models.posterior.presets import PRESETS
    from models.testing import trials
    from models.testing.linear import ring

    oracle = ring(*RING)
    truth, values = trials.truths(oracle, windows, torch.Generator().manual_seed(seed))
    drawn = trials.sampled(oracle, values, members, PRESETS[preset], seed)
    return trials.compared(oracle, truth, values, drawn)


def _lorenz(
    problem: str, preset: str, source: str, size: tuple[int, int], options: Options
) -> tuple[Compared, dict[str, Any]]:
    from models.classical import trials
    from models.classical.card import FAR
    from models.classical.prior import load
    from models.classical.problem import PROBLEMS
    from models.posterior.sampler import Preset

    prior, setting = load(problem), PROBLEMS[problem]
    layout, (windows, members) = trials.Layout(*LORENZ[problem]), size
    if source == "prior":
        truth = trials.from_prior(prior, setting.sigma, layout.window, windows, 2 * options.seed + 1)
    else:
        truth = trials.from_simulator(prior, setting, layout.window, windows, options.seed)
    learned = Preset(**FAR[preset])
    run = trials.run(prior, layout, truth, learned, members, 2 * options.seed)
    compared = run.compared()
    extra: dict[str, Any] = {"sampler": dataclasses.asdict(learned)}
    if "parameter" in compared:
        extra["parameter"] = {"name": "force", **_estimate(*compared["parameter"])}
        if options.reference and source == "simulator":
            extra["parameter"]["filters"] = trials.by_filters(run, layout, REFERENCE, options.seed)
    return compared, extra


def _estimate(members: Any, truth: Any) -> dict[str, float]:
    """How well a parameter is known, beside the spread of its prior."""
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
    if own := row.get("parameter", {}):
        out.append(within(f"{where}: 90 % coverage of {own['name']}", own["coverage90"], 0.9, 0.05))
    if "filters" in own:
        best = own["filters"]["rmse"]
        out.append(at_most(f"{where}: RMSE of {own['name']} / that of filters", own["rmse"] / best, 1.0))
    return out
