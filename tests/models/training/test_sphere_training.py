"""A prior of the whole Earth is trained from a Zarr store, however often that is interrupted."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from torch import Tensor

from models.prior.card import read_card
from models.prior.prior import load_prior
from models.training.config import SphereConfig, load_config
from models.training.sphere import train_sphere
from models.training.trajectories import prepare

CONFIG = """
kind: sphere
name: tiny
title: Tiny
description: For a test.
channels: [t500, t850, sp]
grid: [8, 16]
step_hours: 6
steps: [6, 12]
valid_hours: [0, 6, 12, 18]
window: 3
years: {train: [2001, 2002], validate: [2003], test: [2003]}
autoencoder: {patch: 2, latent: 4, reach: 3, width: 8, blocks: 1, steps: 6, batch: 4, learning_rate: 1.0e-3,
              noise: 0.03, start: 100, validation: 8}
climatology: {modes: 6, rank: 10}
denoiser: {width: 32, blocks: 1, steps: 6, batch: 4, learning_rate: 1.0e-3, weight_decay: 0.0, ema: 0.9,
           sigma: [0.1, 5.0], validation: 4}
card:
  time_tolerance_minutes: 30
  max_station_elevation: {}
  observation_error: {}
  superob_correlation: 0.3
  presets: {}
  network: {}
  data: {source: s, licence: l, attribution: a}
"""


YEARS = {"train": [2001, 2002], "test": [2003]}


def dataset() -> xr.Dataset:
    """A wave that travels round the Earth, and a season; three years."""
    times = pd.date_range("2001-01-01", "2003-12-31T18:00", freq="6h")
    latitude, longitude = np.linspace(78.75, -78.75, 8), np.arange(0, 360, 22.5)
    hours = np.arange(len(times))[:, None, None] * 6.0
    noise = np.random.default_rng(0).standard_normal((len(times), 8, 16))
    wave = np.cos(np.deg2rad(2 * longitude) - hours / 20 + np.deg2rad(latitude)[:, None]) + 0.1 * noise
    season = np.cos(2 * np.pi * hours / 8766) * np.sin(np.deg2rad(latitude))[:, None]
    aloft = np.stack([250 + 5 * wave - 9 * season, 280 + 3 * wave - 12 * season], axis=1)
    surface = (
        1e5
        - 2e4 * np.exp(-((longitude - 90) ** 2) / 500) * ((0 < latitude) & (latitude < 40))[:, None]
        + 500 * wave
    )
    dims = ("time", "latitude", "longitude")
    return xr.Dataset(
        {
            "t": (("time", "level", *dims[1:]), aloft.astype(np.float32)),
            "sp": (dims, surface.astype(np.float32)),
            "orography": (dims[1:], -surface.mean(0).astype(np.float32)),
            "lsm": (dims[1:], (wave[0] > 0).astype(np.float32)),
        },
        {"time": times, "level": [500, 850], "latitude": latitude, "longitude": longitude},
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "tiny.zarr"
    dataset().to_zarr(path)
    return path


COLUMNS = "kind: columns, fine: 2, muon: true"


def config(folder: Path, denoiser: str = "kind: transformer") -> SphereConfig:
    (folder / "tiny.yaml").write_text(CONFIG.replace("validation: 4}", f"validation: 4, {denoiser}}}"))
    loaded = load_config(folder / "tiny.yaml")
    assert isinstance(loaded, SphereConfig)
    return loaded


@pytest.mark.parametrize("denoiser", ["kind: transformer", COLUMNS])
def test_a_trained_prior_can_be_loaded_and_is_the_same(store: Path, tmp_path: Path, denoiser: str):
    said: list[str] = []
    prior = train_sphere(config(tmp_path, denoiser), store, tmp_path, lambda stage, row: said.append(stage))
    loaded = load_prior(read_card(tmp_path / "prior"))
    assert said == ["autoencoder", "denoiser"]
    z, when = torch.randn(2, 3, 4, 4, 8, generator=torch.Generator().manual_seed(0)), torch.full((2, 3), 0.4)
    sigma = torch.tensor([0.5, 2.0])
    torch.testing.assert_close(
        prior.denoiser(z, sigma, when), loaded.denoiser(z, sigma, when), rtol=0, atol=1e-2
    )
    states = torch.from_numpy(dataset().isel(time=[5]).sp.values)
    assert loaded.card.state.names == ["t500", "t850", "sp"]
    assert loaded.card.representativeness["sp"] < states.std()
    assert loaded.denoiser.climatology is loaded.climatology
    assert loaded.forecaster is None


@pytest.mark.parametrize(
    ("denoiser", "words"),
    [
        ("fine: 2", "of columns, not of a transformer"),
        ("kind: columns, box: 4", "no attention"),
    ],
)
def test_a_denoiser_that_cannot_be_is_refused(tmp_path: Path, denoiser: str, words: str):
    with pytest.raises(ValueError, match=words):
        config(tmp_path, denoiser)


def fields(times: slice) -> Tensor:
    data = dataset().isel(time=times)
    return torch.from_numpy(
        np.stack([*data.t.transpose("level", "time", ...).values, data.sp.values], axis=1)
    )


def test_the_wave_is_among_the_modes(store: Path, tmp_path: Path):
    prior = train_sphere(config(tmp_path), store, tmp_path, lambda stage, row: None)
    z = prior.encode(fields(slice(4000, 4003)))
    mean = prior.climatology.mean(torch.full((1, 3), (4000 - 2920) / 1460))
    anomaly = z[None] - mean
    inside = (anomaly.flatten(1).double() @ prior.climatology.modes.T).square().sum()
    assert inside > 0.8 * anomaly.square().sum()


@pytest.mark.parametrize(
    ("stage", "denoiser"),
    [
        ("data", "kind: transformer"),
        ("autoencoder", "kind: transformer"),
        ("denoiser", "kind: transformer"),
        ("denoiser", COLUMNS),
    ],
)
def test_an_interrupted_run_goes_on_to_the_same_prior(store: Path, tmp_path: Path, stage: str, denoiser: str):
    settings, once = config(tmp_path, denoiser), []

    def stop(at: str, step: int) -> None:
        if at == stage and step >= (40 if at == "data" else 4) and not once:
            once.append(at)
            raise KeyboardInterrupt

    whole = train_sphere(settings, store, tmp_path / "whole", lambda stage, row: None)
    with pytest.raises(KeyboardInterrupt):
        train_sphere(settings, store, tmp_path / "parts", lambda stage, row: None, stop, stop)
    parts = train_sphere(settings, store, tmp_path / "parts", lambda stage, row: None)
    for name, value in whole.denoiser.state_dict().items():
        assert value.equal(parts.denoiser.state_dict()[name]), name


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda d: d.drop_vars("lsm"), "no static field 'lsm'"),
        (lambda d: d.isel(time=d.time != d.time[50]), "not 6 h apart"),
        (lambda d: d.rename(sp="ps"), "no sp; it has"),
        (lambda d: d.assign(t=d.t.where(d.time != d.time[70])), "t500 is not finite at 2001-01-18 12:00"),
        (lambda d: d.sel(time="2001"), "no states of 2002, to train on"),
        (lambda d: d.sel(time=slice("2001", "2002")), "no states of 2003, to test on"),
        (lambda d: d.assign(lsm=d.lsm * 0), "lsm is the same everywhere"),
        (lambda d: d.assign(sp=d.sp * 0 + 1e5), "sp never changes"),
        (lambda d: d.isel(longitude=slice(0, 9)), "do not go round the Earth"),
        (lambda d: d.rename(latitude="lat"), "no coordinate 'latitude'"),
    ],
)
def test_data_that_cannot_be_learned_from_are_refused(tmp_path: Path, spoil, words: str):
    spoil(dataset()).to_zarr(tmp_path / "bad.zarr")
    with pytest.raises(ValueError, match=words):
        prepare(tmp_path / "bad.zarr", ["t500", "t850", "sp"], 6, YEARS, tmp_path / "run")


def test_a_run_does_not_go_on_with_a_longer_store(tmp_path: Path):
    dataset().sel(time=slice("2001-01-01", "2001-09-30")).to_zarr(tmp_path / "a.zarr")
    prepare(tmp_path / "a.zarr", ["t500"], 6, {"train": [2001]}, tmp_path / "run")
    dataset().to_zarr(tmp_path / "a.zarr", mode="w")
    with pytest.raises(ValueError, match="made from 1092 states, not 1460"):
        prepare(tmp_path / "a.zarr", ["t500"], 6, {"train": [2001]}, tmp_path / "run")


def test_a_run_does_not_go_on_with_other_settings(store: Path, tmp_path: Path):
    settings = config(tmp_path)
    train_sphere(settings, store, tmp_path / "run", lambda stage, row: None)
    other = dataclasses.replace(settings, autoencoder=dataclasses.replace(settings.autoencoder, steps=7))
    with pytest.raises(ValueError, match="holds a run with another autoencoder: give another --out"):
        train_sphere(other, store, tmp_path / "run", lambda stage, row: None)
    renamed = dataclasses.replace(settings, title="Tinier")
    assert train_sphere(renamed, store, tmp_path / "run", lambda stage, row: None).card.title == "Tinier"


def test_a_prior_of_one_step(store: Path, tmp_path: Path):
    settings = dataclasses.replace(config(tmp_path), steps=[6])
    assert train_sphere(settings, store, tmp_path / "run", lambda stage, row: None).card.window == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"step_hours": 12}, "multiples of 12, and begin with it"),
        ({"steps": [6, 9]}, r"steps: \[6, 9\]"),
        ({"years": {"train": [2001], "test": [2003]}}, "none for validate"),
        ({"years": {"train": [2001, 2003], "validate": [2002], "test": [2004]}}, "do not follow each other"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(tmp_path: Path, change, words: str):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(config(tmp_path), **change)


def test_data_from_the_south_are_turned(tmp_path: Path, store: Path):
    dataset().isel(latitude=slice(None, None, -1)).to_zarr(tmp_path / "south.zarr")
    turned, straight = (
        prepare(path, ["t500", "sp"], 6, {"train": [2001]}, tmp_path / path.stem)
        for path in (tmp_path / "south.zarr", store)
    )
    assert turned.states(torch.tensor([3])).equal(straight.states(torch.tensor([3])))
    assert turned.static.equal(straight.static)


def test_the_bundled_configuration_is_read():
    assert isinstance(load_config("earth-t21"), SphereConfig)


def test_a_denoiser_of_an_unknown_kind_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="kind is transformer or columns, not 'cubes'"):
        config(tmp_path, "kind: cubes")


def test_a_configuration_of_an_unknown_kind_is_refused(tmp_path: Path):
    (tmp_path / "a.yaml").write_text("kind: cube\n")
    with pytest.raises(ValueError, match="no kind 'cube'; there is region, sphere"):
        load_config(tmp_path / "a.yaml")
