"""The files of an ensemble over HTTP: ranges, caching, and no silent loss."""

import os

import httpx
import numpy as np
import obstore
import pytest
import xarray as xr

from app.api.ensembles import byte_range
from app.api.problems import Problem
from workers.services import Services
from workers.store.objects import attempt_key


def url(published: str, path: str) -> str:
    return f"/ensembles/{published}/{path}"


def test_xarray_opens_the_store_over_http(published: str, services: Services) -> None:
    over_http = xr.open_zarr(f"{os.environ['SEREIN_URL']}{url(published, 'ensemble.zarr')}")
    folder = services.settings.home / "store" / attempt_key(published, 1, "ensemble.zarr")
    xr.testing.assert_identical(over_http.load(), xr.open_zarr(folder).load())
    assert np.isfinite(over_http["msl"]).all()


def test_ranges_from_the_start_the_middle_and_the_end_are_those_of_the_whole(
    http: httpx.Client, published: str
) -> None:
    path = url(published, "ensemble.zarr/msl/c/1/0/0/0")
    whole = http.get(path)
    size = len(whole.content)
    assert whole.headers["accept-ranges"] == "bytes"
    for asked, expected in [
        ("bytes=0-9", whole.content[:10]),
        ("bytes=10-19", whole.content[10:20]),
        ("bytes=10-", whole.content[10:]),
        ("bytes=-7", whole.content[-7:]),
        (f"bytes=5-{size + 100}", whole.content[5:]),
        (f"bytes=-{size + 100}", whole.content),
    ]:
        part = http.get(path, headers={"Range": asked})
        assert (part.status_code, part.content) == (206, expected), asked
        start = size - len(expected) if asked.startswith("bytes=-") else int(asked[6:].split("-")[0])
        assert part.headers["content-range"] == f"bytes {start}-{start + len(expected) - 1}/{size}"
    beyond = http.get(path, headers={"Range": f"bytes={size}-"})
    assert beyond.status_code == 416
    assert beyond.headers["content-range"] == f"bytes */{size}"
    for ignored in ("bytes=0-1,4-5", "lines=0-1", "bytes=-", "bytes=9-5"):
        assert http.get(path, headers={"Range": ignored}).status_code == 200


def test_an_etag_saves_the_second_download_and_guards_a_range(http: httpx.Client, published: str) -> None:
    path = url(published, "certificate.json")
    first = http.get(path)
    etag = first.headers["etag"]
    assert "immutable" in first.headers["cache-control"]
    again = http.get(path, headers={"If-None-Match": f'"other", W/{etag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert http.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    guarded = {"Range": "bytes=0-3", "If-Range": etag}
    assert http.get(path, headers=guarded).status_code == 206
    assert http.get(path, headers={**guarded, "If-Range": '"other"'}).status_code == 200


def test_head_tells_what_get_would_without_a_body(http: httpx.Client, published: str) -> None:
    path = url(published, "ensemble.zarr/msl/c/0/0/0/0")
    head, get = http.head(path), http.get(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-length", "accept-ranges", "content-type"):
        assert head.headers[name] == get.headers[name]
    assert http.head(url(published, "nothing")).status_code == 404
    assert http.head(url(published, "manifest.json")).status_code == 200


def test_a_file_that_the_manifest_lists_and_the_store_lacks_is_our_fault_not_a_404(
    http: httpx.Client, published: str, services: Services
) -> None:
    key = attempt_key(published, 1, "ensemble.zarr/msl/c/0/0/0/0")
    obstore.delete(services.store, key)
    for reply in (
        http.get(url(published, "ensemble.zarr/msl/c/0/0/0/0")),
        http.head(url(published, "ensemble.zarr/msl/c/0/0/0/0")),
    ):
        assert reply.status_code == 500
    assert http.get(url(published, "ensemble.zarr/msl/c/9/9/9/9")).status_code == 404


def test_a_file_cut_short_in_the_store_is_found_out(
    http: httpx.Client, published: str, services: Services
) -> None:
    key = attempt_key(published, 1, "certificate.json")
    obstore.put(services.store, key, b"{}")
    assert http.get(url(published, "certificate.json")).status_code == 500


def test_what_is_in_the_store_but_not_in_the_manifest_is_not_served(
    http: httpx.Client, published: str, services: Services
) -> None:
    obstore.put(services.store, attempt_key(published, 1, "prepared.parquet"), b"secret")
    for path in ("prepared.parquet", "%2e%2e/COMMIT.json", "maps/../prepared.parquet", "", "ensemble.zarr"):
        assert http.get(url(published, path)).status_code == 404, path


def test_an_ensemble_that_is_not_published_is_not_served(http: httpx.Client, services: Services) -> None:
    job, _ = services.jobs.submit("assimilate", {}, "sha")
    reply = http.get(url(job.id, "certificate.json"))
    assert (reply.status_code, reply.json()["type"]) == (404, "/problems/result-not-ready")
    assert http.get(url("nobody", "certificate.json")).status_code == 404


@pytest.mark.parametrize("size", [0, 1, 5])
def test_ranges_of_small_and_empty_files(size: int) -> None:
    assert byte_range(None, size) is None
    assert byte_range("bytes=a-b", size) is None
    if size == 0:
        with pytest.raises(Problem):
            byte_range("bytes=0-", size)
    else:
        assert byte_range("bytes=0-0", size) == (0, 1)
    with pytest.raises(Problem):
        byte_range("bytes=-0", size)
