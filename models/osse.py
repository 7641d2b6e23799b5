"""Observing-system simulation: are the settings honest for *your* network?

A truth is drawn from the prior, a network observes it with noise of known size, and the posterior is judged
where the truth is known: everywhere. Prior and errors are exactly right here and every report is good, so
quality control and superobbing are left out. What fails here cannot work on real observations.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import airportsdata
import numpy as np
import pandas as pd
import torch

from models.analysis import Analysis, sample
from models.observations.operator import ObservationOperator
from models.observations.table import conform, empty
from models.observations.withholding import station_hash
from models.prior.card import PriorCard
from models.prior.prior import Prior
from models.state.channels import channel
from models.state.spec import StateSpec
from models.state.time import analysis_times
from models.verification.calibration import coverage, rank_probabilities
from models.verification.pairs import variances
from models.verification.scores import area_mean, crps_ensemble, crps_gaussian
from models.weather import has_weather, last_window, states_at

TRUTH = 1_000_000  # the truth is this member of the prior, which no job asks for


def example_network(card: PriorCard) -> pd.DataFrame:
    """A plausible network in the prior's domain: airports, or grid points of a model; the same every time.

    Returns:
        One row per station and channel it observes: station_id, latitude, longitude, elevation, channel,
        error (SI units; NaN for the prior's default), kind.
    """
    classical = card.architecture.get("kind") == "classical"
    places = _points(card) if classical else _airports(card)
    order = np.argsort([station_hash(name, "example ") for name in places["station_id"]], kind="stable")
    parts = []
    for name, wanted in card.network.items():
        stations = places.iloc[order].head(int(wanted["stations"]))
        kind = "POINT" if classical else "SYNOP" if channel(name).level is None else "TEMP"
        parts.append(stations.assign(channel=name, error=float(wanted["error"]), kind=kind))
    return pd.concat(parts, ignore_index=True)


def _airports(card: PriorCard) -> pd.DataFrame:
    airports = pd.DataFrame(airportsdata.load("ICAO").values())
    inside = card.state.grid.contains(airports["lat"], airports["lon"])
    airports = airports[inside & (airports["elevation"] * 0.3048 < 400)]
    if card.state.grid.periodic:  # of the world's small airfields most are in America
        airports = airports[airports["iata"] != ""]
    return pd.DataFrame(
        {
            "station_id": airports["icao"],
            "latitude": airports["lat"],
            "longitude": airports["lon"],
            "elevation": (airports["elevation"] * 0.3048).round(1),
        }
    )


def _points(card: PriorCard) -> pd.DataFrame:
    """One station at each grid point; more share it where there are fewer points than stations."""
    grid = card.state.grid
    latitude, longitude = (x.ravel() for x in np.meshgrid(grid.latitude, grid.longitude, indexing="ij"))
    most = max(int(wanted["stations"]) for wanted in card.network.values())
    count = np.arange(max(latitude.size, most))
    return pd.DataFrame(
        {
            "station_id": [f"P{i:04d}" for i in count],
            "latitude": latitude[count % latitude.size],
            "longitude": longitude[count % latitude.size],
            "elevation": 0.0,
        }
    )


def example_times(card: PriorCard) -> list[str]:
    """The last states of the weather that the prior brings; without any, of a day in February 2019."""
    if has_weather(card):
        return last_window(card)
    start, end = (pd.Timestamp(day, tz="UTC") for day in ("2019-02-17T12", "2019-02-18T12"))
    return [t.isoformat() for t in analysis_times(start, end, card.state.step_hours, card.valid_hours)]


def demand(card: PriorCard, network: pd.DataFrame, times: Sequence[str], preset: str) -> None:
    """Make sure that the prior can be observed by this network, at these times, and analysed so.

    Raises:
        ValueError: it cannot; the message names row and column of the network, or the option that is wrong.
    """
    if preset not in card.presets:
        raise ValueError(f"no preset {preset!r}: the prior {card.name} has {', '.join(card.presets)}")
    when = _times(times)
    wanted = analysis_times(when[0], when[-1], card.state.step_hours, card.valid_hours)
    if not when.equals(wanted) or len(when) > card.window:
        raise ValueError(
            f"the times must be up to {card.window} states in a row, {card.state.step_hours} h from one to "
            "the next"
        )
    for name in ("latitude", "longitude", "elevation", "error"):
        wrong = pd.to_numeric(network[name], errors="coerce").isna() & network[name].notna()
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(
                f"row {row + 1} of the network, {name}: {network[name].iloc[row]!r} is not a number"
            )
    inside = card.state.grid.contains(network["latitude"], network["longitude"])
    for row, (name, within) in enumerate(zip(network["channel"], inside, strict=True), start=1):
        if name not in card.state.names:
            known = ", ".join(card.state.names)
            raise ValueError(
                f"row {row} of the network, channel: the prior {card.name} has no {name!r}; it holds {known}"
            )
        if not within:
            raise ValueError(f"row {row} of the network, latitude and longitude: outside the prior's area")


def _times(times: Sequence[str] | pd.DatetimeIndex) -> pd.DatetimeIndex:
    try:
        return pd.DatetimeIndex(pd.to_datetime(list(times), utc=True)).as_unit("ns")
    except ValueError:
        raise ValueError(f"no times: {', '.join(map(str, times))}; write 2019-02-17T12:00Z") from None


def simulate(
    prior: Prior, network: pd.DataFrame, times: Sequence[str] | pd.DatetimeIndex, seed: int
) -> pd.DataFrame:
    """Observations of a truth drawn from the prior, noise added, as an observation table.

    Arguments:
        network: as `example_network` gives.
        times: of the states observed, UTC; consecutive steps of the prior.
        seed: of truth and noise.
    """
    analysis = Analysis(prior, _times(times))
    return observe(analysis, network, truth(analysis, seed), seed)


def simulate_weather(
    card: PriorCard, network: pd.DataFrame, times: Sequence[str] | pd.DatetimeIndex, seed: int
) -> pd.DataFrame:
    """Observations of the weather that the prior brings and was not trained on, as `simulate` makes them.

    Raises:
        ValueError: the prior brings none, or none at these times.
    """
    when = _times(times)
    return reports(card, when, network, states_at(card, when), seed)


def truth(analysis: Analysis, seed: int) -> np.ndarray:
    """A trajectory drawn from the prior, SI units, (T, C, H, W)."""
    return sample(analysis, empty(), members=[TRUTH], seed=seed, preset="careful")[0]


def observe(analysis: Analysis, network: pd.DataFrame, states: np.ndarray, seed: int) -> pd.DataFrame:
    """What `network` reports of `states` (T, C, H, W), with noise, at the analysis times."""
    return reports(analysis.prior.card, analysis.times, network, states, seed)


def reports(
    card: PriorCard, times: pd.DatetimeIndex, network: pd.DataFrame, states: np.ndarray, seed: int
) -> pd.DataFrame:
    """What `network` reports of `states` (T, C, H, W) at `times` (T,), with noise."""
    rows = network.merge(pd.DataFrame({"time": times}), how="cross")
    channels = [channel(name) for name in rows["channel"]]
    rows = rows.assign(
        variable=[c.variable for c in channels],
        pressure=[np.nan if c.level is None else c.level * 100.0 for c in channels],
        value=0.0,
        error=rows["error"].fillna(pd.Series([card.observation_error[c.variable] for c in channels])),
    ).drop(columns="channel")
    operator = ObservationOperator.build(rows, card.state, times)
    exact = operator(torch.from_numpy(states).double()).numpy()
    noise = np.random.default_rng(seed).standard_normal(len(rows))
    return conform(rows.assign(value=exact + rows["error"].to_numpy() * noise))


def check(
    prior: Prior,
    network: pd.DataFrame,
    times: Sequence[str] | pd.DatetimeIndex,
    *,
    draws: int,
    members: int,
    preset: str,
    seed: int,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, dict[str, float]]:
    """Analyses `draws` simulated truths and compares with them at every grid point.

    Returns:
        Per channel, in SI units: rmse, spread, oi_rmse (optimal interpolation), climatology_rmse; and
        spread_skill, coverage50, coverage90, which are 1, 0.5 and 0.9 where the ensemble is honest.
    """
    analysis = Analysis(prior, _times(times))
    trials = []
    for k in range(draws):
        states = truth(analysis, seed + k)
        table = observe(analysis, network, states, seed + k)
        trials.append(compare(analysis, table, states, members=members, preset=preset, seed=seed + k))
        progress(k + 1)
    return summary(prior.card.state, trials)


@dataclass(frozen=True, eq=False)
class Trial:
    """One analysis beside the truth: area means (T, C), and coverages (C,).

    `expected`: of `square`, if members are honest: their variance, and what their mean is off by itself.
    """

    square: np.ndarray
    variance: np.ndarray
    expected: np.ndarray
    oi_square: np.ndarray
    climatology_square: np.ndarray
    crps: np.ndarray
    oi_crps: np.ndarray
    coverage50: np.ndarray
    coverage90: np.ndarray


def compare(
    analysis: Analysis, table: pd.DataFrame, states: np.ndarray, *, members: int, preset: str, seed: int
) -> Trial:
    """The analysis of `table` against the states (T, C, H, W) that were observed; areas weigh as they are."""
    ensemble = sample(analysis, table, members=range(members), seed=seed, preset=preset).astype(np.float64)
    weight = analysis.prior.card.state.grid.area_weights
    oi, oi_std, climatology = _gaussian(analysis, table)

    def mean(field: np.ndarray) -> np.ndarray:
        return area_mean(field, weight)

    by_channel = np.moveaxis(ensemble, 2, 0).reshape(states.shape[1], members, -1)
    truths = np.moveaxis(states, 1, 0).reshape(states.shape[1], -1)
    ranks = [rank_probabilities(x, y, mirrored=True) for x, y in zip(by_channel, truths, strict=True)]
    variance, off = (mean(x) for x in variances(ensemble, mirrored=True))
    crps = crps_ensemble(ensemble.reshape(members, -1), states.ravel(), mirrored=True)
    return Trial(
        square=mean((ensemble.mean(axis=0) - states) ** 2),
        variance=variance,
        expected=variance + off,
        oi_square=mean((oi - states) ** 2),
        climatology_square=mean((climatology - states) ** 2),
        crps=mean(crps.reshape(states.shape)),
        oi_crps=mean(crps_gaussian(oi, oi_std, states)),
        coverage50=np.array([coverage(r, 0.5) for r in ranks]),
        coverage90=np.array([coverage(r, 0.9) for r in ranks]),
    )


def _gaussian(analysis: Analysis, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and std of optimal interpolation and mean of the climatology, SI, (T, C, H, W) each."""
    prior, steps, mean = analysis.prior, len(analysis.times), analysis.mean
    decoded, pull, *_ = torch.func.vjp(lambda z: prior.decode(z)[-steps:], mean)
    rows = torch.eye(decoded.numel()).reshape(-1, *decoded.shape)
    jacobian = torch.cat([torch.func.vmap(pull)(part)[0].flatten(1) for part in rows.split(256)])
    there, spread = analysis.linear(table).predict(decoded.flatten().double(), jacobian.double())
    possible = prior.card.state.possible
    oi, std = (x.reshape(decoded.shape).numpy() for x in (there, spread))
    return possible(oi), std, possible(decoded.numpy())


def summary(state: StateSpec, trials: Sequence[Trial]) -> dict[str, dict[str, float]]:
    """Scores per channel over all trials, SI units."""

    def root(name: str) -> np.ndarray:
        return np.sqrt(np.mean([getattr(t, name) for t in trials], axis=(0, 1)))

    rmse = root("square")
    scores = {
        "rmse": rmse,
        "oi_rmse": root("oi_square"),
        "climatology_rmse": root("climatology_square"),
        "spread": root("variance"),
        "spread_skill": root("expected") / rmse,
        "crps": np.mean([t.crps for t in trials], axis=(0, 1)),
        "oi_crps": np.mean([t.oi_crps for t in trials], axis=(0, 1)),
        "coverage50": np.mean([t.coverage50 for t in trials], axis=0),
        "coverage90": np.mean([t.coverage90 for t in trials], axis=0),
    }
    return {c: {k: float(v[i]) for k, v in scores.items()} for i, c in enumerate(state.names)}
