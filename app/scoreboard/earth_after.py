"""What follows when windows of the simulated Earth have been cycled: days ahead, and the way back.

*Forecast*: from the last analysis, by the prior's forecaster. *Smoother*: a reanalysis, filtered forward and
sampled backward; each member of a window is given the state that the one after it begins with.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from torch import Tensor

from app.scoreboard.earth_board import LEADS, Board
from app.scoreboard.tally import Tally
from models.cycling import Windows
from models.simulation.truth import Reported
from models.verification.field_scores import FieldScores, summary

if TYPE_CHECKING:
    from app.scoreboard.earth_peers import Peer

AHEAD, BACKWARD = 1_000_000, 2_000_000  # seeds begin here: noise is not that of the analyses


@dataclass(frozen=True, eq=False)
class Step:
    """A window of a cycle: its states' times, what was new, and its first state as known, (N, K, h, w)."""

    times: pd.DatetimeIndex
    reported: Sequence[Reported | None]
    before: Tensor | None


@dataclass(eq=False)
class Following:
    """Our windows in a row; `steps` so far, and `end`, the last state of the last of them, (N, K, h, w)."""

    windows: Windows
    steps: list[Step] = field(default_factory=list)
    _end: Tensor | None = None

    @property
    def end(self) -> Tensor:
        """Raises ValueError before the first window."""
        if self._end is None:
            raise ValueError("no window has been analysed yet: --days is 0")
        return self._end

    def go(self, times: pd.DatetimeIndex, reported: Sequence[Reported | None]) -> np.ndarray:
        """The next window; the members at its end, (N, C, H, W)."""
        self.steps.append(Step(times, reported, self._end))
        windows = self.windows.with_seed(self.windows.seed + len(self.steps))
        self._end = windows.filtered(times, reported, self._end)[:, -1]
        return self.windows.states(self._end)


def forecasts(board: Board, following: Following, peer: "Peer | None") -> list[dict[str, Any]]:
    """Scores of one to five days from the end of the cycle."""
    rows, windows, end = [], board.windows, following.end
    start, last = windows.states(end), len(following.steps) * (board.length - 1)
    whole = board.truth.times[last : last + LEADS * (board.length - 1) + 1]
    ahead = windows.with_seed(AHEAD).forecast(whole, end)
    nothing = [None] * board.length
    for day in range(1, LEADS + 1):
        board.say(f"forecast, day {day} of {LEADS}")
        first = last + (day - 1) * (board.length - 1)
        times, there = board.truth.times[first : first + board.length], board.end(first)
        ensembles = {
            "serein": windows.states(ahead[:, day * (board.length - 1)]),
            "persistence": start,
            "climatology": board.interpolated(times, nothing),
        }
        if peer:
            ensembles["jcm from letkf"] = peer.go(nothing)
        cases = {name: [FieldScores.of(e, there, board.weights)] for name, e in ensembles.items()}
        rows.append({"lead_days": day} | {n: summary(c, board.state.names) for n, c in cases.items()})
    return rows


@dataclass(eq=False)
class Backward:
    """The way back through windows in a row; `after`, what the next one begins with, (N, K, h, w)."""

    windows: Windows
    after: Tensor

    def go(self, step: Step, seed: int) -> np.ndarray:
        """The window before; the members at its beginning, (N, C, H, W)."""
        windows = self.windows.with_seed(seed)
        self.after = windows.smoothed(step.times, step.reported, step.before, self.after)[:, 0]
        return self.windows.states(self.after)


def reanalysis(board: Board, following: Following, counted: int) -> dict[str, Any]:
    """Scores of the states between the last `counted` windows, smoothed, beside those of the filter."""
    smoother, filtered = Tally(board.state), Tally(board.state)
    days, backward = len(following.steps), Backward(board.windows, following.end)
    for day in range(days - 1, days - counted, -1):
        board.say(f"smoother, back to the end of day {day}")
        step, there = following.steps[day], board.end((day - 1) * (board.length - 1))
        smoother.add(partial(backward.go, step, BACKWARD + day), there)
        assert step.before is not None  # noqa: S101, only of the first window nothing was known before
        filtered.add(partial(board.windows.states, step.before), there)
    return {"serein": smoother.row(), "filter": filtered.row()}
