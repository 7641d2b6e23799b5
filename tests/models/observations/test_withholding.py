"""The split into used and withheld stations is a property of each station, not of the batch."""

import numpy as np
import pandas as pd
import pytest

from models.observations.flags import Flag
from models.observations.table import conform
from models.observations.withholding import limit_stations, station_hash, withhold


def _reports(stations: list[str], kind: str = "SYNOP", **columns: object) -> pd.DataFrame:
    n = len(stations)
    plain = {"time": "2019-02-17T12:00Z", "latitude": np.arange(n) * 0.01, "longitude": 5.0}
    return conform(
        pd.DataFrame(
            {**plain, "station_id": stations, "kind": kind, "variable": "msl", "value": 101300.0, **columns}
        )
    )


def _of(frame: pd.DataFrame, column: str) -> dict[str, object]:
    return dict(zip(frame["station_id"], frame[column], strict=True))


NAMES = [f"{i:05d}" for i in range(2000)]


def test_the_hash_of_a_station_is_fixed_for_all_time() -> None:
    # printf 01001 | sha256sum; printf a01001 | sha256sum
    assert station_hash("01001") == (0x48A26F566B1A8DEC >> 11) / 2**53
    assert station_hash("01001", "a") == (0xEC098ACE192B049E >> 11) / 2**53
    assert station_hash("01001", "network ") != station_hash("01001")


def test_about_the_wanted_fraction_of_stations_is_withheld_with_all_their_reports() -> None:
    frame = withhold(_reports(NAMES * 2, time=["2019-02-17T12:00Z", "2019-02-18T12:00Z"] * 2000), 0.3)
    assert (frame["use"] == "withheld").mean() == pytest.approx(0.3, abs=0.03)
    assert (frame.groupby("station_id")["use"].nunique() == 1).all()


def test_a_station_is_withheld_or_not_whatever_the_order_and_the_other_stations() -> None:
    whole = _of(withhold(_reports(NAMES), 0.3), "use")
    some = _reports(NAMES[500:600]).sample(frac=1, random_state=1)
    assert all(whole[name] == use for name, use in _of(withhold(some, 0.3), "use").items())


def test_a_larger_fraction_only_adds_stations() -> None:
    small, large = (_of(withhold(_reports(NAMES), f), "use") for f in (0.1, 0.4))
    assert all(large[name] == "withheld" for name in NAMES if small[name] == "withheld")
    assert set(_of(withhold(_reports(NAMES), 0.0), "use").values()) == {"active"}
    assert set(_of(withhold(_reports(NAMES), 1.0), "use").values()) == {"withheld"}


def test_a_station_is_withheld_under_all_its_spellings() -> None:
    frame = _reports(["01001", "0001001", "1001", "0EDDH"])
    for fraction in (0.2, 0.5, 0.8):
        use = _of(withhold(frame, fraction), "use")
        assert use["01001"] == use["0001001"] == use["1001"]


def test_reports_without_an_identifier_are_told_apart_by_place() -> None:
    frame = withhold(_reports([""] * 1000), 0.5)
    assert 0.4 < (frame["use"] == "withheld").mean() < 0.6


def test_passive_rows_stay_passive() -> None:
    frame = withhold(_reports(NAMES[:50], use="passive"), 1.0)
    assert set(frame["use"]) == {"passive"}


def test_an_impossible_fraction_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        withhold(_reports(NAMES[:2]), 1.3)


def test_a_network_keeps_the_wanted_number_of_stations_of_the_kind_and_leaves_the_rest_alone() -> None:
    frame = pd.concat(
        [_reports(NAMES[:300]), _reports([f"T{i}" for i in range(20)], "TEMP")], ignore_index=True
    )
    frame = withhold(frame, 0.3)
    out = limit_stations(frame, {"SYNOP": 50})
    used = out[(out["qc"] == Flag.PASS) & (out["use"] == "active")]
    assert (used["kind"] == "SYNOP").sum() == 50
    pd.testing.assert_frame_equal(out[out["use"] == "withheld"], frame[frame["use"] == "withheld"])
    assert (out.loc[out["kind"] == "TEMP", "qc"] == Flag.PASS).all()
    assert set(out.loc[out["qc"] == Flag.THINNED, "reason"]) == {"not one of the 50 SYNOP stations kept"}


def test_a_smaller_network_is_part_of_a_larger_one_in_any_row_order() -> None:
    frame = withhold(_reports(NAMES[:300]), 0.3)
    large = _of(limit_stations(frame, {"SYNOP": 50}), "qc")
    small = _of(limit_stations(frame.sample(frac=1, random_state=2), {"SYNOP": 10}), "qc")
    assert all(large[name] == Flag.PASS for name in NAMES[:300] if small[name] == Flag.PASS)


def test_rejected_reports_do_not_take_a_place_in_the_network() -> None:
    frame = _reports(NAMES[:40])
    first = limit_stations(frame, {"SYNOP": 10})
    frame["qc"] = np.where(first["qc"] == Flag.PASS, Flag.BOUNDS, Flag.PASS).astype("int16")
    assert (limit_stations(frame, {"SYNOP": 10})["qc"] == Flag.PASS).sum() == 10
