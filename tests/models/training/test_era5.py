"""ERA5 is trained on: real GRIB through cfgrib, and the layout of its archive at full size."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from models.prior.card import read_card
from models.prior.prior import load_prior
from models.training.config import SphereConfig, TrainingConfig, load_config
from models.training.run import train_prior
from models.training.source import Source
from models.training.sphere import train_sphere

SPHERE = """
kind: sphere
name: tiny
title: Tiny
description: For a test.
channels: {channels}
grid: {grid}
copy: {copy}
step_hours: {hours}
steps: [{hours}]
valid_hours: [0, 6, 12, 18]
window: 2
years: {{train: [{year}], validate: [{year}], test: [{year}]}}
autoencoder: {{patch: {patch}, latent: 4, reach: 3, width: 8, blocks: 1, steps: 1, batch: 2,
              learning_rate: 1.0e-3, noise: 0.03, start: 2, validation: 1}}
climatology: {{modes: 2, rank: 3}}
denoiser: {{width: 32, blocks: 2, box: {box}, steps: 1, batch: 2, learning_rate: 1.0e-3, weight_decay: 0.0,
           ema: 0.9, sigma: [0.1, 5.0], validation: 1}}
card: &card
  time_tolerance_minutes: 30
  max_station_elevation: {{}}
  observation_error: {{}}
  superob_correlation: 0.3
  presets: {{}}
  network: {{}}
  data: {{source: s, licence: l, attribution: a}}
"""

REGION = """
name: uk
title: United Kingdom
description: For a test.
channels: [2t]
step_hours: 1
valid_hours: [0, 1, 2, 3]
window: 3
years: {train: [2019], validate: [2019], test: [2019]}
autoencoder: {patch: 8, latent: 4, width: 4, blocks: 1, steps: 1, batch: 2, learning_rate: 1.0e-3}
climatology: {rank: 4}
denoiser: {width: 16, blocks: 1, heads: 2, steps: 1, batch: 1, learning_rate: 1.0e-3, weight_decay: 0.0,
           ema: 0.9, sigma: [0.1, 5.0]}
card:
  time_tolerance_minutes: 30
  max_station_elevation: {}
  observation_error: {}
  superob_correlation: 0.3
  presets: {}
  network: {}
  data: {source: s, licence: l, attribution: a}
"""


def sphere(folder: Path, **sizes: object) -> SphereConfig:
    (folder / "tiny.yaml").write_text(SPHERE.format(**sizes))
    config = load_config(folder / "tiny.yaml")
    assert isinstance(config, SphereConfig)
    return config


def test_a_member_of_the_era5_ensemble_teaches_a_prior_of_the_earth(shared_data: Path, tmp_path: Path):
    fine = xr.open_mfdataset(
        [shared_data / "static" / f"era5_{name}_0p25.nc" for name in ("orography", "land_sea_mask")],
        preprocess=lambda part: part.isel(time=0, drop=True),
    )
    fine.rename(Z="orography")[["orography", "lsm"]].to_netcdf(tmp_path / "static.nc")
    levels = str(shared_data / "era5" / "era5-levels-members.grib")
    config = sphere(
        tmp_path, channels="[z500, z850, t500, t850]", grid="[60, 120]", copy="true", hours=12, year=2017,
        patch=5, box=12,
    )  # fmt: skip
    said: list[str] = []
    with pytest.raises(ValueError, match="choose a member of"):
        train_sphere(config, levels, tmp_path, lambda stage, row: None)
    source = Source(levels, str(tmp_path / "static.nc"), member=3)
    prior = train_sphere(config, source, tmp_path, lambda stage, row: said.append(stage))
    assert said == ["autoencoder", "denoiser"]
    assert prior.card.state.shape == (4, 60, 120)
    state = dict(zip(prior.card.state.names, prior.card.state.mean, strict=True))
    assert state["z500"] / 9.80665 == pytest.approx(5650, abs=100)
    assert state["t850"] == pytest.approx(281, abs=3)


def test_hourly_temperatures_of_era5_teach_a_prior_of_a_region(shared_data: Path, tmp_path: Path):
    (tmp_path / "uk.yaml").write_text(REGION)
    config, said = load_config(tmp_path / "uk.yaml"), []
    assert isinstance(config, TrainingConfig)
    month = first_days(shared_data / "era5" / "era5-2mt-2019-03-uk.grib", tmp_path / "days.grib")
    prior = train_prior(config, month, tmp_path, lambda stage, row: said.append(row["train"]))
    assert len(said) == 2 and np.isfinite(said).all()
    assert prior.card.state.shape == (1, 32, 48)  # what fills patches


def archive(path: Path) -> None:
    """A store with the names, dimensions, grid and chunks of ARCO-ERA5; a wave goes round the Earth."""
    times = pd.date_range("2020-01-01", periods=4, freq="6h")
    latitude, longitude = np.linspace(90, -90, 721, dtype=np.float32), np.arange(0, 360, 0.25)
    wave = np.cos(np.deg2rad(latitude))[:, None] * np.cos(np.deg2rad(3 * longitude)).astype(np.float32)
    moving = np.stack([np.roll(wave, 40 * k, axis=1) for k in range(len(times))])
    ground = np.exp(-(((latitude[:, None] - 33) / 9) ** 2) - ((longitude - 88) / 12) ** 2)
    dims = ("time", "latitude", "longitude")
    dataset = xr.Dataset(
        {
            "temperature": ((dims[0], "level", *dims[1:]), np.stack([260 + 9 * moving, 280 + 7 * moving], 1)),
            "mean_sea_level_pressure": (dims, 1e5 + 800 * moving),
            "geopotential_at_surface": (dims[1:], 5e4 * ground),
            "land_sea_mask": (dims[1:], (ground > 0.1).astype(np.float32)),
        },
        {"time": times, "level": [500, 850], "latitude": latitude, "longitude": longitude},
    )
    dataset.chunk(time=1).to_zarr(path, zarr_format=2)


def test_the_whole_grid_of_the_archive_teaches_a_prior(tmp_path: Path):
    archive(tmp_path / "arco.zarr")
    config = sphere(
        tmp_path, channels="[t500, t850, msl]", grid="[720, 1440]", copy="false", hours=6, year=2020,
        patch=8, box=10,
    )  # fmt: skip
    train_sphere(config, tmp_path / "arco.zarr", tmp_path, lambda stage, row: None)
    prior = load_prior(read_card(tmp_path / "prior"))
    assert prior.card.state.shape == (3, 720, 1440) and prior.card.state.grid.latitude[-1] == -89.75
    assert prior.climatology.shape == (2, 4, 90, 180)
    with xr.open_zarr(tmp_path / "arco.zarr") as data:
        msl = torch.from_numpy(data.mean_sea_level_pressure.values[1, :720])
        t = torch.from_numpy(data.temperature.values[1, :, :720])
    state = torch.cat([t, msl[None]])
    with torch.no_grad():
        error = prior.decode(prior.encode(state)) - state
    assert error[2].square().mean().sqrt() < 0.1 * msl.std()  # a wave needs few latents


def first_days(month: Path, out: Path) -> Path:
    """The first messages of a GRIB file, as they are."""
    import eccodes

    with month.open("rb") as file, out.open("wb") as days:
        for _ in range(24):
            message = eccodes.codes_grib_new_from_file(file)
            eccodes.codes_write(message, days)
            eccodes.codes_release(message)
    return out
