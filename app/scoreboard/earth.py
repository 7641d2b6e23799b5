"""The prior of a simulated Earth beside those that classical data assimilation has, on the same truth.

*Cold*: one window of 24 hours, nothing known before but the season, from which our ensemble begins (that is
worked out beforehand); beside our posterior by itself, the climatology, optimal interpolation and an LETKF
that saw the same reports. *Cycled*: windows in a row, past reports only (`models.hybrid`); beside
LETKFs that go on all the while, with the truth's own model and with another one. *Smoother*: the states
between these windows with the reports of a day after them as well. *Forecasts* go on from every other day.
"""

import time
from collections import defaultdict
from functools import partial
from typing import Any

import numpy as np

from app.scoreboard.earth_after import Following, Forecasts
from app.scoreboard.earth_board import IN_A_ROW, MODES, Board, Options, Say
from app.scoreboard.report import Criterion, at_most, report, within
from app.scoreboard.tally import Tally

SHOWN = ("u510", "t510", "sp", "z500")  # channels that criteria are about; all are in the detail
EVERY = 2  # days from one forecast to the next; the last is from the last day
SKILFUL = 3  # days for which a forecast is to be better than the climatology
AGAINST = {  # per mode: whom we are compared with, in what, and the ratio that is wanted
    "cold": [("oi", "crps", 0.6), ("letkf", "rmse", 0.7)],
    "cycled": [("letkf", "rmse", 1.15), ("letkf, another model", "rmse", 1.0), ("posterior", "rmse", 1.0)],
    "smoother": [("filter", "rmse", 1.0)],
}


def score(options: Options, say: Say = lambda line: None) -> dict[str, Any]:
    """The scoreboard, as JSON."""
    start = time.monotonic()
    board = Board.of(options, say)
    detail: dict[str, list[dict[str, Any]]] = {mode: [] for mode in MODES}
    for network in options.networks:
        if "cold" in options.modes:
            detail["cold"].append({"network": network, **cold(board, network)})
        if IN_A_ROW & set(options.modes):
            for mode, rows in in_a_row(board, network).items():
                detail[mode] += [{"network": network, **row} for row in rows]
    return report("earth", _criteria(detail), detail, time.monotonic() - start)


def cold(board: Board, network: str) -> dict[str, Any]:
    """Windows spread over the run, whole days apart, each for itself; verified at their ends."""
    methods: dict[str, Tally] = defaultdict(lambda: Tally(board.state))
    last = len(board.truth.times) - board.length
    a_day = board.length - 1
    for k, first in enumerate(np.linspace(0, last, board.options.windows, dtype=int) // a_day * a_day):
        board.say(f"{network}: cold, window {k + 1} of {board.options.windows}")
        times, reported, there = board.window(network, int(first))
        board.windows.prepare(times)
        season, since = board.season(int(first)), time.process_time()
        posterior = board.windows.sample(times, reported)
        drawing = time.process_time() - since
        found = {
            "serein": partial(board.cold, times, reported, season, posterior),
            "posterior": partial(board.windows.states, posterior[:, -1]),
            "oi": partial(board.interpolated, times, reported),
            "climatology": partial(board.interpolated, times, [None] * board.length),
        }
        for name, peer in board.peers(int(first)).items():
            found[name] = partial(peer.go, reported)
        for name, make in found.items():
            own = name in ("serein", "posterior")
            methods[name].add(make, there, mirrored=own, spent=drawing if own else 0.0)
    return {name: tally.row() for name, tally in methods.items()}


def in_a_row(board: Board, network: str) -> dict[str, list[dict[str, Any]]]:
    """Windows of a day in a row beside LETKFs, and what follows from them; per mode, rows of scores."""
    a_day, begin = board.length - 1, board.options.first_day
    peers = board.peers(begin * a_day, another=True)
    following = Following(board.hybrid(), board.season(begin * a_day))
    cycled, smoother = (defaultdict[str, Tally](lambda: Tally(board.state)) for _ in range(2))
    ahead = Forecasts(board)
    for day in range(board.options.days):
        board.say(f"{network}: cycled, day {day + 1} of {board.options.days}")
        first, counts = (begin + day) * a_day, day >= board.options.spin_up
        times, reported, there = board.window(network, first)
        new = [None, *reported[1:]] if day else reported
        analyses = {name: partial(peer.go, new) for name, peer in peers.items()}
        if day > board.options.spin_up and "smoother" in board.options.modes:
            smoother["filter"].add(following.filtered, board.truth.states(first)[0])
        analyses["serein"] = partial(following.go, times, reported)
        for name, make in analyses.items():
            if counts:
                cycled[name].add(make, there)
            else:
                make()
        if counts and "cycled" in board.options.modes:
            cycled["posterior"].add(following.posterior, there, mirrored=True, spent=following.last.drawing)
        if "filter" in smoother:
            smoother["serein"].add(following.smoothed, board.truth.states(first)[0])
        if counts and "forecast" in board.options.modes and (board.options.days - 1 - day) % EVERY == 0:
            ahead.add(following.last.end, first + a_day, peers.get("letkf"))
    found = {"cycled": [{name: tally.row() for name, tally in cycled.items()}]}
    if "smoother" in board.options.modes:
        found["smoother"] = [{name: tally.row() for name, tally in smoother.items()}]
    if "forecast" in board.options.modes:
        found["forecast"] = ahead.rows()
    return found


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
