"""Lorenz-63 and Lorenz-96 beside DAPPER's filters, on the same truth and the same observations.

DAPPER (Raanes et al. 2024) simulates a truth and observes it, with its own settings and our seed; its
filters cycle through all observations. Serein analyses windows that end at some of the observation times:
the last state is its filter, the middle one its smoother. Errors are DAPPER's: root of the mean square
over the state, averaged over times. Filters are compared at the times Serein analysed, and over all times
after the spin-up.
"""

import contextlib
import importlib
import io
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from app.scoreboard.report import Criterion, at_most, report, within
from models.classical.card import FAR

Say = Callable[[str], None]
Array = np.ndarray
SPREAD_RATIO = 0.15  # how far spread / RMSE may be from 1


@dataclass(frozen=True)
class Setup:
    """One of DAPPER's settings and what is claimed of it.

    Attributes:
        module: with the hidden Markov model, under dapper.mods.
        prior: a bundled classical prior.
        window: L, its number of states in an analysis.
        preset: of the sampler.
        cycles, spin_up: how many observation times there are, and how many of them are not judged.
        analyses, members: how many of them Serein analyses, with how many members.
        peers: name of DAPPER's method, of its class, and its arguments.
        quick_peer: the cheapest of them.
        filter, smoother: targets of the RMSE; None where there is none.
        calibrated: whether spread / RMSE is judged.
    """

    module: str
    prior: str
    window: int
    preset: dict[str, Any]
    cycles: int
    spin_up: int
    analyses: int
    members: int
    peers: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]]
    quick_peer: str
    filter: float | None = None
    smoother: float | None = None
    calibrated: bool = False


SETUPS = {
    "lorenz63": Setup(
        "Lorenz63.sakov2012",
        prior="lorenz63",
        window=48,
        preset={
            "steps": 30,
            "sigma_start": 0.6,
            "sigma_stop": 0.01,
            "stochastic": True,
            "iterations": 0,
            "ahead": 0.5,
            "corrections": 1,
            "delta": 0.5,
        },
        cycles=1000,
        spin_up=64,
        analyses=50,
        members=32,
        peers={
            "PartFilt, N=4000": ("PartFilt", (), {"N": 4000, "reg": 0.7, "NER": 0.05}),
            "EnKF-N, N=10": ("EnKF_N", (), {"N": 10, "rot": True}),
            "iEnKS, N=10": ("iEnKS", ("Sqrt",), {"N": 10, "infl": 1.02, "rot": True}),
        },
        quick_peer="EnKF-N, N=10",
        filter=0.30,
        smoother=0.31,
    ),
    "lorenz96": Setup(
        "Lorenz96.sakov2008",
        prior="lorenz96",
        window=32,
        preset={"steps": 12, "sigma_start": 0.5, "sigma_stop": 0.03, "stochastic": True, "iterations": 1},
        cycles=1000,
        spin_up=400,
        analyses=10,
        members=24,
        peers={
            "EnKF-N, N=24": ("EnKF_N", (), {"N": 24, "rot": True}),
            "LETKF, N=7": ("LETKF", (), {"N": 7, "rot": True, "infl": 1.04, "loc_rad": 4}),
        },
        quick_peer="EnKF-N, N=24",
        filter=0.25,
        calibrated=True,
    ),
    "lorenz96-sparse": Setup(
        "Lorenz96.spantini2019",
        prior="lorenz96-coarse",
        window=17,
        preset=FAR["careful"],
        cycles=300,
        spin_up=50,
        analyses=10,
        members=16,
        peers={
            "LETKF, N=100": ("LETKF", (), {"N": 100, "infl": 1.02, "loc_rad": 4}),
            "iEnKS, N=40, lag 2": ("iEnKS", ("Sqrt",), {"N": 40, "infl": 1.10, "Lag": 2}),
        },
        quick_peer="LETKF, N=100",
        filter=0.89,
    ),
}


@dataclass(frozen=True)
class Options:
    """What is scored: setups, seeds, analyses and members if not the setup's; `quick`: one peer only."""

    setups: Sequence[str] = tuple(SETUPS)
    seeds: Sequence[int] = (1, 2, 3, 4, 5)
    analyses: int | None = None
    members: int | None = None
    quick: bool = False
    cycles: dict[str, int] = field(default_factory=dict)


def score(options: Options, say: Say = lambda line: None) -> dict[str, Any]:
    """The scoreboard, as JSON."""
    start = time.monotonic()
    rows = [
        run(name, seed, options, lambda what, name=name, seed=seed: say(f"{name}, seed {seed}: {what}"))  # type: ignore[misc]
        for name in options.setups
        for seed in options.seeds
    ]
    criteria = [c for name in options.setups for c in judge(name, [r for r in rows if r["setup"] == name])]
    return report("lorenz", criteria, {"runs": rows}, time.monotonic() - start)


@dataclass(frozen=True, eq=False)
class Twin:
    """Truth at the observation times (cycles, size), observations (cycles, p), DAPPER's record of both."""

    model: Any
    record: tuple[Any, Any]
    truth: Array
    observations: Array


def run(name: str, seed: int, options: Options, say: Say) -> dict[str, Any]:
    """One seed of one setup: Serein and its peers."""
    setup = SETUPS[name]
    say("truth and observations")
    twin = simulate(setup.module, seed, options.cycles.get(name, setup.cycles))
    at = analysis_times(setup, len(twin.truth), options.analyses or setup.analyses)
    members = options.members or setup.members
    say("Serein")
    begin = time.monotonic()
    ours = serein(setup, twin, at, members, seed)
    row: dict[str, Any] = {"setup": name, "seed": seed, "analyses": len(at), "members": members}
    row["serein"] = {**ours, "seconds": round(time.monotonic() - begin, 1)}
    row["peers"] = {}
    for peer, call in setup.peers.items():
        if not options.quick or peer == setup.quick_peer:
            say(peer)
            row["peers"][peer] = dapper(twin, call, at, setup.spin_up, seed)
    return row


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """DAPPER prints warnings and progress bars; a scoreboard prints JSON."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def simulate(module: str, seed: int, cycles: int) -> Twin:
    """DAPPER's truth and observations, `cycles` + 1 of them.

    Raises:
        ModuleNotFoundError: DAPPER is not installed (extra `peers`).
    """
    with quiet():
        logging.getLogger("matplotlib").setLevel(logging.ERROR)
        from dapper.tools.seeding import set_seed

        model = importlib.import_module(f"dapper.mods.{module}").HMM.copy()
        model.tseq.Ko = cycles
        set_seed(seed)
        states, observations = model.simulate()
    return Twin(model, (states, observations), states[model.tseq.kko], np.stack(list(observations)))


def analysis_times(setup: Setup, cycles: int, number: int) -> Array:
    """Observation times at which Serein analyses, evenly over those after the spin-up."""
    return np.unique(np.linspace(setup.spin_up, cycles - 1, number).round().astype(int))


def serein(setup: Setup, twin: Twin, at: Array, members: int, seed: int) -> dict[str, float]:
    """Scores of windows that end at the observation times `at`."""
    import torch

    from models.classical.assimilation import Network, assimilate
    from models.classical.prior import load
    from models.posterior.sampler import Preset

    prior, model = load(setup.prior), twin.model
    every = round(model.tseq.dto / prior.spacing)
    seen = np.arange(setup.window - 1, -1, -every)[::-1].copy()  # states that are observed
    which = np.flatnonzero(model.Obs(0).linear(None).any(0))  # components
    spread = prior.std.repeat_interleave(prior.shape[2]).numpy()
    centre = prior.mean.repeat_interleave(prior.shape[2]).numpy()
    back = np.arange(len(seen))[::-1]
    values = (twin.observations[at[:, None] - back] - centre[which]) / spread[which]
    error = np.sqrt(np.diag(model.Obs(0).noise.C.full)) / spread[which]
    network = Network.of(setup.window, *(torch.from_numpy(x) for x in (seen, which, error)))
    drawn = assimilate(
        prior,
        network,
        torch.from_numpy(values.reshape(len(at), -1)),
        Preset(**setup.preset),
        members,
        seed,
    )
    states = prior.restore(drawn[:, :, seen]).flatten(3).numpy()  # (B, members, seen, size)
    middle = len(seen) // 2
    return {
        **_scores("filter", states[:, :, -1], twin.truth[at]),
        **_scores("smoother", states[:, :, middle], twin.truth[at - back[middle]]),
    }


def _scores(name: str, ensemble: Array, truth: Array) -> dict[str, float]:
    """RMSE as DAPPER's; spread / RMSE of root mean squares, corrected for the number of members."""
    from models.verification.calibration import spread_skill

    error = ((ensemble.mean(1) - truth) ** 2).mean(-1)
    return {
        f"{name} rmse": float(np.sqrt(error).mean()),
        f"{name} spread / rmse": spread_skill(ensemble.swapaxes(0, 1), truth),
    }


def dapper(
    twin: Twin, call: tuple[str, tuple[Any, ...], dict[str, Any]], at: Array, spin_up: int, seed: int
) -> dict[str, float]:
    """Scores of one of DAPPER's methods, at the times `at` and at all after the spin-up."""
    begin = time.monotonic()
    with quiet():
        import dapper.da_methods
        from dapper.tools.seeding import set_seed

        name, arguments, settings = call
        method = getattr(dapper.da_methods, name)(*arguments, **settings)
        set_seed(seed + 1000)
        method.assimilate(twin.model, *twin.record, liveplots=False)
    out = {}
    for key, part in (("filter", "a"), ("smoother", "s")):
        errors = getattr(method.stats.err.rms, part, None)
        if errors is not None and np.isfinite(errors[at]).all():
            out[f"{key} rmse"] = float(errors[at].mean())
            out[f"{key} rmse, all times"] = float(errors[spin_up:].mean())
    return {**out, "seconds": round(time.monotonic() - begin, 1)}


def judge(name: str, rows: Sequence[dict[str, Any]]) -> list[Criterion]:
    """The claims of one setup, means over seeds."""
    setup, out = SETUPS[name], []

    def mean(key: str) -> float:
        return float(np.mean([row["serein"][key] for row in rows]))

    if setup.filter is not None:
        out.append(at_most(f"{name}: filter RMSE", mean("filter rmse"), setup.filter))
    if setup.smoother is not None:
        out.append(at_most(f"{name}: smoother RMSE", mean("smoother rmse"), setup.smoother))
    if setup.calibrated:
        out.append(within(f"{name}: filter spread / RMSE", mean("filter spread / rmse"), 1.0, SPREAD_RATIO))
    return out
