"""Kombu's filesystem transport, safe for several processes at once.

Kombu writes a message under its final name, so that a worker may take it half written; it takes messages by
way of the system's temporary folder, where a move may be a copy; and it rewrites a table of queues in place,
so that a message sent meanwhile finds no queue. Here a file appears by a rename, whole; a message is taken by
a rename, which only one reader can do; and each queue bound to an exchange is a file of its own.
"""

import hashlib
import os
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, filesystem, virtual
from kombu.transport.filesystem import exchange_queue_t
from kombu.utils.json import dumps, loads


class Channel(filesystem.Channel):
    """A channel whose messages and bindings are whole or not there."""

    # its two ancestors do not agree on the name of the message
    def _put(self, queue: Any, payload: Any, **kwargs: Any) -> None:  # type: ignore[override]
        name = f"{time.monotonic_ns() // 1_000_000}_{uuid.uuid4()}"  # workers take them in order of names
        _write(Path(self.data_folder_out) / f"{name}.{queue}.msg", payload)

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        folder = Path(self.data_folder_in)
        for name in sorted(n for n in os.listdir(folder) if n.partition(".")[2] == f"{queue}.msg"):
            taken = folder / f"{name}.taken"
            try:
                (folder / name).rename(taken)
            except FileNotFoundError:  # somebody else was first
                continue
            payload = taken.read_text()
            taken.unlink()
            return loads(payload)
        raise Empty

    def get_table(self, exchange: str) -> list[Any]:
        """Queues bound to the exchange."""
        return [exchange_queue_t(*loads(f.read_text())) for f in self._bindings(exchange).glob("*.json")]

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        binding = self._binding(exchange, routing_key, pattern, queue)
        binding.parent.mkdir(parents=True, exist_ok=True)
        _write(binding, [routing_key or "", pattern or "", queue or ""])

    def _delete(
        self, queue: str, exchange: str, routing_key: str, pattern: str, *args: Any, **kwargs: Any
    ) -> None:
        virtual.Channel._delete(self, queue, exchange, routing_key, pattern, *args, **kwargs)
        self._binding(exchange, routing_key, pattern, queue).unlink(missing_ok=True)

    def _bindings(self, exchange: str) -> Path:
        return self._exchange_file(exchange).with_suffix(".bindings")

    def _binding(self, exchange: str, *key: str) -> Path:
        digest = hashlib.sha256(dumps([part or "" for part in key]).encode()).hexdigest()
        return self._bindings(exchange) / f"{digest}.json"


def _write(path: Path, payload: Any) -> None:
    beside = path.with_name(f"{uuid.uuid4()}.part")
    beside.write_text(dumps(payload))
    beside.replace(path)


class Transport(filesystem.Transport):
    """filesystem:// as Serein uses it."""

    Channel = Channel

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        # shared, it would call a queue bound while another thread is still about to bind it
        self.state = virtual.BrokerState()


def install() -> None:
    """Let filesystem:// mean this transport in this process."""
    TRANSPORT_ALIASES["filesystem"] = f"{__name__}:Transport"
