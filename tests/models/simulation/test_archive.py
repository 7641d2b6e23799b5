"""The archive of a run goes on after any interruption, and is what training reads."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from models.simulation import archive
from models.simulation.archive import simulate
from models.state.grid import Grid
from models.training.data import open_states


class Counting:
    """A model whose fields tell how many steps it has made, and which seed it has."""

    grid = Grid(np.array([60.0, 20.0, -20.0, -60.0]), np.arange(0.0, 360, 60))
    levels: ClassVar = [500, 900]
    orography = np.zeros((4, 6))
    land = np.ones((4, 6))
    description: ClassVar = {"diffusion": "weak"}

    def start(self, seed: int, day: int) -> Any:
        return np.array([1000.0 * seed, 0.0])

    def advance(self, state: Any) -> Any:
        return state + np.array([0.0, 1.0])

    def fields(self, state: Any) -> Any:
        channels = np.arange(4 * len(self.levels) + 2)[:, None, None]
        return np.broadcast_to(state.sum() + channels / 16, (len(channels), *self.grid.shape))

    def leaves(self, state: Any) -> list[np.ndarray]:
        return [state[:1], state[1:]]

    def restore(self, leaves: list[np.ndarray]) -> Any:
        return np.concatenate(leaves)


class Stop(Exception):
    """The power fails."""


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(archive, "SPIN_UP", 3)
    monkeypatch.setattr(archive, "BLOCK", 8)
    monkeypatch.setattr(
        archive, "times_of", lambda n: pd.date_range(archive.FIRST, periods=25 * n, freq="6h")
    )


def interrupted(out: Path, after: int) -> None:
    calls = iter(range(after, -1, -1))

    def fails(done: int, of: int) -> None:
        if not next(calls):
            raise Stop

    with pytest.raises(Stop):
        simulate(Counting(), out, 1, 7, fails)


def test_states_follow_the_spin_up(tmp_path: Path):
    simulate(Counting(), tmp_path / "a", 1, 7)
    data = xr.open_zarr(tmp_path / "a")
    assert (data["u"].sel(level=500)[:, 0, 0] == 7000 + 12 + np.arange(25)).all()
    assert (data["z500"] - data["u"].sel(level=500) == 9 / 16).all()
    assert data.attrs["seed"] == 7 and data["t"].attrs["units"] == "K"


@pytest.mark.parametrize("after", [0, 1, 2, 4])
def test_an_interrupted_run_goes_on_to_the_same_values(tmp_path: Path, after: int):
    simulate(Counting(), tmp_path / "whole", 1, 7)
    interrupted(tmp_path / "parts", after)
    told: list[tuple[int, int]] = []
    simulate(Counting(), tmp_path / "parts", 1, 7, lambda done, of: told.append((done, of)))
    xr.testing.assert_identical(xr.open_zarr(tmp_path / "parts"), xr.open_zarr(tmp_path / "whole"))
    assert told[-1] == (9, 9)


def test_data_written_after_the_last_restart_are_written_again(tmp_path: Path, monkeypatch):
    def fails(*_: Any) -> None:
        raise Stop

    interrupted(tmp_path / "parts", 2)
    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr(archive, "_save", fails)
        simulate(Counting(), tmp_path / "parts", 1, 7)
    simulate(Counting(), tmp_path / "parts", 1, 7)
    assert (xr.open_zarr(tmp_path / "parts")["u"].sel(level=500)[:, 0, 0] == 7012 + np.arange(25)).all()


def test_another_run_is_not_written_over(tmp_path: Path):
    simulate(Counting(), tmp_path / "a", 1, 7)
    with pytest.raises(ValueError, match=r"other settings.*'seed': 7.*not.*'seed': 8"):
        simulate(Counting(), tmp_path / "a", 1, 8)
    with pytest.raises(ValueError, match="25 states, not 50"):
        simulate(Counting(), tmp_path / "a", 2, 7)


def test_what_is_no_run_is_left_alone(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="holds no run: give another name"):
        simulate(Counting(), tmp_path / "a", 1, 7)
    assert (tmp_path / "a" / "thesis.txt").read_text() == "years of work"


def test_a_store_that_was_half_made_is_made_again(tmp_path: Path, monkeypatch):
    def fails(*_: Any, **__: Any) -> None:
        raise Stop

    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr("zarr.consolidate_metadata", fails)
        simulate(Counting(), tmp_path / "a", 1, 7)
    simulate(Counting(), tmp_path / "a", 1, 7)
    assert xr.open_zarr(tmp_path / "a")["u"].notnull().all()


@pytest.mark.parametrize(("steps", "days"), [(4, "0 and 2"), (20, "5 and 7")])
def test_a_model_that_blows_up_is_stopped(tmp_path: Path, steps: int, days: str):
    class Unstable(Counting):
        def advance(self, state: Any) -> Any:
            return super().advance(state) * (np.nan if state[1] > steps else 1)

    with pytest.raises(FloatingPointError, match=f"blew up between days {days}, spin-up included"):
        simulate(Unstable(), tmp_path / "a", 1, 7)
    simulate(Counting(), tmp_path / "a", 1, 7)  # nothing of it was kept
    assert xr.open_zarr(tmp_path / "a")["u"].notnull().all()


def test_training_reads_it(tmp_path: Path):
    simulate(Counting(), tmp_path / "a.zarr", 1, 7)
    states = open_states(tmp_path / "a.zarr", ["t900", "q500", "sp", "z500"])
    assert np.allclose(states.values[0, :, 0, 0] - 7012, np.array([5, 6, 8, 9]) / 16)
