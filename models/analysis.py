"""One analysis, from an observation table to members of the posterior; `verify.py` judges them.

    prepare    what each observation is worth: quality control against the climatology, the withheld split,
               superobservations
    sample     members of the posterior

Each function depends only on its arguments, so that they may run at different times on different machines.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from models.observations.flags import usable
from models.observations.operator import ObservationOperator
from models.observations.quality.buddy import buddy
from models.observations.quality.domain import analysis_index, domain, known_channels
from models.observations.quality.elevation import elevation
from models.observations.quality.first_guess import first_guess
from models.observations.quality.superob import superob
from models.observations.quality.thinning import nearest_sounding
from models.observations.variables import VARIABLES, channel_names
from models.observations.withholding import limit_stations, withhold
from models.posterior.gaussian import GaussianObservations
from models.posterior.linearise import dense, linearise, to_be_judged
from models.posterior.noise import CounterNoise
from models.posterior.posterior import Posterior
from models.posterior.robust import LIKELIHOODS, believed
from models.posterior.sampler import Preset, Progress
from models.posterior.sampler import sample as draw
from models.posterior.states import StateObservations
from models.prior.prior import Prior
from models.state.time import padded, year_fraction

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Analysis:
    """A prior at certain times, and how observations look from there.

    Attributes:
        prior: p(z).
        times: of the states wanted, UTC, (T,).
    """

    prior: Prior
    times: pd.DatetimeIndex

    @property
    def window(self) -> pd.DatetimeIndex:
        """Times of the states sampled, (L,): `times`, preceded by earlier ones to fill the prior's window."""
        return padded(self.times, self.prior.card.window, self.prior.card.state.step_hours)

    @property
    def year_fraction(self) -> torch.Tensor:
        """When the states of the window are in the year, (L,)."""
        return torch.from_numpy(year_fraction(self.window))

    def operator(self, frame: pd.DataFrame) -> ObservationOperator:
        """H for the rows of `frame` and states of the window; it reads those at `times` only."""
        own = ObservationOperator.build(frame, self.prior.card.state, self.times)
        return own.within(len(self.window))

    def index(self, frame: pd.DataFrame) -> NDArray[np.int64]:
        """Position among `times` of the state each row belongs to, (n,); -1 for none."""
        tolerance = pd.Timedelta(minutes=self.prior.card.time_tolerance_minutes)
        return analysis_index(frame, self.times, tolerance)

    def comparable(self, frame: pd.DataFrame) -> NDArray[np.bool_]:
        """Which rows have a counterpart in the states, (n,)."""
        state = self.prior.card.state
        inside = state.grid.contains(frame["latitude"], frame["longitude"])
        known = channel_names(frame).isin(state.names).to_numpy()
        return inside & known & (self.index(frame) >= 0) & np.isfinite(frame["value"].to_numpy())

    @cached_property
    def mean(self) -> torch.Tensor:
        """The climatological mean of the window's latents, (L, K, h, w)."""
        return self.prior.climatology.mean(self.year_fraction)

    def linear(self, frame: pd.DataFrame) -> GaussianObservations:
        """The rows of `frame` as observations linear in the latents."""
        return linearise(self.prior, self.operator(frame), self.mean, *_values(frame))

    def to_be_judged(self, frame: pd.DataFrame) -> GaussianObservations:
        """The same for judging the rows a few at a time."""
        return to_be_judged(self.prior, self.operator(frame), self.mean, *_values(frame))

    def dense(self, frame: pd.DataFrame) -> StateObservations:
        """The same with the Jacobian as a matrix, however many rows there are."""
        return dense(self.prior, self.operator(frame), self.mean, *_values(frame))

    def posterior(self, frame: pd.DataFrame, likelihood: str = "gaussian") -> Posterior:
        """p(z | the rows of `frame`); `likelihood`: one of `models.posterior.robust.LIKELIHOODS`."""
        seen, way = self.linear(frame), LIKELIHOODS[likelihood]
        return self.through(self.operator(frame), seen if way is None else believed(seen, way)[0])

    def through(self, operator: ObservationOperator, seen: GaussianObservations) -> Posterior:
        """The posterior given what H, `operator`, sees of the window, and `seen`, the same made linear."""
        season = self.year_fraction

        def denoise(z: torch.Tensor, sigma: float) -> torch.Tensor:
            return self.prior.denoiser(z, z.new_full((len(z),), sigma), season.expand(len(z), -1))

        def observe(z: torch.Tensor) -> torch.Tensor:
            return operator(self.prior.decode(z))

        return Posterior(denoise, observe, seen, self.mean)


def _values(frame: pd.DataFrame) -> tuple[torch.Tensor, torch.Tensor]:
    """Values and error standard deviations, float64."""
    value, error = (frame[name].to_numpy(dtype=np.float64, copy=True) for name in ("value", "error"))
    return torch.from_numpy(value), torch.from_numpy(error)


def prepare(
    analysis: Analysis,
    frame: pd.DataFrame,
    *,
    withheld: float = 0.0,
    stations: Mapping[str, int] | None = None,
    check: Callable[[], None] = lambda: None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Quality control and superobbing.

    Arguments:
        frame: observation table of accepted rows.
        withheld: fraction of stations kept back for verification.
        stations: per kind of report, the most stations to assimilate.
        check: called every few seconds; what it raises stops the work.

    Returns:
        (rows, superobs): the table with `use`, `qc`, `reason` and `error` set, `error` now with the prior's
        representativeness included; and what is to be assimilated, sorted by obs_id.
    """
    card = analysis.prior.card
    rows = domain(frame, card.state.grid, analysis.times, pd.Timedelta(minutes=card.time_tolerance_minutes))
    rows = elevation(known_channels(rows, card.state.names), card.max_station_elevation)
    rows = nearest_sounding(rows, analysis.index(rows), analysis.times)
    rows = withhold(_with_errors(analysis, rows), withheld)
    rows = limit_stations(rows, stations or {})
    rows = _against_climatology(analysis, rows, check)
    cell = card.state.grid.cell(rows["latitude"], rows["longitude"])
    superobs, _ = superob(rows, cell, analysis.index(rows), card.superob_correlation)
    return rows, superobs


def _with_errors(analysis: Analysis, frame: pd.DataFrame) -> pd.DataFrame:
    card = analysis.prior.card
    defaults = {name: variable.error for name, variable in VARIABLES.items()} | card.observation_error
    error = frame["error"].fillna(frame["variable"].map(defaults))
    floor = channel_names(frame).map(card.representativeness).astype(float).fillna(0.0)
    return frame.assign(error=np.hypot(error, floor))


def _against_climatology(analysis: Analysis, frame: pd.DataFrame, check: Callable[[], None]) -> pd.DataFrame:
    """First-guess and buddy checks of the rows that passed so far."""
    chosen = np.flatnonzero(usable(frame).to_numpy())
    seen = analysis.to_be_judged(frame.iloc[chosen])
    expected, departure = np.full(len(frame), np.nan), np.full(len(frame), np.nan)
    departure[chosen] = (seen.value - seen.background).numpy()
    expected[chosen] = (seen.variance() + seen.error**2).sqrt().numpy()
    position = np.full(len(frame), -1)
    position[chosen] = np.arange(len(chosen))
    checked = first_guess(frame, departure, expected)

    def covariance_of(rows: NDArray[np.int64]) -> Array:
        check()
        own = torch.from_numpy(position[rows])
        return (seen.among(own) + torch.diag(seen.error[own].double() ** 2)).numpy()

    return buddy(checked, departure, covariance_of, analysis.index(frame))


def sample(
    analysis: Analysis,
    superobs: pd.DataFrame,
    *,
    members: Sequence[int],
    seed: int,
    preset: str,
    likelihood: str = "gaussian",
    progress: Callable[[Progress], None] = lambda p: None,
) -> NDArray[np.float32]:
    """Members of the posterior in SI units, (len(members), T, C, H, W).

    Arguments:
        superobs: what to assimilate; the order of rows does not matter, an empty table gives the prior.
        preset: one of the prior's presets.
        likelihood: gaussian, huber or varqc.
        progress: called after each noise level; what it raises stops the sampler.
    """
    superobs = superobs.sort_values("obs_id", ignore_index=True)
    settings = Preset(**analysis.prior.card.presets[preset])
    noise = CounterNoise(seed, members, analysis.window)
    z = draw(analysis.posterior(superobs, likelihood), settings, noise, progress)
    return analysis.prior.fields(z[:, -len(analysis.times) :])


def season(analysis: Analysis) -> NDArray[np.float32]:
    """The state that the climatological mean decodes to at each time, SI units, (T, C, H, W)."""
    return analysis.prior.fields(analysis.mean[-len(analysis.times) :])
