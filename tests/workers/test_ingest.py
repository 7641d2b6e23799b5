import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.observations.flags import Flag
from models.observations.quality.domain import domain
from models.observations.table import COLUMNS
from models.prior.card import load_card
from workers.decoders import MalformedBatch
from workers.ingest import ingest

NOW = pd.Timestamp("2019-02-17T12:20:00Z")
SYNOP = {"PS": {"variable": "msl", "unit": "hPa"}, "TT": {"variable": "2t"}}
HEADER = "SID,lat,lon,elev,time,PS,TT"
LINES = [
    "06260,52.1,5.2,2,2019-02-17T12:00:00Z,1020.5,281.6",
    "06260,52.1,5.2,2,2019-02-17T12:00:00Z,1020.5,281.6",
    "06270,53.2,5.8,1,2019-02-17T12:00:00Z,102050,8.5",
    "06280,53.1,6.6,4,2019-02-17T12:00:00Z,n/a,abc",
    "06290,6.9,52.3,35,2019-02-17T12:00:00Z,1021.2,280.9",
    "06310,,3.6,8,2019-02-17T12:00:00Z,1020.1,",
    "06320,51.9,364.3,8,2019-02-17T12:00:00Z,1020.1,",
    "06330,51.9,3.3,8",
]


def batch(lines, **options):
    text = "\n".join([HEADER, *lines]) + "\n"
    return ingest(text.encode(), "text/csv", received_at=NOW, kind="SYNOP", columns=SYNOP, **options)


def test_nothing_is_lost_and_every_rejected_row_says_why():
    found = batch(LINES, domain=(-20.0, 30.0, 14.5, 60.0))
    assert found.counts == {
        "received": 12,
        "accepted": 2,
        "rejected": 10,
        "by_flag": {"PREQC": 3, "DOMAIN": 2, "BOUNDS": 2, "DUPLICATE": 2, "MISSING": 1},
        "by_variable": {"msl": 1, "2t": 1},
    }
    reasons = found.receipts.set_index(["row", "variable"])["reason"]
    for key, words in {
        (2, "msl"): "reported more than once",
        (3, "2t"): "plausible in degC",
        (3, "msl"): "in Pa already",
        (4, "2t"): "TT is not a number: abc",
        (5, "msl"): "latitude and longitude swapped",
        (6, "msl"): "no latitude",
        (7, "msl"): "lon is not a number from -180 to 360",
        (8, ""): "4 fields in 7 columns",
    }.items():
        assert words in reasons[key]


def test_accepted_rows_form_an_observation_table():
    found = batch(LINES)
    assert list(found.accepted.columns) == list(COLUMNS)
    assert set(found.accepted["kind"]) == {"SYNOP"}
    assert set(found.accepted["received_at"]) == {NOW}
    assert found.accepted["obs_id"].is_unique
    assert (found.accepted["qc"] == Flag.PASS).all()


def test_a_kind_and_a_time_of_receipt_in_the_file_are_kept():
    text = (
        "time,lat,lon,kind,received_at,variable,value\n"
        "2019-02-17T12:00:00Z,50,5,SHIP,2019-02-17T12:05:00Z,msl,101000\n"
        "2019-02-17T12:00:00Z,51,5,,,msl,101000\n"
    )
    found = ingest(text.encode(), "text/csv", received_at=NOW, kind="SYNOP")
    by_place = found.accepted.set_index("latitude")
    assert by_place["kind"].to_dict() == {50.0: "SHIP", 51.0: "SYNOP"}
    assert by_place["received_at"].to_dict() == {50.0: pd.Timestamp("2019-02-17T12:05Z"), 51.0: NOW}


@settings(max_examples=12)
@given(order=st.permutations(LINES))
def test_the_order_of_rows_does_not_matter(order):
    found, reference = batch(order), batch(LINES)
    assert found.content_hash == reference.content_hash
    assert found.counts == reference.counts
    pd.testing.assert_frame_equal(found.accepted, reference.accepted)


def test_sending_the_accepted_rows_again_gives_the_same_content(tmp_path):
    found = batch(LINES)
    found.accepted.to_parquet(tmp_path / "again.parquet")
    later = NOW + pd.Timedelta("1D")
    again = ingest(tmp_path / "again.parquet", "", received_at=later)
    assert again.content_hash == found.content_hash


@pytest.mark.parametrize("lines", [[], ["06260,52.1,5.2,2,2019-02-17T12:00:00Z,,"]])
def test_a_table_without_values_is_an_empty_batch(lines):
    found = batch(lines)
    assert found.counts["received"] == found.counts["accepted"] == 0
    assert len(found.receipts) == 0
    assert "row" in found.receipts
    assert found.notes[-1] == "the file holds no observations"


def test_a_list_without_rows_is_an_empty_batch_like_a_header_without_lines():
    found = ingest(b"[]", "application/json", received_at=NOW)
    assert (found.counts["received"], found.notes) == (0, ("the file holds no observations",))


def test_a_malformed_file_is_refused_as_a_whole():
    with pytest.raises(MalformedBatch):
        ingest(b"a,b\n1,2\n", "text/csv", received_at=NOW)


def test_real_reports_are_accepted_but_for_the_impossible(shared_data):
    found = ingest(
        shared_data / "observations/synop_20190218.csv.gz",
        "text/csv",
        received_at=pd.Timestamp("2019-02-19", tz="UTC"),
        kind="SYNOP",
        columns={"PS": {"variable": "msl", "unit": "hPa"}},
    )
    assert found.counts["received"] == 62_255
    bad = found.receipts[found.receipts["qc"] != Flag.PASS]
    assert bad["reason"].tolist() == [
        "msl = 1010 Pa is outside the plausible 85000 to 110000; it would be plausible in hPa"
    ]
    assert bad["row"].tolist() == [43_821]
    np.testing.assert_allclose(found.accepted["longitude"].abs().max(), 180, atol=1)


def test_a_real_high_resolution_sounding_counts_for_its_nominal_hour(shared_data):
    now = pd.Timestamp("2025-02-23T14:00Z")
    levels = ingest(shared_data / "observations" / "bufr" / "temp_hires.bufr", received_at=now).accepted
    levels = levels[levels["pressure"].isin([50_000.0, 85_000.0]) & levels["variable"].isin(["z", "t"])]
    card = load_card("europe")
    noon, tolerance = (
        pd.DatetimeIndex(["2025-02-23T12:00Z"]),
        pd.Timedelta(card.time_tolerance_minutes, "min"),
    )
    out = domain(levels, card.state.grid, noon, tolerance)
    assert len(out) == 4 and (out["qc"] == Flag.PASS).all()
