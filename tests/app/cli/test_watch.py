"""What `serein watch` makes of short certificates and of lost lines."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from rich.console import Console

from app.cli.client import Service
from app.cli.show import show_certificate


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        (
            {"members": 2, "withheld": 4, "withheld_stations": 0, "assimilated": 9, "notes": ["one pair"]},
            "2 members, of whose errors nothing can be said; 9 were used",
        ),
        (
            {
                "members": 8,
                "withheld": 0,
                "withheld_stations": 0,
                "assimilated": 9,
                "notes": ["none withheld"],
            },
            "8 members, of whose errors nothing can be said; 9 were used",
        ),
        (
            {"members": 8, "withheld": 4, "withheld_stations": 3, "assimilated": 9, "notes": ["few"]},
            "8 members against 4 withheld observations of 3 stations; 9 were used",
        ),
    ],
)
def test_a_certificate_without_scores_is_shown_with_its_note(certificate: dict, words: str):
    console = Console(record=True, width=200)
    show_certificate({"channels": {}, **certificate}, console)
    said = console.export_text()
    assert words in said and certificate["notes"][0] in said


class _LosesTheLine(BaseHTTPRequestHandler):
    """A service whose first answer on the state of a job never comes."""

    lost = 0

    def do_GET(self) -> None:
        if self.path == "/jobs/j/events":
            resumed = self.headers.get("Last-Event-ID") == "1"
            body = b"" if resumed else b'id: 1\nevent: status\ndata: {"status": "running"}\n\n'
        elif not self.lost:
            type(self).lost += 1
            return self.connection.close()
        else:
            body = b'{"status": "successful"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


def test_watching_goes_on_after_the_line_is_lost():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _LosesTheLine)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        service = Service(f"http://127.0.0.1:{server.server_port}")
        assert list(service.events("j")) == [("status", {"status": "running"})]
        assert _LosesTheLine.lost == 1
    finally:
        server.shutdown()
        server.server_close()
