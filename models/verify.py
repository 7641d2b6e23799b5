"""What became of each observation of an analysis: receipts and a certificate."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from models.analysis import Analysis, Array
from models.observations.flags import Flag, usable
from models.observations.operator import ObservationOperator
from models.observations.variables import channel_names
from models.posterior.gaussian import TOGETHER, GaussianObservations
from models.posterior.robust import VarQC, believed
from models.posterior.states import StateObservations
from models.verification.baselines import Baseline, nearest_station
from models.verification.certificate import certificate
from models.verification.consistency import consistency
from models.verification.pairs import FEWEST, spread


def verify(
    analysis: Analysis, rows: pd.DataFrame, superobs: pd.DataFrame, members: NDArray[np.float32], seed: int
) -> tuple[dict[str, Any], pd.DataFrame]:
    """The certificate and the receipts.

    Arguments:
        rows, superobs: what `prepare` returned.
        members: SI units, in mirrored pairs as `sample` has them, (M, T, C, H, W).
        seed: of the bootstrap and of ties in rank histograms.
    """
    comparable = rows[analysis.comparable(rows)]
    predicted = _at(analysis, comparable, members)
    linear, assimilated = analysis.linear(superobs), _at(analysis, superobs, members)
    receipts = _receipts(analysis, rows, comparable, predicted)
    kept = (usable(comparable) & (comparable["use"] == "withheld")).to_numpy()
    state = analysis.prior.card.state
    physical = {"consistency": consistency(members, state.names, state.grid)}
    if len(members) < FEWEST:
        counts = {"members": len(members), "withheld": int(kept.sum()), "assimilated": len(superobs)}
        note = "One member, or one mirrored pair, cannot be verified: ask for four members or more."
        return {**counts, "withheld_stations": 0, "channels": {}, "notes": [note], **physical}, receipts
    withheld = comparable[kept]
    result = certificate(
        withheld,
        predicted[:, kept],
        _baselines(analysis, rows, withheld, linear),
        np.random.default_rng(seed),
        superobs,
        assimilated,
        mirrored=True,
    )
    return {**result, **physical}, receipts


def _at(analysis: Analysis, frame: pd.DataFrame, members: NDArray[np.float32]) -> Array:
    """Members at the rows of `frame`, (M, n)."""
    operator = ObservationOperator.build(frame, analysis.prior.card.state, analysis.times)
    return operator(torch.from_numpy(members).double()).numpy()


def _baselines(
    analysis: Analysis, rows: pd.DataFrame, withheld: pd.DataFrame, linear: GaussianObservations
) -> dict[str, Baseline]:
    """What others make of observations that were kept back; `linear`: those assimilated."""
    there = analysis.dense(withheld)
    mean, std = _predicted(linear, there)
    sources = rows[(usable(rows) & (rows["use"] == "active")).to_numpy()]
    value, _ = nearest_station(
        withheld["latitude"],
        withheld["longitude"],
        _group(analysis, withheld),
        sources["latitude"],
        sources["longitude"],
        sources["value"],
        _group(analysis, sources),
    )
    climate = there.variance().sqrt().numpy()
    return {
        "climatology": Baseline(there.background.numpy(), climate),
        "nearest_station": Baseline(value),
        "optimal_interpolation": Baseline(mean, std),
    }


def _predicted(linear: GaussianObservations, there: StateObservations) -> tuple[Array, Array]:
    """What optimal interpolation makes of other observations, a few at a time; their rows are long."""
    parts = [there.part(rows) for rows in torch.arange(len(there.value)).split(TOGETHER)]
    mean, std = zip(*(linear.predict(part.background, part.rows) for part in parts), strict=True)
    return torch.cat(mean).numpy(), torch.cat(std).numpy()


def _group(analysis: Analysis, frame: pd.DataFrame) -> NDArray[np.str_]:
    times = analysis.index(frame).astype(str)
    return np.char.add(np.char.add(channel_names(frame).to_numpy(dtype=str), " "), times)


def _receipts(
    analysis: Analysis, rows: pd.DataFrame, comparable: pd.DataFrame, predicted: Array
) -> pd.DataFrame:
    """`rows` with channel, fate, probability of a gross error, O-B (B: the climatological mean), O-A (A: the
    ensemble mean), spread and rank (among all members, which are not independent).
    """
    value = comparable["value"].to_numpy()
    background = analysis.operator(comparable)(torch.from_numpy(analysis.prior.fields(analysis.mean)))
    numbers = pd.DataFrame(
        {
            "o_minus_b": value - background.double().numpy(),
            "o_minus_a": value - predicted.mean(axis=0),
            "spread": spread(predicted) if len(predicted) > 1 else np.nan,
            "rank": (predicted < value).sum(axis=0).astype(float),
        },
        index=comparable.index,
    )
    used = np.where(rows["qc"] == Flag.PASS, rows["use"], "rejected")
    gross = _gross_errors(analysis, rows)
    return rows.assign(channel=channel_names(rows), fate=used, gross_error=gross).join(numbers)


def _gross_errors(analysis: Analysis, rows: pd.DataFrame) -> pd.Series:
    """Posterior probability of a gross error, given the other reports; NaN for rows not assimilated.

    NaN for all where more than `JUDGED_TOGETHER` were.
    """
    active = rows[(usable(rows) & (rows["use"] == "active")).to_numpy()]
    if not 0 < len(active) <= JUDGED_TOGETHER:
        return pd.Series(np.nan, index=rows.index)
    _, departure = believed(analysis.dense(active), VarQC())
    return pd.Series(VarQC().gross_error(departure).numpy(), active.index).reindex(rows.index)


JUDGED_TOGETHER = 3000  # reports; the cost grows with the cube
