"""Our windows in a row on the simulated Earth, and the days that follow the last of them.

Filter and smoother are the hybrid's (`models.hybrid`): of its first state a window knows more than the one
before it did, and that is what the smoother is scored on. *Forecasts* from the last are the forecaster's.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from torch import Tensor

from app.scoreboard.earth_board import LEADS, Board
from models.hybrid import Hybrid
from models.simulation.truth import Reported
from models.verification.field_scores import FieldScores, summary

if TYPE_CHECKING:
    from app.scoreboard.earth_peers import Peer

NONE_YET = "no window has been analysed yet: --days is 0"
AHEAD = 1_000_000  # added to the seed: noise of forecasts is not that of the analyses


@dataclass(eq=False)
class Following:
    """Our windows in a row.

    Attributes:
        hybrid: how they are analysed.
        done: how many.
        drawing: CPU seconds that the posterior of the last took.
    """

    hybrid: Hybrid
    done: int = 0
    drawing: float = 0.0
    _posterior: Tensor | None = None
    _begin: Tensor | None = None
    _end: Tensor | None = None

    @property
    def end(self) -> Tensor:
        """The last state of the last window, (N, K, h, w); raises ValueError before the first."""
        if self._end is None:
            raise ValueError(NONE_YET)
        return self._end

    def go(self, times: pd.DatetimeIndex, reported: Sequence[Reported | None]) -> np.ndarray:
        """The next window; the members at its end, (N, C, H, W)."""
        self.done += 1
        own, since = self.hybrid.with_seed(self.hybrid.windows.seed + self.done), time.process_time()
        self._posterior = own.windows.sample(times, reported)
        self.drawing = time.process_time() - since
        self._begin, self._end = own.window(times, reported, self._end, self._posterior)
        return own.windows.states(self._end)

    def cold(self) -> np.ndarray:
        """What the posterior of the last window has by itself: mirrored members at its end, (N, C, H, W)."""
        if self._posterior is None:
            raise ValueError(NONE_YET)
        return self.hybrid.windows.states(self._posterior[:, -1])

    def filtered(self) -> np.ndarray:
        """The members at the end of the last window, (N, C, H, W)."""
        return self.hybrid.windows.states(self.end)

    def smoothed(self) -> np.ndarray:
        """The members at the beginning of the last window, given its reports as well, (N, C, H, W)."""
        if self._begin is None:
            raise ValueError(NONE_YET)
        return self.hybrid.windows.states(self._begin)


def forecasts(board: Board, following: Following, peer: "Peer | None") -> list[dict[str, Any]]:
    """Scores of one to five days from the end of the cycle."""
    rows, windows, end = [], board.windows, following.end
    start, last = windows.states(end), following.done * (board.length - 1)
    whole = board.truth.times[last : last + LEADS * (board.length - 1) + 1]
    ahead = windows.with_seed(windows.seed + AHEAD).forecast(whole, end)
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
