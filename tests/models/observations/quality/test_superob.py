"""Superobs: value, error and receipts."""

import numpy as np
import pandas as pd
import pytest

from models.observations.flags import Flag
from models.observations.quality.superob import superob, superob_error
from models.observations.table import COLUMNS, conform


def _reports(n: int, **columns: object) -> pd.DataFrame:
    plain = {
        "time": "2019-02-17T12:00Z",
        "latitude": 50.0,
        "longitude": 5.0,
        "elevation": 10.0,
        "variable": "msl",
    }
    names = [f"s{i}" for i in range(n)]
    base = {"station_id": names, "obs_id": [f"o{i}" for i in range(n)], "value": 101000.0, "error": 100.0}
    return conform(pd.DataFrame({**plain, **base, "kind": "SYNOP", **columns}))


def _one_cell(frame: pd.DataFrame, rho: float = 0.5) -> tuple[pd.DataFrame, pd.Series]:
    return superob(frame, np.zeros(len(frame), int), np.zeros(len(frame), int), rho)


def _gls(value: np.ndarray, error: np.ndarray, rho: float) -> tuple[float, float]:
    """Best linear unbiased estimate of one number from correlated reports, and its std."""
    covariance = np.outer(error, error) * (rho + (1 - rho) * np.eye(len(error)))
    weight = np.linalg.solve(covariance, np.ones(len(error)))
    return float(weight @ value / weight.sum()), float(1 / np.sqrt(weight.sum()))


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.9])
def test_reports_of_equal_error_give_the_generalised_least_squares_estimate(rho: float) -> None:
    values = np.array([101000.0, 101200.0, 100900.0, 101150.0])
    made, _ = _one_cell(_reports(4, value=values), rho)
    mean, error = _gls(values, np.full(4, 100.0), rho)
    assert made["value"].item() == pytest.approx(mean)
    assert made["error"].item() == pytest.approx(error)
    assert made["error"].item() == pytest.approx(100 * np.sqrt((1 + 3 * rho) / 4))


def test_unequal_errors_are_those_of_the_weights_used_and_near_the_best_ones() -> None:
    error = np.array([80.0, 100.0, 150.0])
    weight = error**-2 / (error**-2).sum()
    covariance = np.outer(error, error) * (0.4 + 0.6 * np.eye(3))
    made, _ = _one_cell(_reports(3, value=[1e5, 1.01e5, 1.02e5], error=error), 0.4)
    assert made["value"].item() == pytest.approx(weight @ [1e5, 1.01e5, 1.02e5])
    assert made["error"].item() == pytest.approx(np.sqrt(weight @ covariance @ weight))
    best = _gls(np.zeros(3), error, 0.4)[1]
    assert best <= made["error"].item() < 1.05 * best


def test_the_error_lies_between_that_of_independent_reports_and_that_of_one() -> None:
    s, w = np.full(9, 2.0), np.full(9, 1 / 9)
    assert superob_error(s, w, 0.0) == pytest.approx(2 / 3)
    assert superob_error(s, w, 1.0) == pytest.approx(2.0)
    assert superob_error(s, w, 0.5) == pytest.approx(2 * np.sqrt(5 / 9))


def test_a_station_that_reports_again_and_again_counts_once_and_gains_no_error() -> None:
    stations = ["a"] * 9 + ["b"]
    made, _ = _one_cell(_reports(10, station_id=stations, value=[101000.0] * 9 + [102000.0]), 0.0)
    assert made["value"].item() == pytest.approx(101500.0)
    assert made["error"].item() == pytest.approx(100 / np.sqrt(2))
    alone, _ = _one_cell(_reports(3, station_id=["a"] * 3, value=[1e5, 1.01e5, 1.02e5]), 0.0)
    assert (alone["value"].item(), alone["error"].item()) == pytest.approx((1.01e5, 100.0))


def test_only_reports_of_one_cell_channel_and_time_are_joined() -> None:
    frame = _reports(6, variable=["msl", "msl", "msl", "msl", "sp", "msl"])
    names = frame["obs_id"].tolist()
    cell = np.array([{"o3": 7}.get(name, 1) for name in names])
    time = np.array([{"o5": 1}.get(name, 0) for name in names])
    made, origin = superob(frame, cell, time, 0.5)
    assert len(made) == 4
    assert origin["o0"] == origin["o1"] == origin["o2"]
    assert made.loc[origin[["o3", "o4", "o5"]], "obs_id"].tolist() == ["o3", "o4", "o5"]


def test_every_original_row_that_takes_part_keeps_its_receipt_and_others_have_none() -> None:
    frame = _reports(5, use=["active", "withheld", "active", "active", "passive"], qc=[0, 0, 12, 0, 0])
    made, origin = _one_cell(frame)
    assert sorted(origin.index) == ["o0", "o3"]
    assert origin.tolist() == [0, 0] and len(made) == 1


def test_rows_alone_in_their_cell_are_left_exactly_as_they_are() -> None:
    frame = _reports(4, value=[1e5, 1.01e5, 1.02e5, 1.03e5])
    made, origin = superob(frame, np.arange(4), np.zeros(4, int), 0.5)
    pd.testing.assert_frame_equal(made, frame)
    assert origin.to_dict() == {"o0": 0, "o1": 1, "o2": 2, "o3": 3}


def test_the_order_of_rows_changes_nothing_not_even_the_last_bit() -> None:
    g = np.random.default_rng(0)
    frame = _reports(
        40, value=1e5 + g.normal(size=40), latitude=g.uniform(49, 51, 40), error=g.uniform(50, 150, 40)
    )
    cell = (frame["latitude"] > 50).to_numpy(int)
    made, origin = superob(frame, cell, np.zeros(40, int), 0.5)
    shuffled = g.permutation(40)
    again, origin_again = superob(frame.iloc[shuffled], cell[shuffled], np.zeros(40, int), 0.5)
    pd.testing.assert_frame_equal(made, again, check_exact=True)
    pd.testing.assert_series_equal(origin, origin_again)


def test_a_superob_is_a_row_of_the_table_at_the_mean_place_and_time_even_on_the_date_line() -> None:
    frame = _reports(
        2,
        longitude=[179.9, -179.7],
        latitude=[10.0, 10.5],
        time=["2019-02-17T11:50Z", "2019-02-17T12:00Z"],
        received_at=["2019-02-17T12:05Z", "2019-02-17T12:07Z"],
        elevation=[np.nan, 40.0],
        kind=["SHIP", "SYNOP"],
    )
    made, _ = _one_cell(frame)
    row = made.iloc[0]
    assert {name: str(made[name].dtype) for name in COLUMNS} == COLUMNS
    assert (row["latitude"], row["longitude"], row["elevation"]) == pytest.approx((10.25, -179.9, 40.0))
    assert row["time"] == pd.Timestamp("2019-02-17T11:55Z")
    assert row["received_at"] == pd.Timestamp("2019-02-17T12:07Z")
    assert (row["station_id"], row["kind"], row["use"]) == ("s0+s1", "SHIP+SYNOP", "active")
    assert np.isnan(row["pressure"]) and row["qc"] == Flag.PASS and row["reason"] == ""


def test_a_table_without_usable_rows_gives_an_empty_table() -> None:
    made, origin = _one_cell(_reports(2, qc=[12, 13]))
    assert list(made.columns) == list(COLUMNS) and len(made) == 0 and len(origin) == 0


def test_an_unset_error_and_an_impossible_correlation_are_refused() -> None:
    with pytest.raises(ValueError, match="positive error"):
        _one_cell(_reports(2, error=np.nan))
    with pytest.raises(ValueError, match="rho"):
        _one_cell(_reports(2), 1.5)


def test_the_table_given_is_left_untouched() -> None:
    frame = _reports(3, value=[1e5, 1.01e5, 1.02e5]).copy()  # a copy holds its numbers in one read-only block
    before = frame.copy(deep=True)
    _one_cell(frame)
    pd.testing.assert_frame_equal(frame, before, check_exact=True)
