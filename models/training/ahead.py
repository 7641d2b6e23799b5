"""Loading overlaps training: the next batch is read while this one is computed on."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")


def ahead(load: Callable[[S], T], order: Iterable[S]) -> Iterator[T]:
    """What `load` makes of each item in turn; a thread makes the next while the caller uses this one."""
    with ThreadPoolExecutor(1, thread_name_prefix="loading") as thread:
        waiting = None
        for item in order:
            coming = thread.submit(load, item)
            if waiting:
                yield waiting.result()
            waiting = coming
        if waiting:
            yield waiting.result()
