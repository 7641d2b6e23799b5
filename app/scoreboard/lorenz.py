"""Lorenz-63 and Lorenz-96 beside DAPPER's filters, on the same truth and the same observations.

DAPPER (Raanes et al. 2024) simulates a truth and observes it, with its own settings and our seed; its
filters cycle through all observations. Serein analyses windows that end at some of the observation times:
the last state is its filter, the middle one its smoother. Errors are DAPPER's: root of the mean square
over the state, averaged over times. Filters are compared at the times Serein analysed, and over all times
after the spin-up.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from app.scoreboard.lorenz_peers import Array, Twin, dapper, exact, scores, simulate
from app.scoreboard.report import Criterion, at_most, report, within
from models.classical.card import FAR

Say = Callable[[str], None]
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
        exact: whether the exact posterior of Serein's windows is among the peers.
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
    exact: bool = False


SETUPS = {
    "lorenz63": Setup(
        "Lorenz63.sakov2012",
        prior="lorenz63",
        window=64,
        preset={
            "steps": 36,
            "sigma_start": 1.5,
            "sigma_stop": 0.005,
            "stochastic": True,
            "iterations": 0,
            "ahead": 0.5,
            "corrections": 1,
            "delta": 0.5,
        },
        cycles=1000,
        spin_up=64,
        analyses=200,
        members=32,
        peers={
            "PartFilt, N=4000": ("PartFilt", (), {"N": 4000, "reg": 0.7, "NER": 0.05}),
            "EnKF-N, N=10": ("EnKF_N", (), {"N": 10, "rot": True}),
            "iEnKS, N=10": ("iEnKS", ("Sqrt",), {"N": 10, "infl": 1.02, "rot": True}),
        },
        quick_peer="EnKF-N, N=10",
        filter=0.30,
        smoother=0.31,
        exact=True,
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
    if setup.exact and not options.quick:
        say("the exact posterior of the same windows")
        row["peers"]["exact posterior"] = exact(twin, at, len(observed(setup, twin)), seed)
    return row


def analysis_times(setup: Setup, cycles: int, number: int) -> Array:
    """Observation times at which Serein analyses, evenly over those after the spin-up."""
    return np.unique(np.linspace(setup.spin_up, cycles - 1, number).round().astype(int))


def observed(setup: Setup, twin: Twin) -> Array:
    """Which of the states of a window are observed; the last one is."""
    from models.classical.prior import load

    every = round(twin.model.tseq.dto / load(setup.prior).spacing)
    return np.arange(setup.window - 1, -1, -every)[::-1].copy()


def serein(setup: Setup, twin: Twin, at: Array, members: int, seed: int) -> dict[str, float]:
    """Scores of windows that end at the observation times `at`."""
    import torch

    from models.classical.assimilation import Network, assimilate
    from models.classical.prior import load
    from models.posterior.sampler import Preset

    prior, model = load(setup.prior), twin.model
    seen = observed(setup, twin)
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
        **scores("filter", states[:, :, -1], twin.truth[at]),
        **scores("smoother", states[:, :, middle], twin.truth[at - back[middle]]),
    }


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
