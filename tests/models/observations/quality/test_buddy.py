"""Buddy check: closed form against refitting without the row, and its manners."""

import numpy as np
import pandas as pd
import pytest

from models.observations.flags import Flag
from models.observations.quality.buddy import MOST, buddy, leave_station_out, neighbourhoods, outliers
from models.observations.table import conform

G = np.random.default_rng(0)
PLACES = G.uniform(0, 10, size=(30, 2))


def _covariance(places: np.ndarray, error: float = 0.3) -> np.ndarray:
    distance = np.linalg.norm(places[:, None] - places[None], axis=-1)
    return np.exp(-((distance / 4) ** 2)) + error**2 * np.eye(len(places))


def _predict(covariance: np.ndarray, departure: np.ndarray, out: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Residual and std of rows `out` by conditioning a Gaussian on all the others, from scratch."""
    rest = [i for i in range(len(departure)) if i not in out]
    gain = np.linalg.solve(covariance[np.ix_(rest, rest)], covariance[np.ix_(rest, out)]).T
    variance = covariance[np.ix_(out, out)] - gain @ covariance[np.ix_(rest, out)]
    return departure[out] - gain @ departure[rest], np.sqrt(np.diag(variance))


def _names(n: int) -> np.ndarray:
    return np.array([f"s{i}" for i in range(n)], dtype=object)


def test_residual_and_std_are_those_of_refitting_without_the_row() -> None:
    s = _covariance(PLACES)
    d = np.linalg.cholesky(s) @ G.normal(size=30)
    q = np.linalg.inv(s)
    residual, std = leave_station_out(q, q @ d, _names(30))
    for i in range(30):
        np.testing.assert_allclose((residual[[i]], std[[i]]), _predict(s, d, [i]), rtol=1e-8)


def test_a_station_is_predicted_without_any_of_its_own_reports() -> None:
    s = _covariance(PLACES)
    d = np.linalg.cholesky(s) @ G.normal(size=30)
    names = _names(30)
    names[[3, 7, 20]] = "twice"
    q = np.linalg.inv(s)
    residual, std = leave_station_out(q, q @ d, names)
    expected = _predict(s, d, [3, 7, 20])
    np.testing.assert_allclose((residual[[3, 7, 20]], std[[3, 7, 20]]), expected, rtol=1e-8)


def test_one_bad_report_does_not_condemn_its_neighbours() -> None:
    s = _covariance(PLACES)
    d = np.linalg.cholesky(s) @ np.random.default_rng(1).normal(size=30)
    assert outliers(s, d, _names(30), 4.0) == {}
    d[4] += 6
    q = np.linalg.inv(s)
    residual, std = leave_station_out(q, q @ d, _names(30))
    assert (np.abs(residual) > 4 * std).sum() > 1  # judged once, it would
    assert list(outliers(s, d, _names(30), 4.0)) == [4]


def test_after_each_removal_the_rest_is_judged_as_if_the_removed_had_never_been() -> None:
    s = _covariance(PLACES)
    d = np.linalg.cholesky(s) @ np.random.default_rng(1).normal(size=30)
    d[[4, 11, 25]] += [9, -7, 5]
    removed = outliers(s, d, _names(30), 4.0)
    assert list(removed) == [4, 11, 25]
    gone: list[int] = []
    for row, (residual, std) in removed.items():
        left = [i for i in range(30) if i not in gone]
        expected = _predict(s[np.ix_(left, left)], d[left], [left.index(row)])
        np.testing.assert_allclose((residual, std), np.ravel(expected), rtol=1e-6)
        gone.append(row)


def test_a_report_without_neighbours_near_enough_is_not_judged() -> None:
    places = np.array([[0.0, 0.0], [100.0, 0.0], [200.0, 0.0]])
    assert outliers(_covariance(places), np.array([9.0, 0.0, 0.0]), _names(3), 4.0) == {}


def test_a_covariance_without_observation_error_is_refused_with_a_hint() -> None:
    with pytest.raises(ValueError, match="positive error"):
        outliers(np.ones((2, 2)), np.zeros(2), _names(2), 4.0)


def _reports(n: int, **columns: object) -> pd.DataFrame:
    plain = {
        "time": "2019-02-17T12:00Z",
        "latitude": 50.0,
        "longitude": 5.0,
        "variable": "msl",
        "value": 101000.0,
    }
    return conform(pd.DataFrame({**plain, "station_id": [f"s{i:02d}" for i in range(n)], **columns}))


def _check(
    frame: pd.DataFrame, d: np.ndarray, time: np.ndarray | None = None, k: float = 4.0
) -> pd.DataFrame:
    s = 1e6 * _covariance(PLACES)
    return buddy(
        frame, 1e3 * d, lambda rows: s[np.ix_(rows, rows)], np.zeros(30, int) if time is None else time, k
    )


def _departures() -> np.ndarray:
    d = np.linalg.cholesky(_covariance(PLACES)) @ np.random.default_rng(1).normal(size=30)
    d[4] += 6
    return d


def test_the_reason_says_what_the_neighbours_lead_one_to_expect() -> None:
    out = _check(_reports(30), _departures())
    assert out.index[out["qc"] == Flag.BUDDY].tolist() == [4]
    residual, std = next(iter(outliers(_covariance(PLACES), _departures(), _names(30), 4.0).values()))
    expected = f"1010.0 hPa, where its neighbours lead one to expect {1010 - 10 * residual:.1f} hPa"
    assert out["reason"].iloc[4] == f"{expected} ± {10 * std:.1f} hPa: more than 4 standard deviations"


def test_rows_of_another_time_channel_or_use_and_rejected_rows_are_no_buddies() -> None:
    bad = np.arange(30) == 4
    time = bad.astype(int)
    other_use = np.where(bad, "withheld", "active")
    other_channel = np.where(bad, "sp", "msl")
    assert (_check(_reports(30), _departures(), time)["qc"] == Flag.PASS).all()
    assert (_check(_reports(30, use=other_use), _departures())["qc"] == Flag.PASS).all()
    frame = _reports(30)
    assert (
        _check(frame.assign(variable=pd.array(other_channel, "str")), _departures())["qc"] == Flag.PASS
    ).all()
    rejected = frame.assign(qc=np.where(bad, 12, 0).astype("int16"))
    pd.testing.assert_frame_equal(_check(rejected, _departures()), rejected)


def test_an_honest_sample_is_left_alone_at_the_stated_rate() -> None:
    s = _covariance(PLACES)
    root = np.linalg.cholesky(s)
    g = np.random.default_rng(5)
    removed = sum(bool(outliers(s, root @ g.normal(size=30), _names(30), 4.0)) for _ in range(300))
    assert removed <= 4  # 300 x 30 rows x 6.3e-5


def test_large_groups_are_judged_by_neighbourhoods_that_share_no_row_and_lose_none() -> None:
    places = np.random.default_rng(2).uniform(0, 10, size=(3 * MOST, 2)) * [1, 5]
    parts = neighbourhoods(np.arange(len(places)), places)
    assert sorted(np.concatenate(parts)) == list(range(len(places)))
    assert all(MOST / 4 < len(part) <= MOST for part in parts)
    assert all(np.ptp(places[part], axis=0).max() <= 25 for part in parts)


def test_ten_thousand_reports_of_noise_are_judged_in_bounded_pieces() -> None:
    n = 10_000
    g = np.random.default_rng(3)
    frame = _reports(n, latitude=g.uniform(30, 60, n), longitude=g.uniform(-20, 15, n))
    asked: list[int] = []

    def covariance(rows: np.ndarray) -> np.ndarray:
        asked.append(len(rows))
        return 1e6 * _covariance(frame[["latitude", "longitude"]].to_numpy()[rows])

    out = buddy(frame, 3e3 * g.normal(size=n), covariance, np.zeros(n, int))
    assert max(asked) <= MOST and sum(asked) == n
    assert n / 10 < (out["qc"] == Flag.BUDDY).sum() < n


def test_several_outliers_removed_at_once_are_those_removed_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    places = np.random.default_rng(4).uniform(0, 30, size=(300, 2))
    s = _covariance(places)
    d = np.linalg.cholesky(s) @ np.random.default_rng(1).normal(size=300)
    bad = [3, 50, 120, 200, 290]
    d[bad] += 12
    together = outliers(s, d, _names(300), 4.0)
    monkeypatch.setattr("models.observations.quality.buddy.AT_ONCE", 0)
    assert sorted(together) == sorted(outliers(s, d, _names(300), 4.0)) == bad
