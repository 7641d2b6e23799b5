"""The simulated Earth as a board: the truth, what is asked, our windows, and who stands beside them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from torch import Tensor

from models.ensemble.letkf import Tuning
from models.hybrid import Hybrid, about, described
from models.observations.reports import Reported
from models.posterior.sampler import Preset
from models.prior.card import load_card
from models.prior.prior import load_prior
from models.simulation.truth import Truth
from models.state.spec import StateSpec
from models.windows import Windows

if TYPE_CHECKING:
    from app.scoreboard.earth_peers import Peer

MODES = ("cold", "cycled", "forecast", "smoother")
IN_A_ROW = {"cycled", "forecast", "smoother"}  # those that need windows in a row
LEADS = 5  # days of a forecast
ANOTHER = Tuning(relaxation=0.9)  # a model that is wrong needs more spread than it would keep
Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What is measured, and how.

    Attributes:
        data: a run of two years or more, of `serein simulate earth`; without one, the ten days that the prior
            brings are the truth, and there are no LETKFs.
        networks, modes: of what there is.
        windows: cold ones.
        first_day: of the run, from which on windows are cycled.
        days, spin_up: that are cycled, and of those, at the beginning, not counted.
        members: of the posterior of a window, in mirrored pairs.
        following, peers: of our ensemble that follows the reports, and of the LETKFs.
        preset: of our windows.
        tuning, another: of the LETKF with the truth's model, and of that with another: as served each best.
    """

    data: Path | None = None
    networks: Sequence[str] = ("sondes", "surface", "swath", "all")
    modes: Sequence[str] = MODES
    windows: int = 4
    first_day: int = 0
    days: int = 30
    spin_up: int = 10
    members: int = 16
    following: int = Hybrid.size
    peers: int = 40
    preset: str = "balanced"
    tuning: Tuning = field(default_factory=Tuning)
    another: Tuning = ANOTHER
    seed: int = 1
    prior: str = "earth-t21"


@dataclass(frozen=True, eq=False)
class Board:
    """The truth, our windows, and the peers."""

    options: Options
    truth: Truth
    windows: Windows
    say: Say
    _seasons: dict[int, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, options: Options, say: Say) -> "Board":
        """Opens what is needed."""
        prior = load_prior(load_card(options.prior))
        preset = Preset(**prior.card.presets[options.preset])
        windows = Windows(prior, preset, options.members, options.seed)
        truth = Truth.open(options.data, prior.card.state) if options.data else Truth.brought(prior.card)
        _demand(options, len(truth.times), prior.card.window - 1)
        if truth.leaves:
            import_module("app.scoreboard.earth_peers")  # jcm, of an extra: noticed now, not in an hour
        return cls(options, truth, windows, say)

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

    def window(self, network: str, first: int) -> tuple[pd.DatetimeIndex, list[Reported | None], np.ndarray]:
        """Times, what is reported, and the truth at the end."""
        positions = range(first, first + self.length)
        reported = [self.truth.reported(network, self.state, k, self.options.seed) for k in positions]
        return self.truth.times[first : first + self.length], reported, self.end(first)

    def end(self, first: int) -> np.ndarray:
        """The truth at the end of the window that begins at position `first`, (C, H, W)."""
        return self.truth.states(first + self.length - 1)[0]

    def hybrid(self) -> Hybrid:
        """Our windows, and the ensemble beside them."""
        return Hybrid(self.windows, self.options.following)

    def season(self, first: int) -> Tensor:
        """Members of our ensemble before any report, at position `first`: all networks begin with them."""
        if first not in self._seasons:
            self._seasons[first] = self.hybrid().beginning(self.truth.times[first])
        return self._seasons[first]

    def cold(
        self,
        times: pd.DatetimeIndex,
        reported: Sequence[Reported | None],
        season: Tensor,
        posterior: Tensor,
    ) -> np.ndarray:
        """What we make of a window that nothing is known before: members at its end, (N, C, H, W)."""
        ensemble = described(self.hybrid().begun(times, reported, season)[:, -1])
        members = about(self.windows.states(posterior[:, -1]), ensemble, self.weights)
        return self.state.possible(members)

    def interpolated(self, times: pd.DatetimeIndex, reported: Sequence[Reported | None]) -> np.ndarray:
        """What optimal interpolation makes of them."""
        return self.windows.states(self.windows.interpolated(times, reported)[:, -1])

    def peers(self, first: int, another: bool = False) -> dict[str, "Peer"]:
        """LETKFs that know nothing yet; with `another`, one more, with another model."""
        if not self.truth.leaves:
            return {}
        from app.scoreboard.earth_peers import Peer  # jcm, of an extra

        make = partial(Peer.at, self.truth, self.state, first, self.options.peers)
        found = {"letkf": make(self.options.tuning)}
        return found | ({"letkf, another model": make(self.options.another, another=True)} if another else {})


def _demand(options: Options, states: int, a_day: int) -> None:
    """Raises ValueError where the truth is too short for what is asked."""
    most = (states - 1) // a_day - options.first_day - (LEADS if "forecast" in options.modes else 0)
    if IN_A_ROW & set(options.modes) and options.days > most:
        there = f"from day {options.first_day} on the truth is long enough for {max(most, 0)}"
        raise ValueError(f"--days {options.days}: {there}")
    if options.spin_up >= options.days:
        raise ValueError(f"--spin-up {options.spin_up}: of {options.days} days none is left to be scored")
    if "smoother" in options.modes and options.days - options.spin_up < 2:
        raise ValueError(f"--days {options.days}: a smoother needs two days that are scored, at the least")
