"""An array in a file goes on where it was, and processes share it."""

from pathlib import Path

import numpy as np
import pytest

from models.training.blocks import filled
from models.training.processes import Processes


class Another(Processes):
    """One of several that waits for nobody, for the test runs them one after another."""

    def wait(self) -> None:
        pass


def rows(made: list[int], upto: int = 99):
    def fill(at: slice) -> np.ndarray:
        if at.start >= upto:
            raise KeyboardInterrupt
        made.append(at.start)
        return np.arange(at.start, at.stop)[:, None]

    return fill


def test_it_goes_on_with_the_block_that_is_missing(tmp_path: Path):
    first, second = [], []
    with pytest.raises(KeyboardInterrupt):
        filled(tmp_path / "a.npy", (10, 1), 4, rows(first, upto=4), Processes())
    found = filled(tmp_path / "a.npy", (10, 1), 4, rows(second), Processes())
    assert (first, second) == ([0], [4, 8])
    assert found[:, 0].tolist() == list(range(10)) and found.dtype == np.float16
    with pytest.raises(ValueError, match="made from 10 states, not 11"):
        filled(tmp_path / "a.npy", (11, 1), 4, rows([]), Processes())


def test_two_processes_fill_every_other_block(tmp_path: Path):
    made: tuple[list[int], list[int]] = ([], [])
    for rank in (0, 1):
        found = filled(tmp_path / "a.npy", (10, 1), 2, rows(made[rank]), Another(rank, 2))
    assert made == ([0, 4, 8], [2, 6])
    assert found[:, 0].tolist() == list(range(10))
