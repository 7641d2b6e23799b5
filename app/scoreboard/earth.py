"""The prior of a simulated Earth beside those that classical data assimilation has, on the same truth.

*Cold*: one window of 24 hours, nothing known before; beside the climatology, optimal interpolation and an
LETKF that saw the same reports. *Cycled*: windows in a row, past reports only; beside LETKFs that go on all
the while, with the truth's own model and with another one. *Forecast*: from the last of these analyses.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from torch import Tensor

from app.scoreboard.report import Criterion, at_most, report, within
from models.cycling import Windows
from models.posterior.sampler import Preset
from models.prior.card import load_card
from models.prior.prior import load_prior
from models.simulation.letkf import Tuning
from models.simulation.truth import Reported, Truth
from models.state.spec import StateSpec
from models.verification.field_scores import FieldScores, summary

if TYPE_CHECKING:
    from app.scoreboard.earth_peers import Peer

MODES = ("cold", "cycled", "forecast")
SHOWN = ("u510", "t510", "sp", "z500")  # channels that criteria are about; all are in the detail
LEADS = 5  # days
AHEAD = 1_000_000  # seeds of forecasts begin here: noise is not that of the analyses
SKILFUL = 3  # days for which a forecast is to be better than the climatology
AGAINST = {  # per mode: whom we are compared with, in what, and the ratio that is wanted
    "cold": [("oi", "crps", 0.6), ("letkf", "rmse", 0.7)],
    "cycled": [("letkf", "rmse", 1.15), ("letkf, another model", "rmse", 1.0), ("cold", "rmse", 1.0)],
}
Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What is measured, and how.

    Attributes:
        data: a run of two years or more, of `serein simulate earth`; without one, the ten days that the prior
            brings are the truth, and there are no LETKFs.
        networks, modes: of what there is.
        windows: cold ones.
        days, spin_up: that are cycled, and of those, at the beginning, not counted.
        members, peers: ours, and those of the LETKFs.
        preset, inflation: of our windows.
        tuning: of the LETKFs.
    """

    data: Path | None = None
    networks: Sequence[str] = ("sondes", "surface", "swath", "all")
    modes: Sequence[str] = MODES
    windows: int = 4
    days: int = 30
    spin_up: int = 10
    members: int = 16
    peers: int = 20
    preset: str = "balanced"
    inflation: float = 1.0
    tuning: Tuning = field(default_factory=Tuning)
    seed: int = 1
    prior: str = "earth-t21"


def score(options: Options, say: Say = lambda line: None) -> dict[str, Any]:
    """The scoreboard, as JSON."""
    start = time.monotonic()
    board = Board.of(options, say)
    detail: dict[str, list[dict[str, Any]]] = {mode: [] for mode in MODES}
    for network in options.networks:
        if "cold" in options.modes:
            detail["cold"].append({"network": network, **board.cold(network)})
        if {"cycled", "forecast"} & set(options.modes):
            cycled, ahead = board.cycled(network, "forecast" in options.modes)
            detail["cycled"].append({"network": network, **cycled})
            detail["forecast"] += [{"network": network, **row} for row in ahead]
    return report("earth", _criteria(detail), detail, time.monotonic() - start)


@dataclass(eq=False)
class Tally:
    """Scores of one method: a case each, and what all of them took."""

    cases: list[FieldScores] = field(default_factory=list)
    cpu: float = 0.0

    def add(self, make: Callable[[], np.ndarray], truth: np.ndarray, weights: np.ndarray) -> None:
        """One case: the ensemble is made, (N, C, H, W), and compared."""
        since = time.process_time()
        ensemble = make()
        self.cpu += time.process_time() - since
        self.cases.append(FieldScores.of(ensemble, truth, weights))

    def row(self, channels: Sequence[str]) -> dict[str, Any]:
        """Scores per channel, and CPU seconds per analysis."""
        cpu = round(self.cpu / len(self.cases), 1)
        return {"cases": len(self.cases), "cpu_seconds": cpu, "channels": summary(self.cases, channels)}


@dataclass(frozen=True, eq=False)
class Board:
    """The truth, our windows, and the peers."""

    options: Options
    truth: Truth
    windows: Windows
    say: Say

    @classmethod
    def of(cls, options: Options, say: Say) -> "Board":
        """Opens what is needed."""
        prior = load_prior(load_card(options.prior))
        preset = Preset(**prior.card.presets[options.preset])
        windows = Windows(prior, preset, options.members, options.seed, options.inflation)
        truth = Truth.open(options.data) if options.data else Truth.brought(prior.card)
        _demand(options, len(truth.times), prior.card.window - 1)
        return cls(options, truth, windows, say)

    def cold(self, network: str) -> dict[str, Any]:
        """Windows spread over the run, whole days apart, each for itself; verified at their ends."""
        methods: dict[str, Tally] = defaultdict(Tally)
        last = len(self.truth.times) - self._length
        a_day = self._length - 1
        for k, first in enumerate(np.linspace(0, last, self.options.windows, dtype=int) // a_day * a_day):
            self.say(f"{network}: cold, window {k + 1} of {self.options.windows}")
            times, reported, there = self._window(network, int(first))
            self.windows.prepare(times)
            found = {
                "serein": partial(self._cold, times, reported),
                "oi": partial(self._interpolated, times, reported),
                "climatology": partial(self._interpolated, times, [None] * self._length),
            }
            for name, peer in self._peers(int(first)).items():
                found[name] = partial(peer.go, reported)
            for name, make in found.items():
                methods[name].add(make, there, self._weights)
        return {name: tally.row(self._state.names) for name, tally in methods.items()}

    def cycled(self, network: str, ahead: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Windows of a day in a row beside LETKFs; after the last one, if `ahead`, forecasts of all."""
        peers, methods = self._peers(0, another=True), defaultdict[str, Tally](Tally)
        following = Following(self.windows)
        for day in range(self.options.days):
            self.say(f"{network}: cycled, day {day + 1} of {self.options.days}")
            first = day * (self._length - 1)
            times, reported, there = self._window(network, first)
            new = [None, *reported[1:]] if day else reported
            found = {name: partial(peer.go, new) for name, peer in peers.items()}
            found["serein"] = partial(following.go, times, new)
            found["cold"] = partial(self._cold, times, reported)
            for name, make in found.items():
                if day >= self.options.spin_up:
                    methods[name].add(make, there, self._weights)
                elif name != "cold":
                    make()
        rows = {name: tally.row(self._state.names) for name, tally in methods.items()}
        last = self.options.days * (self._length - 1)
        return rows, self._ahead(last, following, peers.get("letkf")) if ahead else []

    def _ahead(self, last: int, following: "Following", peer: "Peer | None") -> list[dict[str, Any]]:
        """Forecasts of one to five days from the state at `last`."""
        rows, state = [], following.end
        start = self.windows.states(state)
        nothing = [None] * self._length
        for day in range(1, LEADS + 1):
            self.say(f"forecast, day {day} of {LEADS}")
            first = last + (day - 1) * (self._length - 1)
            times, there = self.truth.times[first : first + self._length], self._end(first)
            state = self.windows.with_seed(AHEAD + day).forecast(times, state)[:, -1]
            ensembles = {
                "serein": self.windows.states(state),
                "persistence": start,
                "climatology": self._interpolated(times, nothing),
            }
            if peer:
                ensembles["jcm from letkf"] = peer.go(nothing)
            cases = {name: [FieldScores.of(e, there, self._weights)] for name, e in ensembles.items()}
            rows.append({"lead_days": day} | {n: summary(c, self._state.names) for n, c in cases.items()})
        return rows

    @property
    def _state(self) -> StateSpec:
        return self.windows.prior.card.state

    @property
    def _weights(self) -> np.ndarray:
        return self._state.grid.area_weights

    @property
    def _length(self) -> int:
        return self.windows.prior.card.window

    def _window(self, network: str, first: int) -> tuple[pd.DatetimeIndex, list[Reported | None], np.ndarray]:
        """Times, what is reported, and the truth at the end."""
        positions = range(first, first + self._length)
        reported = [self.truth.reported(network, self._state, k, self.options.seed) for k in positions]
        return self.truth.times[first : first + self._length], reported, self._end(first)

    def _end(self, first: int) -> np.ndarray:
        return self.truth.states(first + self._length - 1)[0]

    def _cold(self, times: pd.DatetimeIndex, reported: Sequence[Reported | None]) -> np.ndarray:
        return self.windows.states(self.windows.filtered(times, reported)[:, -1])

    def _interpolated(self, times: pd.DatetimeIndex, reported: Sequence[Reported | None]) -> np.ndarray:
        return self.windows.states(self.windows.interpolated(times, reported)[:, -1])

    def _peers(self, first: int, another: bool = False) -> dict[str, "Peer"]:
        """LETKFs that know nothing yet; with `another`, one more, with another model."""
        if not self.truth.leaves:
            return {}
        from app.scoreboard.earth_peers import Peer  # jcm, of an extra

        members, tuning = self.options.peers, self.options.tuning
        peers = {"letkf": Peer.at(self.truth, first, members, tuning)}
        if another:
            peers["letkf, another model"] = Peer.at(self.truth, first, members, tuning, another=True)
        return peers


def _demand(options: Options, states: int, a_day: int) -> None:
    """Raises ValueError where the truth is too short for what is asked."""
    most = (states - 1) // a_day - (LEADS if "forecast" in options.modes else 0)
    if {"cycled", "forecast"} & set(options.modes) and options.days > most:
        raise ValueError(f"--days {options.days}: the truth is long enough for {most}")
    if options.spin_up >= options.days:
        raise ValueError(f"--spin-up {options.spin_up}: of {options.days} days none is left to be scored")


@dataclass(eq=False)
class Following:
    """Our windows in a row; `end`, the last state of the last of them, (N, K, h, w)."""

    windows: Windows
    _end: Tensor | None = None
    _days: int = 0

    @property
    def end(self) -> Tensor:
        """Raises ValueError before the first window."""
        if self._end is None:
            raise ValueError("no window has been analysed yet: --days is 0")
        return self._end

    def go(self, times: pd.DatetimeIndex, reported: Sequence[Reported | None]) -> np.ndarray:
        """The next window; the members at its end, (N, C, H, W)."""
        self._days += 1
        windows = self.windows.with_seed(self.windows.seed + self._days)
        self._end = windows.filtered(times, reported, self._end)[:, -1]
        return self.windows.states(self._end)


def _criteria(detail: dict[str, list[dict[str, Any]]]) -> list[Criterion]:
    out = []
    for mode, others in AGAINST.items():
        for row in detail[mode]:
            for channel in SHOWN:
                parts = {name: part["channels"][channel] for name, part in row.items() if name != "network"}
                where, ours = f"{mode}, {row['network']}, {channel}", parts["serein"]
                out += [
                    at_most(f"{where}: {key.upper()} / {name}", ours[key] / parts[name][key], limit)
                    for name, key, limit in others
                    if name in parts
                ]
                out += _honest(where, ours)
    for row in detail["forecast"]:
        for channel in SHOWN:
            where = f"forecast, {row['network']}, day {row['lead_days']}, {channel}: RMSE"
            for name in ("persistence", "climatology"):
                if name == "persistence" or row["lead_days"] <= SKILFUL:
                    ratio = row["serein"][channel]["rmse"] / row[name][channel]["rmse"]
                    out.append(at_most(f"{where} / {name}", ratio, 1.0))
    return out


def _honest(where: str, scores: dict[str, Any]) -> list[Criterion]:
    return [
        within(f"{where}: spread / skill", scores["spread_skill"], 1.0, 0.1),
        within(f"{where}: 50 % coverage", scores["coverage50"], 0.5, 0.05),
        within(f"{where}: 90 % coverage", scores["coverage90"], 0.9, 0.05),
    ]
