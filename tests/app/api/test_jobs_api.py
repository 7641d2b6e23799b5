"""Starting, following, listing and stopping analyses."""

import json
import threading
import time
from typing import Any

import httpx
import pytest

from workers.database.rows import StepRef
from workers.services import Services

EXECUTE = "/processes/assimilate/execution"
JSON = {"Content-Type": "application/json"}
WINDOW = {"start": "2019-02-17T12:00:00Z", "end": "2019-02-18T12:00:00Z"}


def execute(http: httpx.Client, headers: dict[str, str] | None = None, **inputs: Any) -> httpx.Response:
    body = {"inputs": {"prior": "small", "window": WINDOW, **inputs}}
    return http.post(EXECUTE, content=json.dumps(body), headers={**JSON, **(headers or {})})


def test_an_execution_is_a_job_with_an_address_and_a_bell_is_rung(
    http: httpx.Client, services: Services
) -> None:
    reply = execute(http, members=4, seed=7)
    assert reply.status_code == 201
    info = reply.json()
    assert reply.headers["Location"].endswith(f"/jobs/{info['jobID']}")
    assert (info["status"], info["type"], info["processID"]) == ("accepted", "process", "assimilate")
    assert info["request"]["seed"] == 7
    assert http.get(reply.headers["Location"]).json()["jobID"] == info["jobID"]
    assert len(list((services.settings.home / "broker" / "messages").glob("*.msg"))) == 1


def test_the_same_idempotency_key_starts_one_job(http: httpx.Client) -> None:
    key = {"Idempotency-Key": "k1"}
    first, again = execute(http, key), execute(http, key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["jobID"] == again.json()["jobID"]
    other = execute(http, key, seed=1)
    assert other.status_code == 409
    assert other.headers["content-type"] == "application/problem+json"
    assert len(http.get("/jobs").json()["jobs"]) == 1


def test_the_same_request_written_differently_is_the_same_request(http: httpx.Client) -> None:
    key = {"Idempotency-Key": "k2"}
    first = execute(http, key)
    window = {"start": "2019-02-17T13:00:00+01:00", "end": "2019-02-18T12:00:00.000Z"}
    assert execute(http, key, window=window, members=32).json()["jobID"] == first.json()["jobID"]


@pytest.mark.parametrize(
    ("inputs", "pointer", "word"),
    [
        ({"window": {**WINDOW, "start": "2019-02-17T06:00:00Z"}}, "#/inputs/window/start", "12 UTC"),
        ({"window": {**WINDOW, "start": "2019-02-17T12:30:00Z"}}, "#/inputs/window/start", "12 UTC"),
        ({"window": {**WINDOW, "end": "2019-02-28T12:00:00Z"}}, "#/inputs/window", "4 at most (72 h"),
        ({"window": {**WINDOW, "end": "2019-02-16T12:00:00Z"}}, "#/inputs/window", "before start"),
        ({"window": {**WINDOW, "start": "2019-02-17T12:00:00"}}, "#/inputs/window/start", "timezone"),
        (
            {"window": {"start": "0001-01-01T00:00:00+23:59", "end": WINDOW["end"]}},
            "#/inputs/window/start",
            "between 1850 and 2261",
        ),
        (
            {"window": {"start": "1600-02-17T12:00:00Z", "end": "1600-02-17T12:00:00Z"}},
            "#/inputs/window/end",
            "1850",
        ),
        (
            {"window": {"start": "9999-02-17T12:00:00Z", "end": "9999-02-17T12:00:00Z"}},
            "#/inputs/window/start",
            "2261",
        ),
        ({"members": True}, "#/inputs/members", "integer"),
        ({"stations": {"\ud800": 1}}, "#/inputs/stations/\ufffd\ufffd\ufffd/[key]", "unicode"),
        ({"observations": {"batches": ["\ud800"]}}, "#/inputs/observations/batches/0", "unicode"),
        ({"members": 0}, "#/inputs/members", "greater"),
        ({"members": 1025}, "#/inputs/members", "less"),
        ({"following": 127}, "#/inputs/following", "fewer than 128"),
        ({"following": 128}, "#/inputs/following", "the prior small has no forecaster"),
        ({"withheld": 0.95}, "#/inputs/withheld", "0.9"),
        ({"preset": "best"}, "#/inputs/preset", "balanced"),
        ({"surprise": 1}, "#/inputs/surprise", "not permitted"),
        (
            {"observations": {"query": {**WINDOW, "variables": ["mslp"]}}},
            "#/inputs/observations/query",
            "mslp",
        ),
        (
            {"observations": {"query": {**WINDOW, "bbox": [0, 60, 10, 50]}}},
            "#/inputs/observations/query",
            "bbox",
        ),
        ({"observations": {"query": WINDOW, "batches": ["a"]}}, "#/inputs/observations", "not both"),
    ],
)
def test_what_the_prior_cannot_serve_is_refused_by_place_and_reason(
    http: httpx.Client, inputs: dict[str, Any], pointer: str, word: str
) -> None:
    reply = execute(http, **inputs)
    assert reply.status_code == 422, reply.text
    errors = {error["pointer"]: error["detail"] for error in reply.json()["errors"]}
    assert word in errors[pointer]


def test_an_unknown_prior_process_or_batch_is_not_found_by_name(http: httpx.Client) -> None:
    assert "mars" in execute(http, prior="mars").json()["detail"]
    assert execute(http, prior="mars").status_code == 404
    missing = execute(http, observations={"batches": ["gone"]})
    assert (missing.status_code, missing.json()["errors"][0]["pointer"]) == (
        404,
        "#/inputs/observations/batches/0",
    )
    assert http.post("/processes/divine/execution", json={"inputs": {}}).status_code in (404, 422)
    assert http.get("/jobs").json()["jobs"] == []


def test_jobs_are_listed_newest_first_by_pages_and_by_status(http: httpx.Client) -> None:
    ids = [execute(http, seed=i).json()["jobID"] for i in range(5)]
    http.delete(f"/jobs/{ids[1]}")
    seen, url = [], "/jobs?limit=2"
    while url:
        reply = http.get(url)
        seen += [job["jobID"] for job in reply.json()["jobs"]]
        url = reply.links.get("next", {}).get("url", "")
    assert seen == ids[::-1]
    assert [j["jobID"] for j in http.get("/jobs?status=dismissed").json()["jobs"]] == [ids[1]]
    assert len(http.get("/jobs?status=dismissed&status=accepted").json()["jobs"]) == 5
    assert http.get("/jobs?cursor=nonsense").status_code == 422
    assert http.get("/jobs?status=asleep").status_code == 422


def test_a_waiting_job_is_dismissed_at_once_and_has_no_results(http: httpx.Client) -> None:
    job_id = execute(http).json()["jobID"]
    assert http.get(f"/jobs/{job_id}/results").json()["type"] == "/problems/result-not-ready"
    assert http.delete(f"/jobs/{job_id}").json()["status"] == "dismissed"
    assert http.get(f"/jobs/{job_id}/results").status_code == 404


def test_a_running_job_is_dismissed_once_its_worker_confirms(http: httpx.Client, services: Services) -> None:
    job_id = execute(http).json()["jobID"]
    claim = services.steps.claim(StepRef(job_id, 1, "prepare"), "w1")
    assert claim is not None
    assert http.delete(f"/jobs/{job_id}").json()["status"] == "running"
    services.steps.stop(claim)
    assert http.get(f"/jobs/{job_id}").json()["status"] == "dismissed"


def test_a_failed_job_shows_its_problem_and_its_results_are_that_problem(
    http: httpx.Client, services: Services
) -> None:
    job_id = execute(http).json()["jobID"]
    claim = services.steps.claim(StepRef(job_id, 1, "prepare"), "w1")
    assert claim is not None
    services.steps.fail(claim, {"type": "/problems/x", "title": "No", "status": 422, "detail": "because"})
    assert http.get(f"/jobs/{job_id}").json()["problem"]["detail"] == "because"
    results = http.get(f"/jobs/{job_id}/results")
    assert (results.status_code, results.json()["detail"]) == (422, "because")
    assert http.delete(f"/jobs/{job_id}").status_code == 409


def test_results_of_a_successful_job_are_links_that_work(http: httpx.Client, published: str) -> None:
    results = http.get(f"/jobs/{published}/results").json()
    assert http.get(results["certificate"]["href"]).status_code == 200
    for name in ("receipts", "observations", "maps", "manifest"):
        assert http.get(results[name]["href"]).status_code == 200
    assert http.get(results["ensemble"]["href"] + "/zarr.json").status_code == 200


def read_stream(http: httpx.Client, job_id: str, last: str = "") -> list[tuple[int, str, dict[str, Any]]]:
    headers = {"Last-Event-ID": last} if last else {}
    events, fields = [], {}
    with http.stream("GET", f"/jobs/{job_id}/events", headers=headers) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        for line in reply.iter_lines():
            name, _, value = line.partition(": ")
            if line == "" and "data" in fields:
                events.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
                fields = {}
            elif name:
                fields[name] = value
    return events


def test_events_arrive_as_they_happen_and_end_with_the_job(http: httpx.Client, services: Services) -> None:
    job_id = execute(http).json()["jobID"]

    def work() -> None:
        time.sleep(0.2)
        claim = services.steps.claim(StepRef(job_id, 1, "prepare"), "w1")
        assert claim is not None
        services.steps.progress(claim, 0.5, {"stage": "quality control"})
        time.sleep(0.2)
        services.steps.fail(claim, {"title": "enough", "status": 500})

    worker = threading.Thread(target=work)
    worker.start()
    events = read_stream(http, job_id)
    worker.join()
    assert [e[0] for e in events] == [1, 2, 3, 4, 5]
    assert [e[1] for e in events] == ["status", "status", "step", "progress", "status"]
    assert events[3][2]["stage"] == "quality control"
    assert events[-1][2]["status"] == "failed"


def test_a_broken_stream_is_resumed_after_the_last_event_seen(http: httpx.Client) -> None:
    job_id = execute(http).json()["jobID"]
    http.delete(f"/jobs/{job_id}")
    all_of_it = read_stream(http, job_id)
    assert read_stream(http, job_id, last="1") == all_of_it[1:]
    assert read_stream(http, job_id, last="99999") == []
    assert read_stream(http, job_id, last="soup") == all_of_it


def test_the_process_describes_its_inputs(http: httpx.Client) -> None:
    listed = http.get("/processes").json()["processes"]
    described = http.get(listed[0]["links"][0]["href"]).json()
    assert described["inputs"]["prior"]["minOccurs"] == 1
    assert described["inputs"]["members"]["schema"]["maximum"] == 1024
    assert http.get("/processes/divine").status_code == 404
    assert any("dismiss" in uri for uri in http.get("/conformance").json()["conformsTo"])


def test_priors_are_shown_by_their_cards(http: httpx.Client) -> None:
    assert "small" in [card["name"] for card in http.get("/priors").json()["priors"]]
    assert http.get("/priors/small").json()["valid_hours"] == [12]
    assert http.get("/priors/mars").status_code == 404


def test_health_says_alive_and_ready(http: httpx.Client) -> None:
    assert http.get("/healthz").json() == {"status": "ok"}
    assert http.get("/readyz").json() == {"status": "ready"}
