"""The certificate: how good an ensemble is, measured at stations it has not seen, beside simple methods.

An observation is truth plus error, so the error belongs to every prediction that has a distribution: the
ensemble is scored as the mixture of N(member, error^2), a Gaussian baseline as N(mean, std^2 + error^2). A
baseline without uncertainty is scored as the number it is (its CRPS is its mean absolute error). RMSE and
bias are those of the mean against the observation; they cannot fall below the observation's own error.
"""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from models.observations.display import display_unit
from models.observations.stations import station_keys
from models.observations.variables import VARIABLES, channel_names
from models.verification import bootstrap, calibration, scores
from models.verification.baselines import Baseline
from models.verification.notes import notes
from models.verification.scores import Array

DEFINITIONS = {
    "rmse": "root mean square of prediction (mean) minus observation",
    "bias": "mean of prediction minus observation",
    "crps": "fair CRPS, observation error included; without uncertainty, the mean absolute error",
    "coverage50, coverage90": "fraction of observations inside the central 50 % and 90 % intervals, "
    "observation error included, exact for the number of members: 0.5 and 0.9 if honest",
    "spread_skill": "expected over actual RMSE of the mean, observation error and what the mean of so many "
    "members is off by itself included: 1 if honest, below 1 if over-confident",
    "rank_histogram": "ranks of the observations among independent members, each with observation noise; "
    "p_value of flatness takes stations for independent",
    "mirrored": "whether members come in pairs with noise of opposite sign: if so, scores take those of "
    "different pairs for independent, and ranks are among one member of each pair",
    "relative_to": "score of the ensemble over that of the baseline at the same rows; 90 % interval from "
    "resampling stations; the mean of squared errors is compared before the root is taken",
    "assimilated.chi2": "mean over members and rows of ((observation - member) / error)^2: 1 if members and "
    "stated errors are consistent",
    "overall": "all channels together, each divided by the RMS it is expected to depart from climatology",
}


def certificate(
    withheld: pd.DataFrame,
    members: Array,
    baselines: Mapping[str, Baseline],
    generator: np.random.Generator,
    assimilated: pd.DataFrame | None = None,
    assimilated_members: Array | None = None,
    resamples: int = 1000,
    mirrored: bool = False,
) -> dict[str, Any]:
    """Verify an ensemble against withheld observations. The result is plain JSON (NaN is None).

    Args:
        withheld: observation table of the n rows to verify against, `error` set. Their order does not matter.
        members: the ensemble at those rows, SI, (M, n).
        baselines: name -> prediction at those rows. "climatology" also gives the scale of "overall".
        generator: breaks ties in the rank histogram and resamples stations.
        assimilated: the k rows that were assimilated, `error` set as it was used.
        assimilated_members: the ensemble at those, SI, (M, k).
        resamples: of the bootstrap.
        mirrored: members are in pairs of opposite sign (`models.posterior.noise`).

    Raises:
        ValueError: fewer than two members, or three mirrored ones, shapes that do not match, or an error that
            is not set.
    """
    order = np.argsort(withheld["obs_id"].to_numpy(dtype=str), kind="stable")
    x = _checked(members, withheld)[:, order]
    table = withheld.iloc[order]
    others = {
        name: Baseline(
            np.asarray(b.mean, dtype=np.float64)[order],
            None if b.std is None else np.asarray(b.std, dtype=np.float64)[order],
        )
        for name, b in baselines.items()
    }
    channels = channel_names(table).to_numpy(dtype=str)
    chi2 = _fit(assimilated, assimilated_members)
    scored = partial(_scored, mirrored=mirrored, generator=generator, resamples=resamples)
    result: dict[str, Any] = {
        "members": int(x.shape[0]),
        "mirrored": mirrored,
        "withheld": len(table),
        "withheld_stations": int(np.unique(station_keys(table).astype(str)).size),
        "assimilated": int(sum(part["n"] for part in chi2.values())),
        "channels": {},
    }
    for name in sorted({*channels, *chi2}):
        rows = channels == name
        variable = name if name in VARIABLES else name.rstrip("0123456789.")
        unit, size = display_unit(variable)
        result["channels"][name] = {
            "unit": unit,
            "si_unit": VARIABLES[variable].unit,
            "si_per_unit": size,
            **scored(table[rows], x[:, rows], _only(others, rows), np.full(int(rows.sum()), size)),
            "assimilated": chi2.get(name, {"n": 0, "chi2": None}),
        }
    result["overall"] = {
        "unit": "expected departure from climatology",
        **scored(table, x, others, _scale(table, channels, others.get("climatology"))),
    }
    result["definitions"] = DEFINITIONS
    result["notes"] = notes(result)
    return _plain(result)


def _scored(
    table: pd.DataFrame,
    members: Array,
    baselines: Mapping[str, Baseline],
    size: Array,
    mirrored: bool,
    generator: np.random.Generator,
    resamples: int,
) -> dict[str, Any]:
    """Scores of one set of rows, with everything divided by `size` (n,)."""
    y, error = table["value"].to_numpy() / size, table["error"].to_numpy() / size
    stations = station_keys(table)
    result: dict[str, Any] = {"n": len(y), "stations": len(set(stations)), "scores": {}, "relative_to": {}}
    if len(y) == 0:
        return {**result, "rank_histogram": None}
    x = members / size
    ranks = calibration.rank_probabilities(x, y, error, mirrored)
    crps = scores.crps_mixture(x, error, y, mirrored=mirrored)
    result["scores"]["ensemble"] = {
        "n": len(y),
        "rmse": scores.rmse(x.mean(axis=0), y),
        "bias": scores.bias(x.mean(axis=0), y),
        "crps": float(crps.mean()),
        "coverage50": calibration.coverage(ranks, 0.5),
        "coverage90": calibration.coverage(ranks, 0.9),
        "spread_skill": calibration.spread_skill(x, y, error, mirrored),
    }
    for name, baseline in baselines.items():
        said = np.isfinite(baseline.mean)
        mean = (baseline.mean / size)[said]
        std = None if baseline.std is None else np.hypot(baseline.std / size, error)[said]
        own = scores.crps_gaussian(mean, 0.0 if std is None else std, y[said])
        result["scores"][name] = _baseline_scores(mean, std, y[said], own)
        squares = ((x.mean(axis=0) - y)[said] ** 2, (mean - y[said]) ** 2)
        result["relative_to"][name] = {
            "rmse": np.sqrt(
                bootstrap.ratio_interval(*squares, stations[said], generator, resamples)
            ).tolist(),
            "crps": list(bootstrap.ratio_interval(crps[said], own, stations[said], generator, resamples)),
        }
    bins = int(np.clip(len(y) // 10, 2, ranks.shape[1]))  # ten cases a bin, where there are so many
    counts = calibration.rank_histogram(ranks, generator, bins)
    statistic, p_value = calibration.flatness(counts)
    result["rank_histogram"] = {"counts": counts.astype(int).tolist(), "chi2": statistic, "p_value": p_value}
    return result


def _baseline_scores(mean: Array, std: Array | None, y: Array, crps: Array) -> dict[str, Any]:
    if len(y) == 0:
        return {"n": 0}
    result: dict[str, Any] = {
        "n": len(y),
        "rmse": scores.rmse(mean, y),
        "bias": scores.bias(mean, y),
        "crps": float(crps.mean()),
        "coverage50": None,
        "coverage90": None,
        "spread_skill": None,
    }
    if std is not None:
        result["coverage50"] = calibration.coverage_gaussian(mean, std, y, 0.5)
        result["coverage90"] = calibration.coverage_gaussian(mean, std, y, 0.9)
        result["spread_skill"] = calibration.spread_skill_gaussian(mean, std, y)
    return result


def _fit(table: pd.DataFrame | None, members: Array | None) -> dict[str, dict[str, Any]]:
    """Per channel, number of assimilated rows and chi2 of the members against them."""
    if table is None or members is None or len(table) == 0:
        return {}
    x = _checked(members, table)
    square = (((table["value"].to_numpy() - x) / table["error"].to_numpy()) ** 2).mean(axis=0)
    groups = pd.Series(square).groupby(channel_names(table).to_numpy(dtype=str))
    return {str(name): {"n": len(part), "chi2": float(part.mean())} for name, part in groups}


def _scale(table: pd.DataFrame, channels: np.ndarray, climatology: Baseline | None) -> Array:
    """Per row, the RMS departure from climatology expected in its channel (without one, the RMS error)."""
    variance = table["error"].to_numpy() ** 2
    if climatology is not None and climatology.std is not None:
        variance = variance + climatology.std**2
    return np.sqrt(pd.Series(variance).groupby(channels).transform("mean").to_numpy())


def _only(baselines: Mapping[str, Baseline], rows: np.ndarray) -> dict[str, Baseline]:
    return {n: Baseline(b.mean[rows], None if b.std is None else b.std[rows]) for n, b in baselines.items()}


def _checked(members: Array, table: pd.DataFrame) -> Array:
    x = np.asarray(members, dtype=np.float64)
    if x.ndim != 2 or x.shape[0] < 2 or x.shape[1] != len(table):
        raise ValueError(f"members {x.shape} must be (M, {len(table)}) with at least two members")
    if not (table["error"] > 0).all():
        raise ValueError("every observation needs a positive error before it can verify anything")
    return x


def _plain(value: Any) -> Any:
    """The same with NaN and infinity as None, which JSON can hold."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
