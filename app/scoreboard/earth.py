"""The prior of a simulated Earth beside those that classical data assimilation has, on the same truth.

*Cold*: one window of 24 hours, nothing known before; beside the climatology, optimal interpolation and an
LETKF that saw the same reports. *Cycled*: windows in a row, past reports only; beside LETKFs that go on all
the while, with the truth's own model and with another one. *Forecast* and *smoother* go on from there
(`earth_after.py`).
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

from app.scoreboard.earth_after import LEADS, Following, forecasts, reanalysis
from app.scoreboard.report import Criterion, at_most, report, within
from app.scoreboard.tally import Tally
from models.cycling import Windows
from models.posterior.sampler import Preset
from models.prior.card import load_card
from models.prior.prior import load_prior
from models.simulation.letkf import Tuning
from models.simulation.truth import Reported, Truth
from models.state.spec import StateSpec

if TYPE_CHECKING:
    from app.scoreboard.earth_peers import Peer

MODES = ("cold", "cycled", "forecast", "smoother")
IN_A_ROW = {"cycled", "forecast", "smoother"}  # those that need windows in a row
SHOWN = ("u510", "t510", "sp", "z500")  # channels that criteria are about; all are in the detail
SKILFUL = 3  # days for which a forecast is to be better than the climatology
AGAINST = {  # per mode: whom we are compared with, in what, and the ratio that is wanted
    "cold": [("oi", "crps", 0.6), ("letkf", "rmse", 0.7)],
    "cycled": [("letkf", "rmse", 1.15), ("letkf, another model", "rmse", 1.0), ("cold", "rmse", 1.0)],
    "smoother": [("filter", "rmse", 1.0)],
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
        if IN_A_ROW & set(options.modes):
            for mode, rows in board.in_a_row(network).items():
                detail[mode] += [{"network": network, **row} for row in rows]
    return report("earth", _criteria(detail), detail, time.monotonic() - start)


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
        methods: dict[str, Tally] = defaultdict(lambda: Tally(self.state))
        last = len(self.truth.times) - self.length
        a_day = self.length - 1
        for k, first in enumerate(np.linspace(0, last, self.options.windows, dtype=int) // a_day * a_day):
            self.say(f"{network}: cold, window {k + 1} of {self.options.windows}")
            times, reported, there = self._window(network, int(first))
            self.windows.prepare(times)
            found = {
                "serein": partial(self._cold, times, reported),
                "oi": partial(self.interpolated, times, reported),
                "climatology": partial(self.interpolated, times, [None] * self.length),
            }
            for name, peer in self._peers(int(first)).items():
                found[name] = partial(peer.go, reported)
            for name, make in found.items():
                methods[name].add(make, there)
        return {name: tally.row() for name, tally in methods.items()}

    def in_a_row(self, network: str) -> dict[str, list[dict[str, Any]]]:
        """Windows of a day in a row beside LETKFs, and what follows from them; per mode, rows of scores."""
        peers, methods = self._peers(0, another=True), defaultdict[str, Tally](lambda: Tally(self.state))
        following = Following(self.windows)
        for day in range(self.options.days):
            self.say(f"{network}: cycled, day {day + 1} of {self.options.days}")
            first = day * (self.length - 1)
            times, reported, there = self._window(network, first)
            new = [None, *reported[1:]] if day else reported
            analyses = {name: partial(peer.go, new) for name, peer in peers.items()}
            analyses["serein"] = partial(following.go, times, new)
            if "cycled" in self.options.modes:
                analyses["cold"] = partial(self._cold, times, reported)
            for name, make in analyses.items():
                if day >= self.options.spin_up:
                    methods[name].add(make, there)
                elif name != "cold":
                    make()
        found = {"cycled": [{name: tally.row() for name, tally in methods.items()}]}
        if "smoother" in self.options.modes:
            counted = self.options.days - self.options.spin_up
            found["smoother"] = [reanalysis(self, following, counted)]
        if "forecast" in self.options.modes:
            found["forecast"] = forecasts(self, following, peers.get("letkf"))
        return found

    @property
    def state(self) -> StateSpec:
        """Of our prior."""
        return self.windows.prior.card.state

    @property
    def weights(self) -> np.ndarray:
        """Of cells, by area."""
        return self.state.grid.area_weights

    @property
    def length(self) -> int:
        """States of a window."""
        return self.windows.prior.card.window

    def _window(self, network: str, first: int) -> tuple[pd.DatetimeIndex, list[Reported | None], np.ndarray]:
        """Times, what is reported, and the truth at the end."""
        positions = range(first, first + self.length)
        reported = [self.truth.reported(network, self.state, k, self.options.seed) for k in positions]
        return self.truth.times[first : first + self.length], reported, self.end(first)

    def end(self, first: int) -> np.ndarray:
        """The truth at the end of the window that begins at position `first`, (C, H, W)."""
        return self.truth.states(first + self.length - 1)[0]

    def _cold(self, times: pd.DatetimeIndex, reported: Sequence[Reported | None]) -> np.ndarray:
        return self.windows.states(self.windows.filtered(times, reported)[:, -1])

    def interpolated(self, times: pd.DatetimeIndex, reported: Sequence[Reported | None]) -> np.ndarray:
        """What optimal interpolation makes of reports: members at the end of the window, (N, C, H, W)."""
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
    if IN_A_ROW & set(options.modes) and options.days > most:
        raise ValueError(f"--days {options.days}: the truth is long enough for {most}")
    if options.spin_up >= options.days:
        raise ValueError(f"--spin-up {options.spin_up}: of {options.days} days none is left to be scored")
    if "smoother" in options.modes and options.days - options.spin_up < 2:
        raise ValueError(f"--days {options.days}: a smoother needs two days that are scored, at the least")


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
