"""A run as the truth: only one whose states are those of the prior."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.simulation import archive
from models.simulation.truth import Truth
from models.state.channels import channel
from models.state.grid import Grid
from models.state.spec import StateSpec
from tests.models.simulation.test_archive import Counting

NAMES = ["u500", "u900", "v500", "v900", "t500", "t900", "q500", "q900", "sp", "z500"]
STATE = StateSpec(tuple(map(channel, NAMES)), Counting.grid, 6, np.zeros(10), np.ones(10))


class Described(Counting):
    """With the settings that a run has."""

    description = {"truncation": 4, "diffusion": "weak", "step_minutes": 30}  # noqa: RUF012


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "a.zarr"
    with pytest.MonkeyPatch.context() as patch:
        times = pd.date_range(archive.FIRST, periods=9, freq="6h")
        patch.setattr(archive, "times_of", lambda years: times)
        archive.simulate(Described(), path, 1, 7)
    return path


def test_it_has_the_states_and_the_settings_of_the_run(run: Path):
    truth = Truth.open(run, STATE)
    first = 7000 + 4 * archive.SPIN_UP
    wanted = first + np.array([3, 4])[:, None] + np.arange(10) / 16
    np.testing.assert_allclose(truth.states(3, 2)[:, :, 0, 0], wanted)
    assert truth.settings == Described.description and len(truth.times) == 9
    assert [leaf.tolist() for leaf in truth.leaves] == [[7000], [4 * archive.SPIN_UP + 9]]


def test_states_of_another_kind_are_refused(run: Path):
    with pytest.raises(ValueError, match=r"has the channels u500.*not those of the prior"):
        Truth.open(run, replace(STATE, channels=STATE.channels[::-1]))
    with pytest.raises(ValueError, match="on 4 x 6 points, the prior on other 4 x 8"):
        Truth.open(run, replace(STATE, grid=Grid(Counting.grid.latitude, np.arange(0.0, 360, 45))))
    with pytest.raises(ValueError, match="on 4 x 6 points, the prior on other 4 x 6"):
        Truth.open(run, replace(STATE, grid=Grid(Counting.grid.latitude - 1, Counting.grid.longitude)))
