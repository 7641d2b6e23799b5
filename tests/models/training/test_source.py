"""One data set, whatever its layout; and what is wrong with it is said before the first step."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import eccodes
import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from models.training.source import Source, check_geography, open_dataset
from models.training.trajectories import Trajectories, prepare

CHANNELS = ["u500", "u850", "msl"]
ARCO = {
    "u": "u_component_of_wind",
    "msl": "mean_sea_level_pressure",
    "orography": "geopotential_at_surface",
    "lsm": "land_sea_mask",
}


def by_ecmwf_names(latitudes: int = 8) -> xr.Dataset:
    """Four days, every six hours, on a coarse grid with the highest ground in Tibet."""
    rng = np.random.default_rng(0)
    times = pd.date_range("2001-01-01", periods=16, freq="6h")
    latitude, longitude = np.linspace(90, -90, latitudes), np.arange(0.0, 360, 22.5)
    dims, shape = ("time", "level", "latitude", "longitude"), (16, 2, latitudes, 16)
    here = np.hypot(latitude[:, None] - 33, longitude - 90) < 20
    return xr.Dataset(
        {
            "u": (dims, rng.standard_normal(shape).astype(np.float32)),
            "msl": (dims[:1] + dims[2:], 1e5 + rng.standard_normal((16, latitudes, 16)).astype(np.float32)),
            "orography": (dims[2:], 5e4 * here + rng.random((latitudes, 16))),
            "lsm": (dims[2:], rng.random((latitudes, 16))),
        },
        {"time": times, "level": [500, 850], "latitude": latitude, "longitude": longitude},
    )


def read(path: Path | str, folder: Path, **more) -> Trajectories:
    return prepare(path, CHANNELS, 6, {"train": [2001]}, folder, **more)


def arco(dataset: xr.Dataset) -> xr.Dataset:
    """As ARCO-ERA5: full names; static fields repeated, and times before and after without values."""
    static = {name: dataset[name].expand_dims(time=dataset.time) for name in ("orography", "lsm")}
    dataset = dataset.assign(static)
    years = pd.date_range("2000-12-30", "2002-01-02", freq="6h")
    return dataset.reindex(time=years).rename(ARCO).sel(time=slice("2000-12-30", "2001-01-04"))


def weatherbench(dataset: xr.Dataset) -> xr.Dataset:
    """As WeatherBench 2: full names, south to north, longitude before latitude."""
    turned = dataset.isel(latitude=slice(None, None, -1)).transpose("time", "level", "longitude", "latitude")
    return turned.rename(ARCO)


def data_store(dataset: xr.Dataset) -> xr.Dataset:
    """As the Climate Data Store."""
    return dataset.rename(time="valid_time", level="pressure_level")


def from_the_date_line(dataset: xr.Dataset) -> xr.Dataset:
    """Rolled, with a jump in longitude."""
    return dataset.roll(longitude=5, roll_coords=True)


def every_three_hours(dataset: xr.Dataset) -> xr.Dataset:
    """With states in between that are not asked for."""
    return dataset.resample(time="3h").nearest()


@pytest.mark.parametrize(
    "layout",
    [arco, weatherbench, data_store, from_the_date_line, every_three_hours],
    ids=lambda f: f.__name__,
)
@pytest.mark.filterwarnings("ignore:Consolidated metadata")
def test_every_layout_gives_the_same_states(tmp_path: Path, layout):
    by_ecmwf_names().to_zarr(tmp_path / "plain.zarr")
    layout(by_ecmwf_names()).to_zarr(tmp_path / "other.zarr")
    rows = torch.arange(16)
    hours = {"hours": (0, 6, 12, 18)}
    plain, other = (read(tmp_path / f"{n}.zarr", tmp_path / n, **hours) for n in ("plain", "other"))
    assert other.times.equals(plain.times)
    assert other.states(rows).equal(plain.states(rows))
    assert other.static.equal(plain.static)
    assert np.array_equal(other.grid.longitude, plain.grid.longitude)


def test_states_that_are_not_copied_are_those_that_are(tmp_path: Path):
    by_ecmwf_names().to_netcdf(tmp_path / "a.nc")
    rows = torch.tensor([3, 1, 15])
    kept, streamed = (read(tmp_path / "a.nc", tmp_path / str(copy), copy=copy) for copy in (True, False))
    torch.testing.assert_close(streamed.states(rows), kept.states(rows), rtol=0, atol=2e-3)
    assert not (tmp_path / "False" / "anomalies.npy").exists()
    values = by_ecmwf_names().u.sel(level=850).isel(time=rows.numpy()).values
    torch.testing.assert_close(
        streamed.states(rows)[:, 1], torch.from_numpy((values - streamed.mean[1]) / streamed.std[1]).float()
    )


def test_the_last_pole_is_left_out_where_it_begins_a_patch_of_its_own(tmp_path: Path):
    by_ecmwf_names(9).to_netcdf(tmp_path / "a.nc")
    whole, cut = (read(tmp_path / "a.nc", tmp_path / str(p), patch=p) for p in (1, 4))
    assert whole.grid.shape == (9, 16) and cut.grid.shape == (8, 16)
    assert whole.grid.latitude[-1] == -90 and cut.grid.latitude[-1] == -67.5


class _Bucket(SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        self.send_header("ETag", '"1"')
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that is also served as the contents of s3://bucket."""
    (tmp_path / "served" / "bucket").mkdir(parents=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Bucket, directory=tmp_path / "served"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    yield tmp_path / "served" / "bucket"
    server.shutdown()
    server.server_close()


@pytest.mark.filterwarnings("ignore:Consolidated metadata")
def test_a_store_in_a_bucket_is_read(bucket: Path, tmp_path: Path):
    by_ecmwf_names().to_zarr(bucket / "a.zarr")
    there = read("s3://bucket/a.zarr", tmp_path / "there")
    here = read(bucket / "a.zarr", tmp_path / "here")
    assert there.states(torch.arange(16)).equal(here.states(torch.arange(16)))
    with pytest.raises(OSError, match=r"s3://bucket/gone\.zarr cannot be opened"):
        open_dataset("s3://bucket/gone.zarr")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda d: d.drop_sel(level=850), r"no u850; u is at levels \[500\]"),
        (lambda d: d.rename(msl="mslp"), "no msl; it has"),
        (
            lambda d: d.pad(longitude=(0, 1), mode="wrap").assign_coords(longitude=np.arange(17) * 22.5),
            "repeats",
        ),
        (lambda d: d.assign_coords(latitude=-d.latitude), "in Tibet: latitude runs the other way"),
        (lambda d: d.roll(longitude=8), "in Tibet: longitude is half a turn off"),
        (lambda d: d.drop_vars("orography"), "no static field 'orography'.*--static"),
        (lambda d: d.expand_dims(number=[0, 1]), r"choose a member of \[0, 1\] \(--member\)"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, spoil, words: str):
    spoil(by_ecmwf_names()).to_netcdf(tmp_path / "bad.nc")
    with pytest.raises(ValueError, match=words):
        read(tmp_path / "bad.nc", tmp_path)


def test_static_fields_may_come_from_a_finer_grid(tmp_path: Path):
    data, fine = by_ecmwf_names(9), by_ecmwf_names(9)[["orography", "lsm"]]
    between = fine.interp(longitude=np.arange(0, 360, 11.25), kwargs={"fill_value": 0.0})
    between = between.assign_coords(longitude=(between.longitude + 180) % 360 - 180).sortby("longitude")
    data.drop_vars(["orography", "lsm"]).to_netcdf(tmp_path / "a.nc")
    between.to_netcdf(tmp_path / "static.nc")
    found = Source(str(tmp_path / "a.nc"), str(tmp_path / "static.nc")).open()
    xr.testing.assert_allclose(found.orography, fine.orography)
    between.isel(longitude=slice(1, None, 2)).to_netcdf(tmp_path / "elsewhere.nc")
    with pytest.raises(ValueError, match="no values at some points"):
        Source(str(tmp_path / "a.nc"), str(tmp_path / "elsewhere.nc")).open()


def test_real_ground_is_where_it_should_be(shared_data: Path):
    ground = xr.open_dataset(shared_data / "static" / "era5_orography_0p25.nc").Z[0]
    for every in (1, 12, 22):
        check_geography(ground[::every, ::every], "ERA5")
    with pytest.raises(ValueError, match="half a turn off"):
        check_geography(ground.roll(longitude=720), "ERA5")


def test_surface_and_levels_of_one_grib_file_are_one_data_set(shared_data: Path, tmp_path: Path):
    with (
        (shared_data / "era5" / "era5-levels-members.grib").open("rb") as file,
        (tmp_path / "both.grib").open("wb") as out,
    ):
        while (message := eccodes.codes_grib_new_from_file(file)) is not None:
            if eccodes.codes_get(message, "number") == 0:
                eccodes.codes_write(message, out)
                if eccodes.codes_get(message, "level") == 850:  # the same values as if at the surface
                    for key, value in (("indicatorOfTypeOfLevel", 1), ("level", 0)):
                        eccodes.codes_set(message, key, value)
                    if eccodes.codes_get(message, "shortName") == "t":
                        eccodes.codes_set(message, "shortName", "sp")
                    eccodes.codes_write(message, out)
            eccodes.codes_release(message)
    found = open_dataset(str(tmp_path / "both.grib"))
    assert set(found) == {"z", "t", "orography", "sp"}
    assert found.z.dims == ("time", "level", "latitude", "longitude")
    assert found.orography.equals(found.z.sel(level=850, drop=True).rename("orography"))
