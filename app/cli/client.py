"""The service as the commands see it: REST over httpx, server-sent events, problems as sentences."""

import json
import os
import time
from collections.abc import Iterator
from typing import IO, Any

import httpx

from app.cli.options import DEFAULT_URL


class ServiceError(Exception):
    """The service refused or could not be reached; the message says what to do."""


class Unreachable(ServiceError):
    """Nobody answers; it may be worth another try."""


class Service:
    """A running Serein at `url` (default: SEREIN_URL, or this machine's port 8000)."""

    def __init__(self, url: str | None = None) -> None:
        self.url = (url or os.environ.get("SEREIN_URL") or DEFAULT_URL).rstrip("/")
        self._http = httpx.Client(
            base_url=self.url, timeout=httpx.Timeout(60, connect=5), follow_redirects=True
        )

    def request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """Send a request.

        Raises:
            Unreachable: no answer.
            ServiceError: an answer of 400 and above.
        """
        try:
            response = self._http.request(method, path, **kwargs)
        except httpx.UnsupportedProtocol:
            raise ServiceError(f"{self.url!r} is no address: it begins with http:// or https://") from None
        except httpx.TransportError as error:
            raise Unreachable(unreachable(self.url, error)) from None
        if response.is_error:
            raise ServiceError(problem_text(response))
        return response

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON at `path`."""
        return self.request("GET", path, params=parameters).json()

    def put_batch(self, batch_id: str, content: IO[bytes] | bytes, **parameters: str) -> dict[str, Any]:
        """Upload an observation batch; the content is streamed. Returns the service's receipt in short."""
        path = f"/observation-batches/{batch_id}"
        headers = {"Content-Type": "application/octet-stream"}
        if "content_type" in parameters:
            headers["Content-Type"] = parameters.pop("content_type")
        given = {name: value for name, value in parameters.items() if value}
        return self.request("PUT", path, params=given, content=content, headers=headers, timeout=600).json()

    def execute(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Start an analysis; returns its OGC status."""
        return self.request("POST", "/processes/assimilate/execution", json={"inputs": inputs}).json()

    def job(self, job_id: str) -> dict[str, Any]:
        """The OGC status of a job."""
        return self.get(f"/jobs/{job_id}")

    def events(self, job_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """(kind, data) of a job's events, from the first to the last; reconnects when the line breaks."""
        last, silent = "", 0
        while True:
            try:
                headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
                timeout = httpx.Timeout(60, connect=5)
                with self._http.stream(
                    "GET", f"/jobs/{job_id}/events", headers=headers, timeout=timeout
                ) as lines:
                    if lines.is_error:
                        lines.read()
                        raise ServiceError(problem_text(lines))
                    for seq, kind, data in parse_events(lines.iter_lines()):
                        last, silent = seq or last, 0
                        yield kind, data
                if self.job(job_id)["status"] in FINISHED:
                    return
            except (httpx.TransportError, Unreachable) as error:
                silent += 1
                if silent > 5:
                    raise Unreachable(unreachable(self.url, error)) from None
                time.sleep(1)


FINISHED = ("successful", "failed", "dismissed")


def parse_events(lines: Iterator[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(id, event, data) of each server-sent event; data is JSON, comments are skipped."""
    seq, kind = "", "message"
    data: list[str] = []
    for line in lines:
        if not line:
            if data:
                yield seq, kind, json.loads("\n".join(data))
            seq, kind, data = "", "message", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            seq = value
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)


def unreachable(url: str, error: Exception) -> str:
    """What to say when nobody answers at `url`."""
    return (
        f"no answer from {url} ({error}). Start the service with `serein up`, "
        "or name another one: SEREIN_URL=http://host:8000"
    )


def problem_text(response: httpx.Response) -> str:
    """A problem (RFC 9457) as text for people: title, detail and each error with its place."""
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict) or not problem:
        return (
            f"{response.request.method} {response.request.url}: {response.status_code} {response.text[:200]}"
        )
    lines = [": ".join(str(problem[key]) for key in ("title", "detail") if problem.get(key))]
    for error in problem.get("errors") or []:
        if error.get("detail", "") not in lines[0]:
            lines.append(f"  {error.get('pointer', '')} {error['detail']}")
    return "\n".join(lines)
