"""Configurations and training data are checked before the first step."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from models.training.config import load_config
from models.training.data import open_states, window_starts
from models.training.run import train_prior


def dataset(days: int = 40) -> xr.Dataset:
    rng = np.random.default_rng(0)
    times = pd.date_range("2001-01-01T12:00", periods=days)
    latitude, longitude = np.linspace(50, 40, 6), np.linspace(0, 10, 6)
    smooth = np.sin(np.linspace(0, 3, 6))[:, None] * np.cos(np.linspace(0, 3, 6))
    series = rng.standard_normal((days, 1, 1)).cumsum(axis=0) * 0.3 + rng.standard_normal((days, 6, 6)) * 0.05
    fields = {
        name: (("time", "latitude", "longitude"), offset + scale * (series + smooth))
        for name, offset, scale in (("msl", 101_000.0, 800.0), ("t850", 280.0, 5.0))
    }
    return xr.Dataset(fields, {"time": times, "latitude": latitude, "longitude": longitude})


CONFIG = """
name: tiny
title: Tiny
description: For a test.
channels: [msl, t850]
step_hours: 24
valid_hours: [12]
window: 2
years: {train: [2001], validate: [2001], test: [2001]}
autoencoder: {patch: 2, latent: 4, width: 8, blocks: 1, steps: 4, batch: 4, learning_rate: 1.0e-3}
climatology: {rank: 8}
denoiser: {width: 16, blocks: 1, heads: 2, steps: 4, batch: 4, learning_rate: 1.0e-3, weight_decay: 0.0,
           ema: 0.9, sigma: [0.1, 5.0]}
card:
  time_tolerance_minutes: 30
  max_station_elevation: {}
  observation_error: {msl: 100.0, t: 1.0}
  superob_correlation: 0.3
  presets: {fast: {steps: 4, sigma_start: 4.0, sigma_stop: 0.1, stochastic: false}}
  network: {}
  data: {source: random numbers}
"""


def test_a_prior_can_be_trained_from_a_file_to_a_folder(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    dataset().to_netcdf(tmp_path / "states.nc")
    rows: list[str] = []
    config = load_config(tmp_path / "tiny.yaml")
    prior = train_prior(
        config, tmp_path / "states.nc", tmp_path / "run", lambda stage, row: rows.append(stage)
    )
    assert rows == ["autoencoder", "denoiser"]
    assert {p.name for p in (tmp_path / "run" / "prior").iterdir()} == {"card.json", "weights.safetensors"}
    assert prior.card.representativeness["t850"] < 5.0


@pytest.mark.parametrize(
    ("change", "says"),
    [("window: 2", "missing"), ("name: tiny\nwidth: 3", "unknown")],
)
def test_a_configuration_with_a_wrong_key_is_refused(tmp_path: Path, change: str, says: str) -> None:
    text = CONFIG.replace("window: 2", "") if says == "missing" else CONFIG.replace("name: tiny", change)
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ValueError, match=says):
        load_config(tmp_path / "bad.yaml")


def test_an_unknown_configuration_names_the_bundled_ones() -> None:
    with pytest.raises(ValueError, match="europe"):
        load_config("mars")


@pytest.mark.parametrize("suffix", ["nc", "zarr"])
def test_states_are_read_north_to_south_from_netcdf_and_zarr(tmp_path: Path, suffix: str) -> None:
    flipped = dataset().sortby("latitude")
    path = tmp_path / f"states.{suffix}"
    flipped.to_netcdf(path) if suffix == "nc" else flipped.to_zarr(path)
    states = open_states(path, ["t850", "msl"])
    assert states.grid.latitude[0] == 50
    assert np.allclose(states.values[:, 1], dataset().msl.values, rtol=1e-6)


def test_a_missing_channel_and_a_gap_are_named(tmp_path: Path) -> None:
    holed = dataset()
    holed.t850[3, 2, 1] = np.nan
    holed.to_netcdf(tmp_path / "states.nc")
    with pytest.raises(ValueError, match="no z500; it has"):
        open_states(tmp_path / "states.nc", ["msl", "z500"])
    with pytest.raises(ValueError, match="t850 is not finite at 2001-01-04"):
        open_states(tmp_path / "states.nc", ["msl", "t850"])


def test_windows_do_not_cross_gaps_or_leave_their_years() -> None:
    times = pd.DatetimeIndex(["2001-01-01", "2001-01-02", "2001-01-03", "2001-01-05", "2001-01-06"])
    everything = np.ones(5, dtype=bool)
    assert window_starts(times, everything, 2, 24).tolist() == [0, 1, 3]
    assert window_starts(times, np.array([1, 1, 0, 1, 1], dtype=bool), 2, 24).tolist() == [0, 3]


def test_real_grib_is_read_by_the_names_ecmwf_gives(shared_data: Path) -> None:
    states = open_states(shared_data / "era5" / "era5-2mt-2019-03-uk.grib", ["2t"])
    assert states.values.shape == (len(states.times), 1, 33, 49)
    assert len(states.times) > 700 and 250 < states.values.mean() < 300
    assert states.grid.latitude[0] > states.grid.latitude[-1]
