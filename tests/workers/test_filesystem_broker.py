"""Messages of the filesystem broker are whole or not there, also while many are written and read at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from queue import Empty
from typing import Any

from workers.celery_app import make_celery
from workers.services import Services


def test_no_message_is_read_half_written_or_lost(services: Services) -> None:
    total, writers = 400, 4
    done = threading.Event()

    def write(writer: int) -> None:
        with make_celery(services.settings).connection() as connection:
            queue = connection.SimpleQueue("q")
            for i in range(total // writers):
                queue.put({"text": "x" * 20_000, "id": writer * 1000 + i})

    def read() -> list[int]:
        got: list[Any] = []
        with make_celery(services.settings).connection() as connection:
            queue = connection.SimpleQueue("q")
            while True:
                finished = done.is_set()
                try:
                    message = queue.get(block=False)
                except Empty:
                    if finished:
                        return got
                else:
                    message.ack()
                    got.append(message.payload["id"])

    with ThreadPoolExecutor(writers + 2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        list(pool.map(write, range(writers)))
        done.set()
        ids = [i for reader in readers for i in reader.result()]
    assert sorted(ids) == sorted(w * 1000 + i for w in range(writers) for i in range(total // writers))
