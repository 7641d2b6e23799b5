"""Whatever is sent, a decoder either reads it or says what is wrong: no other error may reach the user."""

import json

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workers.decoders import MEDIA_TYPES, MalformedBatch
from workers.ingest import ingest

NOW = pd.Timestamp("2026-01-01", tz="UTC")
NAMES = (
    "time",
    "latitude",
    "longitude",
    "variable",
    "value",
    "unit",
    "error",
    "pressure",
    "use",
    "obs_id",
    "qc",
    "row",
)
CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["msl", "z", "hPa", "2019-02-17T12:00:00Z", "-0001-01-01", "9999-12-31", "1e400", "٣"]),
    st.lists(st.integers(), max_size=2),
)
MAPS = st.none() | st.dictionaries(
    st.sampled_from(["a", *NAMES]),
    CELLS
    | st.dictionaries(
        st.sampled_from(["variable", "coordinate", "unit", "error", "x"]), CELLS | st.sampled_from(NAMES)
    ),
    max_size=3,
)


def read(content, media_type, columns=None):
    """Nothing is lost, or the refusal is a sentence."""
    try:
        found = ingest(content, media_type, received_at=NOW, columns=columns)
    except MalformedBatch as refusal:
        assert refusal.detail
    else:
        assert found.counts["accepted"] + found.counts["rejected"] == found.counts["received"]
        assert len(found.receipts) == found.counts["received"]


@pytest.mark.parametrize("media_type", [*MEDIA_TYPES, ""])
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@example(content=b"\x1f\x8b\x08")
@example(content=b"BUFR\0\0\x10\x04")
@example(content=b"PAR1\0\0\0\0PAR1")
@example(content=b"time,latitude,longitude,variable,value\n\xff,1,2,msl,\xfe\n")
def test_arbitrary_bytes_are_read_or_refused(media_type, content):
    read(content, media_type)


@given(rows=st.lists(st.dictionaries(st.sampled_from(NAMES), CELLS), max_size=5), columns=MAPS)
def test_arbitrary_json_rows_are_read_or_refused(rows, columns):
    read(json.dumps(rows).encode(), "application/json", columns)


@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "time": st.just("2019-02-17T12:00:00Z") | CELLS,
                "latitude": st.just(50) | CELLS,
                "longitude": st.just(5) | CELLS,
                "variable": st.sampled_from(["msl", "z", "t", ""]),
                "value": st.sampled_from([101000, 5500.0, 280]) | CELLS,
            },
            optional={
                name: CELLS for name in ("error", "pressure", "use", "obs_id", "qc", "row", "elevation")
            },
        ),
        max_size=6,
    )
)
def test_rows_with_arbitrary_cells_are_read_or_refused(rows):
    read(json.dumps(rows).encode(), "application/json")
