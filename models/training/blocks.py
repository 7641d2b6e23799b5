"""An array in a file, filled a block at a time, whatever interrupts that and however many share the work."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from models.training.processes import Processes
from models.whole_files import written_whole


def filled(
    path: Path,
    shape: tuple[int, ...],
    block: int,
    fill: Callable[[slice], np.ndarray],
    processes: Processes,
    tick: Callable[[int], None] = lambda done: None,
) -> np.ndarray:
    """The array (N, ...) float16 in `path`, mapped into memory; `fill` makes the rows that are not there yet.

    Arguments:
        block: rows at a time.
        tick: called after each block with the number of rows up to its end.

    Raises:
        ValueError: the file holds another number of rows.
    """
    processes.first_then_others(lambda: _create(path, shape))
    out = np.lib.format.open_memmap(path, "r+")
    if out.shape != shape:
        raise ValueError(f"{path.parent} was made from {len(out)} states, not {shape[0]}: give another --out")
    marker = path.with_suffix(f".{processes.rank}of{processes.world}.json")
    mine = range(processes.rank * block, len(out), processes.world * block)
    done = json.loads(marker.read_text()) if marker.exists() else 0
    for k, start in enumerate(mine):
        if k < done:
            continue
        rows = slice(start, min(start + block, len(out)))
        out[rows] = fill(rows)
        out.flush()
        with written_whole(marker) as aside:
            aside.write_text(json.dumps(k + 1))
        tick(min(rows.stop, len(out)))
    processes.wait()
    return np.load(path, mmap_mode="r")


def _create(path: Path, shape: tuple[int, ...]) -> None:
    if not path.exists():
        with written_whole(path) as aside:
            np.lib.format.open_memmap(aside, "w+", np.float16, shape).flush()
