"""The object store: create-only means once, whatever is lost on the way."""

import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest
from obstore.store import MemoryStore, ObjectStore, S3Store

from workers.settings import Settings
from workers.store.objects import (
    attempt_key,
    batch_receipts_key,
    commit_key,
    create_only,
    exists,
    get_parquet,
    local_folder,
    open_store,
    probe_create_only,
    put_observations,
    put_parquet,
    read_commit,
)


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return open_store((tmp_path / "store").as_uri() if request.param == "file" else "memory:///")


def test_of_eight_writers_at_once_exactly_one_creates_the_marker(store: ObjectStore) -> None:
    for race in range(25):
        key = commit_key(f"job-{race}")
        barrier = threading.Barrier(8)

        def write(writer: int, key: str = key, barrier: threading.Barrier = barrier) -> tuple[str, dict]:
            barrier.wait()
            return f"w{writer}", create_only(store, key, {"write_id": f"w{writer}", "attempt": writer})

        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(write, range(8)))
        winners = [mine for mine, found in results if found["write_id"] == mine]
        assert len(winners) == 1
        assert {found["write_id"] for _, found in results} == set(winners)


class _LosesReplies(BaseHTTPRequestHandler):
    """A store that does what it is told, honours If-None-Match, and answers the first put with an error."""

    objects: dict[str, bytes]
    lost = 0

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path in self.objects:
            return self._answer(412)
        self.objects[self.path] = body
        type(self).lost += 1
        return self._answer(400)  # not 5xx: the client would try again by itself and hide the case

    def do_GET(self) -> None:
        found = self.objects.get(self.path)
        self._answer(200 if found is not None else 404, found or b"")

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Sun, 17 Feb 2019 12:00:00 GMT")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


def test_a_put_whose_reply_got_lost_is_recognised_as_done() -> None:
    _LosesReplies.objects, _LosesReplies.lost = {}, 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), _LosesReplies)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        store = S3Store(
            "bucket",
            endpoint=f"http://127.0.0.1:{server.server_port}",
            access_key_id="x",
            secret_access_key="x",
            region="x",
            client_options={"allow_http": True},
        )
        found = create_only(store, commit_key("job"), {"write_id": "mine"})
        assert found["write_id"] == "mine"
        assert _LosesReplies.lost == 1
        assert create_only(store, commit_key("job"), {"write_id": "other"})["write_id"] == "mine"
    finally:
        server.shutdown()
        server.server_close()


def test_a_store_that_cannot_be_reached_raises_instead_of_claiming_success() -> None:
    unreachable = S3Store(
        "bucket",
        endpoint="http://127.0.0.1:9",
        access_key_id="x",
        secret_access_key="x",
        region="x",
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )
    with pytest.raises(Exception, match=r"127\.0\.0\.1:9"):
        create_only(unreachable, "k", {}, tries=2)


def test_the_same_rows_are_stored_once_under_the_hash_of_their_content(store: ObjectStore) -> None:
    frame = pd.DataFrame({"station_id": ["06260"], "value": [101325.0]})
    key = put_observations(store, frame, "a" * 64)
    assert put_observations(store, frame.copy(), "a" * 64) == key
    assert put_observations(store, frame.assign(value=101000.0), "b" * 64) != key
    pd.testing.assert_frame_equal(get_parquet(store, key), frame)


def test_a_table_comes_back_with_times_in_utc_and_missing_values_missing(store: ObjectStore) -> None:
    times = pd.to_datetime(["2019-02-17T12:00Z", None], utc=True).astype("datetime64[ns, UTC]")
    frame = pd.DataFrame({"time": times, "value": [1.0, float("nan")]})
    put_parquet(store, "t.parquet", frame)
    pd.testing.assert_frame_equal(get_parquet(store, "t.parquet"), frame)


def test_a_folder_may_have_a_space_and_letters_beyond_ascii_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "Wetter über 100 %"
    settings = Settings(home=folder)
    put_parquet(open_store(settings.store_url), "t.parquet", pd.DataFrame({"a": [1]}))
    assert (folder / "store" / "t.parquet").is_file()
    assert local_folder(settings.store_url) == folder / "store"
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_there_is_no_marker_before_one_is_written(store: ObjectStore) -> None:
    assert read_commit(store, "job") is None
    create_only(store, commit_key("job"), {"attempt": 2})
    assert read_commit(store, "job")["attempt"] == 2  # type: ignore[index]


def test_a_strange_batch_id_cannot_leave_its_folder() -> None:
    store = MemoryStore()
    key = batch_receipts_key("../a b/ü", "0" * 64)
    put_parquet(store, key, pd.DataFrame({"a": [1]}))
    assert exists(store, key)
    assert key.count("/") == 3
    assert attempt_key("j", 2) == "ensembles/j/a2"


def test_a_store_that_lets_a_key_be_written_twice_is_found_out(store: ObjectStore) -> None:
    probe_create_only(store)  # these two are sound, and nothing is left behind
    assert list(store.list("probe")) == []
