"""Kombu's filesystem transport, with messages that appear all at once.

As it is, kombu opens the file of a message under its final name and then writes it; a worker that looks in
between takes an empty file, and dies of it. Here a message is written beside and renamed into place, and a
table of queues that is just being written is read again.
"""

import os
import time
import uuid
from pathlib import Path
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.encoding import str_to_bytes
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    """A channel whose messages are whole or not there."""

    # its two ancestors do not agree on the name of the message
    def _put(self, queue: Any, payload: Any, **kwargs: Any) -> None:  # type: ignore[override]
        folder = Path(self.data_folder_out)
        name = f"{time.monotonic_ns() // 1_000_000}_{uuid.uuid4()}"  # workers take them in order of names
        beside = folder / f"{name}.part"
        beside.write_bytes(str_to_bytes(dumps(payload)))
        os.replace(beside, folder / f"{name}.{queue}.msg")

    def get_table(self, exchange: str) -> list[Any]:
        """Queues bound to the exchange."""
        for _ in range(50):
            try:
                return super().get_table(exchange)
            except ValueError:
                time.sleep(0.01)
        return super().get_table(exchange)


class Transport(filesystem.Transport):
    """filesystem:// as Serein uses it."""

    Channel = Channel


def install() -> None:
    """Let filesystem:// mean this transport in this process."""
    TRANSPORT_ALIASES["filesystem"] = f"{__name__}:Transport"
