"""Our windows in a row on the simulated Earth, and the days that follow some of them.

Filter and smoother are the hybrid's (`models.hybrid`): of its first state a window knows more than the one
before it did, and that is what the smoother is scored on. *Forecasts* are the forecaster's.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from torch import Tensor

from app.scoreboard.earth_board import LEADS, Board
from models.ensemble.follower import Follower
from models.hybrid import Hybrid
from models.observations.reports import Reported
from models.prior.prior import Prior
from models.verification.field_scores import FieldScores, summary

if TYPE_CHECKING:
    from app.scoreboard.earth_peers import Peer


@dataclass(frozen=True, eq=False)
class Analysed:
    """A window.

    Attributes:
        posterior: mirrored members of the posterior, by itself, (M, L, K, h, w).
        begin, end: members at the first of its states, given all its reports, and at the last, (N, C, H, W).
        drawing: CPU seconds that the posterior took.
    """

    posterior: Tensor
    begin: Tensor
    end: Tensor
    drawing: float


@dataclass(eq=False)
class Following:
    """Our windows in a row.

    Attributes:
        hybrid: how they are analysed.
        season: members before any report, at the first state of the first, (N, C, H, W).
        done: how many.
    """

    hybrid: Hybrid
    season: Tensor
    done: int = 0
    _last: Analysed | None = None

    @property
    def last(self) -> Analysed:
        """The last window; raises ValueError before the first."""
        if self._last is None:
            raise ValueError("no window has been analysed yet: --days is 0")
        return self._last

    def go(self, times: pd.DatetimeIndex, reported: Sequence[Reported | None]) -> np.ndarray:
        """The next window; the members at its end, (N, C, H, W)."""
        self.done += 1
        windows, since = self.hybrid.windows, time.process_time()
        posterior = windows.with_seed(windows.seed + self.done).sample(times, reported)
        drawing = time.process_time() - since
        if self._last:
            found = self.hybrid.window(times, reported, self._last.end, posterior)
        else:
            found = self.hybrid.first(times, reported, self.season, posterior)
        self._last = Analysed(posterior, *found, drawing)
        return self.filtered()

    def posterior(self) -> np.ndarray:
        """What that of the last window has by itself: mirrored members at its end, (M, C, H, W)."""
        return self.hybrid.windows.states(self.last.posterior[:, -1])

    def filtered(self) -> np.ndarray:
        """The members at the end of the last window, (N, C, H, W)."""
        return _told(self.hybrid.windows.prior, self.last.end)

    def smoothed(self) -> np.ndarray:
        """The members at the beginning of the last window, given its reports as well, (N, C, H, W)."""
        return _told(self.hybrid.windows.prior, self.last.begin)


@dataclass(eq=False)
class Forecasts:
    """Forecasts of one to `LEADS` days, one from each of several analyses."""

    board: Board
    _cases: dict[int, dict[str, list[FieldScores]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )

    def add(self, end: Tensor, first: int, peer: "Peer | None") -> None:
        """One more, from members (N, C, H, W) at this position of the truth, beside the peer's."""
        board, windows = self.board, self.board.windows
        a_day, start = board.length - 1, _told(windows.prior, end)
        forecaster = Follower(windows.prior, windows.seed)  # whose errors go on
        ahead, peer, nothing = end, peer and peer.copy(), [None] * board.length
        for day in range(1, LEADS + 1):
            board.say(f"forecast, day {day} of {LEADS}")
            position = first + (day - 1) * a_day
            times, there = board.truth.times[position : position + board.length], board.end(position)
            ahead = forecaster.follow(times, nothing, ahead)[:, -1]
            ensembles = {
                "serein": _told(windows.prior, ahead),
                "persistence": start,
                "climatology": board.interpolated(times, nothing),
            }
            if peer:
                ensembles["jcm from letkf"] = peer.go(nothing)
            for name, members in ensembles.items():
                self._cases[day][name].append(FieldScores.of(members, there, board.weights))

    def rows(self) -> list[dict[str, Any]]:
        """Scores per lead."""
        names = self.board.state.names
        return [
            {"lead_days": day, "cases": len(found["serein"])}
            | {n: summary(c, names) for n, c in found.items()}
            for day, found in self._cases.items()
        ]


def _told(prior: Prior, members: Tensor) -> np.ndarray:
    """Members in SI units, none of them impossible."""
    return prior.card.state.possible(members.numpy().astype(np.float64))
