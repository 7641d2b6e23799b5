"""Certificates of ensembles of known quality: truth and predictions come from one Gaussian."""

import json

import numpy as np
import pandas as pd
import pytest

from models.observations.table import conform
from models.verification.baselines import Baseline
from models.verification.certificate import certificate

G0 = 9.80665
UNIT = {"msl": 100.0, "z500": G0}


def _case(n: int, size: int = 32, spread: float = 1.0, seed: int = 0):
    """n rows each of msl and z500; posterior std 1, observation error 0.5, climatology 5 (hPa, gpm)."""
    g = np.random.default_rng(seed)
    parts, members, oi, clim, nearest = [], [], [], [], []
    for variable, pressure, base in (("msl", np.nan, 1013.0), ("z", 50000.0, 5500.0)):
        unit = 100.0 if variable == "msl" else G0
        mean = base + 5 * g.normal(size=n)
        truth = mean + g.normal(size=n)
        members.append(unit * (mean + spread * g.normal(size=(size, n))))
        oi.append((unit * (mean + g.normal(size=n)), np.full(n, unit * np.sqrt(2))))
        clim.append((np.full(n, unit * base), np.full(n, unit * np.sqrt(26))))
        nearest.append(unit * (truth + 3 * g.normal(size=n)))
        parts.append(
            pd.DataFrame(
                {
                    "obs_id": [f"{variable}{i:05d}" for i in range(n)],
                    "station_id": [f"{i // 2}" for i in range(n)],
                    "time": "2019-02-17T12:00Z",
                    "latitude": 50.0,
                    "longitude": 5.0,
                    "variable": variable,
                    "pressure": pressure,
                    "value": unit * (truth + 0.5 * g.normal(size=n)),
                    "error": unit * 0.5,
                    "use": "withheld",
                }
            )
        )
    frame = pd.concat(parts, ignore_index=True)
    order = pd.Index(frame["obs_id"])
    table = conform(frame)
    rows = order.get_indexer(table["obs_id"])
    baselines = {
        "climatology": Baseline(
            np.concatenate([m for m, _ in clim])[rows], np.concatenate([s for _, s in clim])[rows]
        ),
        "nearest_station": Baseline(np.concatenate(nearest)[rows]),
        "optimal_interpolation": Baseline(
            np.concatenate([m for m, _ in oi])[rows], np.concatenate([s for _, s in oi])[rows]
        ),
    }
    return table, np.concatenate(members, axis=1)[:, rows], baselines


def _certify(table, members, baselines, **more):
    return certificate(table, members, baselines, np.random.default_rng(7), **more)


def test_an_honest_ensemble_is_certified_in_display_units() -> None:
    result = _certify(*_case(2000))
    for name, unit in (("msl", "hPa"), ("z500", "gpm")):
        channel = result["channels"][name]
        assert (channel["unit"], channel["si_per_unit"], channel["n"]) == (unit, UNIT[name], 2000)
        own = channel["scores"]["ensemble"]
        assert own["rmse"] == pytest.approx(np.sqrt(1 + 1 / 32 + 0.25), rel=0.05)
        assert own["bias"] == pytest.approx(0, abs=0.1)
        assert own["crps"] == pytest.approx(np.sqrt(1.25) / np.sqrt(np.pi), rel=0.05)
        assert own["coverage50"] == pytest.approx(0.5, abs=0.04)
        assert own["coverage90"] == pytest.approx(0.9, abs=0.03)
        assert own["spread_skill"] == pytest.approx(1, abs=0.05)
        assert sum(channel["rank_histogram"]["counts"]) == 2000
        assert channel["rank_histogram"]["p_value"] > 1e-3
    assert result["channels"]["msl"]["si_unit"] == "Pa"


def test_every_baseline_stands_beside_it_with_what_it_can_say() -> None:
    scores = _certify(*_case(2000))["channels"]["msl"]["scores"]
    assert scores["optimal_interpolation"]["rmse"] == pytest.approx(1.5, rel=0.05)
    assert scores["optimal_interpolation"]["coverage90"] == pytest.approx(0.9, abs=0.03)
    assert scores["optimal_interpolation"]["spread_skill"] == pytest.approx(1, abs=0.035)  # .94 without error
    assert scores["climatology"]["rmse"] == pytest.approx(np.sqrt(26.25), rel=0.05)
    assert scores["climatology"]["spread_skill"] == pytest.approx(1, abs=0.05)
    nearest = scores["nearest_station"]
    assert nearest["coverage90"] is None and nearest["spread_skill"] is None
    assert nearest["crps"] == pytest.approx(np.sqrt(9.25) * np.sqrt(2 / np.pi), rel=0.05)


def test_the_ratio_to_optimal_interpolation_has_an_interval_that_holds_the_truth() -> None:
    result = _certify(*_case(2000))
    ratio, low, high = result["channels"]["msl"]["relative_to"]["optimal_interpolation"]["rmse"]
    assert low < np.sqrt((1.25 + 1 / 32) / 2.25) < high
    assert low < ratio < high and high - low < 0.1
    overall = result["overall"]["relative_to"]["optimal_interpolation"]["rmse"]
    assert overall[2] - overall[1] < high - low  # twice the data


def test_overall_is_free_of_units_and_weighs_channels_alike() -> None:
    own = _certify(*_case(1000))["overall"]["scores"]
    assert own["climatology"]["rmse"] == pytest.approx(1, abs=0.05)
    assert own["ensemble"]["rmse"] == pytest.approx(np.sqrt(1.28 / 26.25), rel=0.08)


def test_an_over_confident_ensemble_is_told_so_in_words() -> None:
    notes = " ".join(_certify(*_case(500, spread=0.2))["notes"])
    assert "msl: the 90 % interval covers" in notes and "too confident" in notes
    assert "too c" not in " ".join(_certify(*_case(500))["notes"])


def test_few_observations_are_read_with_care() -> None:
    notes = _certify(*_case(7))["notes"]
    assert "msl: only 7 withheld observations, read with care." in notes


def test_members_consistent_with_the_assimilated_errors_have_chi2_of_one() -> None:
    table, members, baselines = _case(300)
    g = np.random.default_rng(3)
    error = table["error"].to_numpy()
    fitted = table["value"].to_numpy() + error * g.normal(size=(32, 600))
    result = _certify(table, members, baselines, assimilated=table, assimilated_members=fitted)
    assert result["assimilated"] == 600
    assert result["channels"]["z500"]["assimilated"] == {"n": 300, "chi2": pytest.approx(1, abs=0.05)}
    assert not any("chi2" in note for note in result["notes"])
    loose = table["value"].to_numpy() + 3 * error * g.normal(size=(32, 600))
    notes = _certify(table, members, baselines, assimilated=table, assimilated_members=loose)["notes"]
    assert any("missed by more than their errors" in note for note in notes)


def test_the_order_of_rows_changes_nothing() -> None:
    table, members, baselines = _case(60)
    order = np.random.default_rng(1).permutation(120)
    moved = {
        n: Baseline(b.mean[order], None if b.std is None else b.std[order]) for n, b in baselines.items()
    }
    assert _certify(table, members, baselines) == _certify(table.iloc[order], members[:, order], moved)


def test_a_baseline_that_is_silent_at_some_rows_is_compared_where_it_speaks() -> None:
    table, members, baselines = _case(100)
    mean = baselines["nearest_station"].mean.copy()
    mean[table["variable"] == "msl"] = np.nan
    result = _certify(table, members, {**baselines, "nearest_station": Baseline(mean)})
    assert result["channels"]["msl"]["scores"]["nearest_station"] == {"n": 0}
    assert result["channels"]["msl"]["relative_to"]["nearest_station"]["rmse"] == [None, None, None]
    assert result["channels"]["z500"]["scores"]["nearest_station"]["n"] == 100


def test_without_withheld_observations_the_certificate_says_that_nothing_is_verified() -> None:
    table, members, baselines = _case(20)
    none = {n: Baseline(b.mean[:0], None if b.std is None else b.std[:0]) for n, b in baselines.items()}
    result = _certify(table[:0], members[:, :0], none, assimilated=table, assimilated_members=members)
    assert result["withheld"] == 0 and result["channels"]["msl"]["assimilated"]["n"] == 20
    assert "No observation was withheld: this ensemble is not verified." in result["notes"]
    json.dumps(result, allow_nan=False)


def test_the_certificate_is_json() -> None:
    result = _certify(*_case(12))
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_members_in_mirrored_pairs_are_certified_as_the_draws_that_they_are() -> None:
    table, _, baselines = _case(2000)
    g = np.random.default_rng(11)
    unit = np.where(table["variable"] == "msl", 100.0, G0)
    half = unit * g.normal(size=(4, 4000))
    middle = table["value"].to_numpy() - unit * (g.normal(size=4000) + 0.5 * g.normal(size=4000))
    pairs = np.stack([middle + half, middle - half], axis=1).reshape(8, -1)
    told = _certify(table, pairs, baselines, mirrored=True)
    own = told["overall"]["scores"]["ensemble"]
    assert told["mirrored"] and own["spread_skill"] == pytest.approx(1, abs=0.03)
    assert (own["coverage50"], own["coverage90"]) == pytest.approx((0.5, 0.9), abs=0.02)
    assert len(told["channels"]["msl"]["rank_histogram"]["counts"]) == 4 + 1
    taken = _certify(table, pairs, baselines)["overall"]["scores"]["ensemble"]
    assert taken["crps"] < 0.96 * own["crps"] and taken["spread_skill"] > 1.04


def test_errors_that_are_not_set_or_members_that_do_not_match_are_refused() -> None:
    table, members, baselines = _case(5)
    with pytest.raises(ValueError, match="positive error"):
        _certify(table.assign(error=np.nan), members, baselines)
    with pytest.raises(ValueError, match="must be"):
        _certify(table, members[:, :3], baselines)
