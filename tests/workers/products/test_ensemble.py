"""The Zarr store: what is written comes back, in CF terms; a lost object can be told from an empty one."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import obstore
import pytest
from obstore.store import LocalStore, ObjectStore

from models.state.channels import channel
from models.state.grid import Grid
from models.state.spec import StateSpec
from workers.products.ensemble import (
    consolidate,
    create_ensemble,
    expected_keys,
    mean_and_spread,
    open_ensemble,
    read_members,
    write_members,
)

STATE = StateSpec(
    channels=tuple(channel(name) for name in ("msl", "z500", "t850", "t500")),
    grid=Grid(np.array([60.0, 58.5, 57.0]), np.array([-3.0, -1.5, 0.0, 1.5])),
    step_hours=24,
    mean=np.zeros(4),
    std=np.ones(4),
)
TIMES = [datetime(2019, 2, 17, 12, tzinfo=UTC) + timedelta(days=d) for d in range(2)]
PATH = "ensembles/job/a1/ensemble.zarr"


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return LocalStore(tmp_path, mkdir=True)


@pytest.fixture
def fields() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(5, 2, *STATE.shape)).astype(np.float32)


def write(store: ObjectStore, fields: np.ndarray) -> None:
    create_ensemble(store, PATH, STATE, 5, TIMES, {"job": "job", "seed": 3})
    write_members(store, PATH, STATE, [0, 1, 2], fields[:3])
    write_members(store, PATH, STATE, [3, 4], fields[3:])
    consolidate(store, PATH)


def test_blocks_written_by_different_workers_come_back_bit_for_bit(
    store: ObjectStore, fields: np.ndarray
) -> None:
    write(store, fields)
    np.testing.assert_array_equal(read_members(store, PATH, STATE), fields)


def test_xarray_finds_dimensions_times_levels_units_and_provenance(
    store: ObjectStore, fields: np.ndarray
) -> None:
    write(store, fields)
    ds = open_ensemble(store, PATH)
    assert ds["t"].dims == ("number", "time", "level", "latitude", "longitude")
    assert ds["msl"].dims == ("number", "time", "latitude", "longitude")
    assert list(ds["time"].values.astype("datetime64[h]").astype(str)) == ["2019-02-17T12", "2019-02-18T12"]
    assert ds["level"].values.tolist() == [850, 500]
    assert ds["level"].attrs["units"] == "hPa"
    names = {"standard_name": "geopotential", "units": "m2 s-2", "long_name": "geopotential"}
    assert ds["z"].attrs == {**names, "cell_methods": "time: point"}
    assert ds["number"].attrs["standard_name"] == "realization"
    assert (ds.attrs["Conventions"], ds.attrs["seed"]) == ("CF-1.11", 3)
    np.testing.assert_array_equal(ds["t"].sel(level=500).values, fields[:, :, 3])
    assert np.isnan(ds["z"].sel(level=850).values).all()


def test_every_member_time_and_variable_is_one_object_also_if_it_holds_nothing_but_nan(
    store: ObjectStore,
) -> None:
    write(store, np.full((5, 2, *STATE.shape), np.nan, dtype=np.float32))
    stored = {m["path"] for chunk in obstore.list(store, PATH) for m in chunk if "/c/" in m["path"]}
    fields = {f"{PATH}/{key}" for key in expected_keys(STATE, 5, 2)}
    assert len(fields) == 3 * 5 * 2
    assert fields <= stored


def test_an_unwritten_member_reads_as_missing_not_as_zero(store: ObjectStore, fields: np.ndarray) -> None:
    create_ensemble(store, PATH, STATE, 5, TIMES, {})
    write_members(store, PATH, STATE, [1], fields[1:2])
    read = read_members(store, PATH, STATE)
    assert np.isnan(read[0]).all()
    np.testing.assert_array_equal(read[1], fields[1])


def test_mean_and_spread_are_those_of_the_members(store: ObjectStore, fields: np.ndarray) -> None:
    write(store, fields)
    mean, spread = mean_and_spread(store, PATH, STATE)
    np.testing.assert_allclose(mean, fields.mean(0), atol=1e-6)
    of_different_pairs = [(0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4), (2, 4), (3, 4)]
    squares = [(fields[i].astype(float) - fields[k]) ** 2 / 2 for i, k in of_different_pairs]
    np.testing.assert_allclose(spread, np.sqrt(np.mean(squares, axis=0)), rtol=1e-5)


def test_fields_of_the_wrong_shape_are_refused(store: ObjectStore, fields: np.ndarray) -> None:
    create_ensemble(store, PATH, STATE, 5, TIMES, {})
    with pytest.raises(ValueError, match="shape"):
        write_members(store, PATH, STATE, [0], fields[:2])


def test_nothing_is_written_outside_the_folder_of_the_ensemble(
    store: ObjectStore, fields: np.ndarray
) -> None:
    write(store, fields)
    assert all(m["path"].startswith(PATH + "/") for page in obstore.list(store) for m in page)
