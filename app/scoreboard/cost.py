"""CRPS against cost: our presets beside azula's moment matching and SDA's diagonal guidance.

All sample the same posteriors: same network, truth and observations (`app.scoreboard.twins`). Cost is what a
member takes of the network, forward evaluations plus twice the vector-Jacobian products, and seconds of one
core. CRPS is fair, against the truth, over all states of a window, observed or not. Members are independent
here, not in antithetic pairs as in the service, which a fair score would take for a wider distribution.

azula runs with its own samplers, on the published schedule and on its best case, a log-spaced one over the
noise levels that the network was trained on. SDA's guidance runs in our sampler from our start: its ODE with
a Langevin correction as published, and the SDE without. Settings were chosen on another seed.
"""

import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from app.scoreboard.europe import test_states
from app.scoreboard.lorenz import SETUPS
from app.scoreboard.peers import Azula
from app.scoreboard.report import Criterion, at_most, report
from app.scoreboard.twins import LORENZ, Twin, decoder_share, europe
from models.classical.problem import PROBLEMS
from models.posterior.guidance import Diagonal
from models.posterior.noise import SeededNoise
from models.posterior.posterior import Posterior
from models.posterior.sampler import Preset, sample
from models.prior.card import BUNDLED
from models.testing.counted import counted

Say = Callable[[str], None]
Sample = Callable[[Posterior, int, int], Any]  # (posterior, rows, seed) -> z (rows, *shape)
EQUAL = 1.02  # CRPS that are no further apart count as equal
SHARE = 0.25  # of azula's cost
TRAINED = {name: PROBLEMS[setup.prior].sigma for name, setup in LORENZ.items()}
"""Noise levels that the networks have learned."""
TRAINED["europe"] = 0.015, 10.0  # its training began at 0.05; our presets end here
KNOWN = tuple(TRAINED)


@dataclass(frozen=True)
class Options:
    """What is scored, on how many windows with how many members of each.

    Attributes:
        problems: of `KNOWN`.
        data: folder of the test states of `europe`.
        steps: of our sampler, besides the presets.
        azula_steps, azula_iterations: of its sampler, and of GMRES.
        sda_steps, gammas: of SDA's guidance.
        published: whether azula also runs as published with Appa, which takes 96 evaluations.
    """

    problems: Sequence[str] = KNOWN
    data: Path | None = None
    windows: int = 64
    members: int = 4
    seed: int = 1
    steps: Sequence[int] = (4, 6, 8, 12, 16, 24, 32)
    azula_steps: Sequence[int] = (8, 16, 32, 64)
    azula_iterations: Sequence[int] = (1, 2, 5)
    sda_steps: Sequence[int] = (16, 64, 256)
    gammas: Sequence[float] = (1e-2, 3e-2)
    published: bool = True


@dataclass(frozen=True)
class Method:
    """A way to sample: `family` is ours, azula or sda."""

    family: str
    name: str
    sample: Sample


@dataclass(frozen=True, eq=False)
class Point:
    """What a method achieved.

    Attributes:
        crps: of every window; empty if the sampler diverged.
        forward, vjp, seconds: per member.
    """

    family: str
    name: str
    forward: float = 0.0
    vjp: float = 0.0
    seconds: float = 0.0
    crps: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @property
    def cost(self) -> float:
        """Evaluations of the network, forward + 2 vjp."""
        return self.forward + 2 * self.vjp

    @property
    def score(self) -> float:
        """Mean CRPS; infinite if the sampler diverged."""
        return float(self.crps.mean()) if len(self.crps) else float("inf")

    def row(self) -> dict[str, Any]:
        """As JSON."""
        numbers = {"cost": self.cost, "forward": self.forward, "vjp": self.vjp}
        score = round(self.score, 5) if len(self.crps) else None
        return {
            "family": self.family,
            "name": self.name,
            **{k: round(v, 2) for k, v in numbers.items()},
            "seconds": round(self.seconds, 4),
            "crps": score,
        }


def check(options: Options) -> None:
    """Make sure that this can be scored.

    Raises:
        ValueError: a problem is not known, `europe` has no data, or there is too little to score.
        FileNotFoundError: the test states are not in the folder.
    """
    unknown = [name for name in options.problems if name not in KNOWN]
    if unknown:
        raise ValueError(f"no problem {unknown[0]!r}: there are {', '.join(KNOWN)}")
    if "europe" in options.problems:
        if options.data is None:
            raise ValueError("the problem europe needs --data, the folder of the test states")
        test_states(options.data)
    if options.members < 2 or options.windows < 2:
        raise ValueError("a fair score and its error need at least two members and two windows")


def score(options: Options, say: Say = lambda line: None) -> dict[str, Any]:
    """The scoreboard, as JSON; raises what `check` does."""
    check(options)
    start, criteria, detail = time.monotonic(), [], {}
    torch.func.jvp(torch.sin, (torch.ones(1),), (torch.ones(1),))  # its first call takes a second to load
    for name in options.problems:
        say(f"{name}: truth and observations")
        twins = list(_twins(name, options))
        points = []
        for method in methods(name, options):
            say(f"{name}: {method.name}")
            points.append(measure(method, twins, options.seed))
        judged, more = judge(name, points)
        criteria += judged
        detail[name] = {
            **more,
            "decoder_share": round(decoder_share(twins[0]), 4),
            "points": [point.row() for point in points],
        }
    settings = {"windows": options.windows, "members": options.members, "seed": options.seed}
    return report("cost", criteria, {**settings, "problems": detail}, time.monotonic() - start)


def _twins(name: str, options: Options) -> Any:
    size = options.windows, options.members, options.seed
    if name in LORENZ:
        return LORENZ[name].twins(*size)
    assert options.data is not None  # noqa: S101, for the type checker
    return europe(options.data, *size)


def methods(problem: str, options: Options) -> list[Method]:
    """All that is compared."""
    return [*_ours(problem, options), *_azula(problem, options), *_sda(problem, options)]


def _ours(problem: str, options: Options) -> list[Method]:
    """The prior's presets, and a sweep of steps with one iteration, cold and (8 and 16 steps) warm.

    On Lorenz-96 the sweep is of the preset of `serein score lorenz`, which may have no iterations.
    """
    prior = LORENZ[problem].prior if problem in LORENZ else problem
    named = {}
    if (card := BUNDLED / prior / "card.json").exists():
        presets = json.loads(card.read_text())["presets"]
        named = {name: Preset(**settings) for name, settings in presets.items()}
    if problem in SETUPS:
        named["score lorenz"] = Preset(**SETUPS[problem].preset)
    base = named["score lorenz"] if problem in SETUPS else named["fast"]
    base = dataclasses.replace(base, stochastic=True, iterations=min(1, base.iterations))
    for steps in options.steps:
        named[f"{steps} steps"] = dataclasses.replace(base, steps=steps)
        if steps in (8, 16) and base.iterations:
            named[f"{steps} steps, warm"] = dataclasses.replace(base, steps=steps, warm=True)
    return [Method("ours", f"Serein, {name}", _with(preset)) for name, preset in named.items()]


def _with(preset: Preset, guidance: Diagonal | None = None) -> Sample:
    return lambda posterior, rows, seed: sample(posterior, preset, SeededNoise(seed, rows), guidance=guidance)


def _azula(problem: str, options: Options) -> list[Method]:
    sigma = TRAINED[problem]
    settings = [Azula("ddpm", n, k, sigma) for n in options.azula_steps for k in options.azula_iterations]
    if options.published:
        settings += [Azula("pc", 32, 2), Azula("xeab", 16, 2, sigma), Azula("ddim", 32, 2, sigma)]
    return [Method("azula", _name(s), s.sample) for s in settings]


def _name(s: Azula) -> str:
    return f"azula, {s.sampler} {s.steps}, GMRES({s.iterations}){'' if s.sigma else ' as published'}"


def _sda(problem: str, options: Options) -> list[Method]:
    last, first = TRAINED[problem]
    out = []
    for steps in options.sda_steps:
        for gamma in options.gammas:
            name, guidance = f"SDA, {steps}, gamma {gamma:g}", Diagonal(gamma)
            out.append(Method("sda", name, _with(Preset(steps, first, last, True), guidance)))
        published = Preset(steps, first, last, False, corrections=1)
        out.append(Method("sda", f"{name}, ODE and 1 correction", _with(published, guidance)))
    return out


def measure(method: Method, twins: Sequence[Twin], seed: int) -> Point:
    """Samples the windows and scores them. Seconds are the processor's: others on the machine do no harm."""
    rows = sum(twin.rows for twin in twins)
    forward = vjp = seconds = 0.0
    crps = []
    for k, twin in enumerate(twins):
        posterior, cost = counted(twin.posterior, rows)
        begun = time.process_time()
        try:
            z = method.sample(posterior, twin.rows, seed * 100_003 + k)
        except FloatingPointError:
            return Point(method.family, method.name)
        seconds += (time.process_time() - begun) / rows
        forward, vjp = forward + cost.forward, vjp + cost.backward
        crps.append(twin.crps(z))
    return Point(method.family, method.name, forward, vjp, seconds, np.concatenate(crps))


def judge(problem: str, points: Sequence[Point]) -> tuple[list[Criterion], dict[str, Any]]:
    """The claims, and what they are made of.

    azula's best is the cheapest of its settings whose CRPS equals its lowest, ours the cheapest that equals
    that lowest, too. A point is below our front if the best of ours that costs no more is worse, by more than
    2 % and by more than twice the standard error of the difference.
    """
    ours = [p for p in points if p.family == "ours"]
    azula = [p for p in points if p.family == "azula" and len(p.crps)]
    lowest = min((p.score for p in azula), default=None)
    best, equal = (None if lowest is None else _cheapest(family, lowest) for family in (azula, ours))
    below = [p.name for p in points if p.family != "ours" and _below(p, ours)]
    ratio = equal.cost / best.cost if best and equal else None
    label = f"{problem}: cost at CRPS within 2 % of azula's best, ours / azula's"
    criteria = [
        Criterion(label, None, f"<= {SHARE:g}", False) if ratio is None else at_most(label, ratio, SHARE),
        at_most(f"{problem}: points of others below our front", len(below), 0),
    ]
    detail: dict[str, Any] = {"azula_lowest_crps": lowest, "below_our_front": below}
    rival = equal or min((p for p in ours if len(p.crps)), key=lambda p: p.score, default=None)
    if best and rival:
        apart, error = difference(rival, best)
        detail |= {
            "azula_best": best.name,
            "ours": rival.name,  # the cheapest that is equal; our lowest CRPS if none is
            "seconds_ratio": round(rival.seconds / best.seconds, 4),
            "crps_difference": round(apart, 4),
            "standard_error": round(error, 4),
        }
    return criteria, detail


def _cheapest(points: Sequence[Point], crps: float) -> Point | None:
    good = [p for p in points if p.score <= EQUAL * crps]
    return min(good, key=lambda p: p.cost, default=None)


def _below(point: Point, ours: Sequence[Point]) -> bool:
    if not len(point.crps):
        return False
    rivals = [p for p in ours if p.cost <= point.cost and len(p.crps)]
    if not rivals:
        return True
    apart, error = difference(min(rivals, key=lambda p: p.score), point)
    return apart > max(EQUAL - 1, 2 * error)


def difference(a: Point, b: Point) -> tuple[float, float]:
    """Mean CRPS of `a` minus that of `b`, and its standard error over windows, relative to b's."""
    apart = a.crps - b.crps
    return float(apart.mean() / b.score), float(apart.std(ddof=1) / len(apart) ** 0.5 / b.score)
