"""Observations in: counted, receipted, stored once, never lost and never replaced."""

import gzip
import io
from pathlib import Path

import httpx
import pandas as pd

from workers.services import Services
from workers.store.objects import get_parquet

COLUMNS = '{"PS": {"variable": "msl", "unit": "hPa"}}'
CSV = {"Content-Type": "text/csv"}


def put(http: httpx.Client, reports: Path, name: str = "b1", **kwargs: object) -> httpx.Response:
    parameters = {"kind": "SYNOP", "columns": COLUMNS}
    return http.put(
        f"/observation-batches/{name}", params=parameters, content=reports.read_bytes(), headers=CSV
    )


def test_a_batch_is_counted_and_its_accepted_rows_are_stored(
    http: httpx.Client, services: Services, reports: Path
) -> None:
    reply = put(http, reports)
    assert reply.status_code == 201
    assert reply.headers["Location"].endswith("/observation-batches/b1")
    body = reply.json()
    assert (body["counts"]["received"], body["counts"]["accepted"], body["counts"]["rejected"]) == (40, 39, 1)
    assert body["bbox"][0] < body["bbox"][2]
    assert body["time_start"] == "2019-02-17T12:00:00Z"
    batch = services.batches.get("b1")
    assert batch is not None
    assert batch.observations_key is not None
    stored = get_parquet(services.store, batch.observations_key)
    assert len(stored) == 39
    assert set(stored["kind"]) == {"SYNOP"}
    assert stored["value"].between(90_000, 110_000).all()


def test_receipts_tell_the_row_the_flag_and_a_plain_reason(http: httpx.Client, reports: Path) -> None:
    put(http, reports)
    table = pd.read_parquet(io.BytesIO(http.get("/observation-batches/b1/receipts").content))
    assert len(table) == 40
    as_json = http.get("/observation-batches/b1/receipts", params={"format": "json", "limit": 2}).json()
    assert as_json["total"] == 40
    assert len(as_json["rows"]) == 2
    assert as_json["rows"][0]["row"] == 1
    assert as_json["rows"][0]["qc"] == 12
    assert as_json["rows"][0]["reason"]


def test_the_same_batch_again_changes_nothing_and_another_under_its_name_is_refused(
    http: httpx.Client, reports: Path
) -> None:
    first = put(http, reports)
    again = put(http, reports)
    assert (again.status_code, again.json()) == (200, first.json())
    reports.write_text(reports.read_text().replace("S01", "S99"))
    refused = put(http, reports)
    assert refused.status_code == 409
    assert "b1" in refused.json()["detail"]
    assert http.get("/observation-batches/b1").json() == first.json()


def test_the_same_rows_under_two_names_are_one_object(
    http: httpx.Client, services: Services, reports: Path
) -> None:
    headers = {**CSV, "X": "1"}
    rows = b"lat,lon,time,variable,value,received_at\n50,0,2019-02-17T12:00Z,msl,101325,2019-02-17T12:10Z\n"
    for name in ("a", "b"):
        assert http.put(f"/observation-batches/{name}", content=rows, headers=headers).status_code == 201
    a, b = services.batches.get("a"), services.batches.get("b")
    assert a is not None
    assert b is not None
    assert a.observations_key == b.observations_key


def test_a_gzipped_file_is_read_as_it_is(http: httpx.Client, reports: Path) -> None:
    content = gzip.compress(reports.read_bytes())
    reply = http.put("/observation-batches/z", params={"columns": COLUMNS}, content=content, headers=CSV)
    assert reply.status_code == 201, reply.text
    assert reply.json()["counts"]["accepted"] == 39


def test_a_malformed_file_is_refused_with_row_and_field(http: httpx.Client) -> None:
    content = b"station_id,lat,lon,time\nS1,50,0,2019-02-17T12:00Z\n"
    reply = http.put("/observation-batches/bad", content=content, headers=CSV)
    assert reply.status_code == 422
    assert reply.headers["content-type"] == "application/problem+json"
    assert http.get("/observation-batches/bad").status_code == 404


def test_an_empty_file_an_unknown_prior_and_a_bad_column_map_are_refused(http: httpx.Client) -> None:
    url = "/observation-batches/x"
    assert http.put(url, content=b"", headers=CSV).status_code == 422
    assert http.put(url, content=b"a", params={"prior": "mars"}).status_code == 404
    assert http.put(url, content=b"a", params={"columns": "[1]"}).status_code == 422
    assert http.put(url, content=b"a", params={"columns": '{"a": 1}'}).status_code == 422
    assert http.put("/observation-batches/.hidden", content=b"a").status_code == 422


def test_a_batch_that_is_too_large_when_unpacked_is_refused_with_the_limit(
    http: httpx.Client, services: Services
) -> None:
    services.settings.max_upload_bytes = 50_000
    lines = "station_id,lat,lon,time,variable,value\n" + "S1,50,0,2019-02-17T12:00Z,msl,101000\n" * 2000
    table = io.BytesIO()
    pd.DataFrame({"value": range(10_000)}).to_parquet(table, compression="zstd")
    for content in (gzip.compress(lines.encode()), table.getvalue()):
        assert len(content) < 50_000
        reply = http.put("/observation-batches/large", content=content)
        assert (reply.status_code, reply.json()["type"]) == (413, "/problems/batch-too-large")
        assert "50000 bytes when unpacked" in reply.json()["detail"]


def test_rows_outside_the_domain_of_the_prior_that_is_named_are_rejected(http: httpx.Client) -> None:
    rows = (
        b"lat,lon,time,variable,value\n55,0,2019-02-17T12:00Z,msl,101325\n5,0,2019-02-17T12:00Z,msl,101325\n"
    )
    reply = http.put("/observation-batches/d", params={"prior": "small"}, content=rows, headers=CSV)
    assert reply.json()["counts"]["by_flag"] == {"DOMAIN": 1}


def test_a_batch_without_one_good_row_is_kept_with_its_receipts(http: httpx.Client) -> None:
    rows = b"lat,lon,time,variable,value\n55,0,2019-02-17T12:00Z,msl,5\n"
    reply = http.put("/observation-batches/none", content=rows, headers=CSV)
    assert reply.status_code == 201
    assert reply.json()["counts"]["accepted"] == 0
    assert reply.json()["bbox"] is None
    receipts = http.get("/observation-batches/none/receipts", params={"format": "json"}).json()
    assert receipts["total"] == 1


def test_batches_are_listed_page_by_page(http: httpx.Client) -> None:
    for i in range(5):
        rows = f"lat,lon,time,variable,value\n5{i},0,2019-02-17T12:00Z,msl,101325\n".encode()
        http.put(f"/observation-batches/p{i}", content=rows, headers=CSV)
    seen, url = [], "/observation-batches?limit=2"
    while url:
        reply = http.get(url)
        seen += [batch["id"] for batch in reply.json()["batches"]]
        url = reply.links.get("next", {}).get("url", "")
    assert seen == ["p4", "p3", "p2", "p1", "p0"]
