"""Every error is a problem (RFC 9457), also those that the framework answers by itself."""

import os
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from workers.services import Services

EXECUTE = "/processes/assimilate/execution"


def assert_problem(reply: httpx.Response, status: int) -> dict:
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    body = reply.json()
    assert body["status"] == status
    assert body["title"]
    return body


def test_an_unknown_path_is_a_problem(http: httpx.Client) -> None:
    assert_problem(http.get("/nowhere"), 404)


def test_a_wrong_method_is_a_problem_that_says_which_are_allowed(http: httpx.Client) -> None:
    reply = http.post("/jobs")
    assert_problem(reply, 405)
    assert reply.headers["allow"] == "GET"
    assert http.post("/jobs/x").headers["allow"] == "DELETE, GET"
    assert http.delete("/ensembles/x/y").headers["allow"] == "GET, HEAD"


def test_a_missing_job_is_a_problem_that_names_it(http: httpx.Client) -> None:
    assert "nobody" in assert_problem(http.get("/jobs/nobody"), 404)["detail"]
    assert_problem(http.get("/jobs/nobody/events"), 404)
    assert_problem(http.get("/jobs/nobody/results"), 404)
    assert_problem(http.delete("/jobs/nobody"), 404)


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"", b"[]", b'"x"', b"null"])
def test_a_body_that_cannot_be_read_is_a_problem(http: httpx.Client, body: bytes) -> None:
    reply = http.post(EXECUTE, content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code in (400, 422)
    assert_problem(reply, reply.status_code)


def test_a_problem_can_quote_what_is_no_text(http: httpx.Client) -> None:
    columns = {"columns": '{"\\ud800": {"variable": "msl"}}'}
    reply = http.put("/observation-batches/b1", content=b'[{"a": 1}]', params=columns)
    assert assert_problem(reply, 422)["field"] == "\ud800"


def test_an_invalid_input_is_named_by_a_json_pointer(http: httpx.Client) -> None:
    body = {"inputs": {"prior": "small", "window": {"start": "2019-02-17T12:00", "end": "x"}, "member": 3}}
    errors = assert_problem(http.post(EXECUTE, json=body), 422)["errors"]
    pointers = {error["pointer"] for error in errors}
    assert {"#/inputs/window/start", "#/inputs/window/end", "#/inputs/member"} <= pointers


def test_a_declared_length_over_the_limit_is_a_problem_not_plain_text(
    http: httpx.Client, services: Services
) -> None:
    too_long = b" " * (services.settings.max_body_bytes + 1)
    body = assert_problem(http.post(EXECUTE, content=too_long), 413)
    assert str(services.settings.max_body_bytes) in body["detail"]


def test_a_length_over_the_limit_that_was_not_declared_is_a_problem_too(
    http: httpx.Client, services: Services
) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(services.settings.max_body_bytes // 2**16 + 2):
            yield b" " * 2**16

    headers = {"Content-Type": "application/json"}
    assert_problem(http.post(EXECUTE, content=pieces(), headers=headers), 413)


def test_an_upload_may_be_longer_than_other_bodies(http: httpx.Client, services: Services) -> None:
    content = b"lat,lon,time,variable,value\n" + b"50,0,2019-02-17T12:00Z,msl,101325\n" * 40_000
    assert len(content) > services.settings.max_body_bytes
    reply = http.put("/observation-batches/big", content=content, headers={"Content-Type": "text/csv"})
    assert reply.status_code == 201, reply.text


def test_a_client_that_hangs_up_in_the_middle_of_an_upload_leaves_nothing(
    http: httpx.Client, services: Services
) -> None:
    where = urlsplit(os.environ["SEREIN_URL"])
    with socket.create_connection((where.hostname, where.port)) as line:
        line.sendall(
            b"PUT /observation-batches/half HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nlat,lon"
        )
    assert http.get("/observation-batches/half").status_code == 404
    assert http.get("/healthz").status_code == 200
