"""Physical consistency."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from models.state.grid import Grid
from models.verification.consistency import consistency, geostrophic_wind

GRID = Grid(np.arange(60, 29, -1.5), np.arange(-20, 15, 1.5))
CHANNELS = ["msl", "z500", "t850"]


def _still_air() -> np.ndarray:
    """An isothermal-mean layer at rest: 1013.25 hPa, mean temperature 265 K."""
    z500 = 287.05 * 265 * np.log(101_325 / 50_000)
    return np.stack([np.full(GRID.shape, v) for v in (101_325.0, z500, 272.0)])


def test_a_plausible_atmosphere_breaks_no_rule() -> None:
    assert set(consistency(_still_air(), CHANNELS, GRID).values()) == {0.0}


def test_each_fault_is_found_by_its_own_rule() -> None:
    fields = np.repeat(_still_air()[None], 2, axis=0)
    fields[0, 0] = 120_000.0
    fields[1, 2] += 30.0
    fields[1, 1, 0, 0] = np.nan
    result = consistency(fields, CHANNELS, GRID)
    assert result["bounds.msl"] == 0.5 and result["bounds.t850"] == 0.0
    assert result["hypsometric"] >= 0.49
    assert result["not_finite"] == pytest.approx(1 / fields.size)


def test_the_geostrophic_wind_of_solid_rotation_is_the_rotation() -> None:
    lat = np.deg2rad(GRID.latitude)
    omega, radius, speed = 7.2921e-5, 6.371e6, 30.0
    # u = U cos(lat) is in balance with z = -Omega a U sin(lat)^2
    z = np.broadcast_to((-omega * radius * speed * np.sin(lat) ** 2)[:, None], GRID.shape)
    wind = geostrophic_wind(z, GRID)
    np.testing.assert_allclose(
        wind, np.broadcast_to(speed * np.cos(lat[1:-1])[:, None], wind.shape), rtol=1e-3
    )
    storm = np.stack([np.full(GRID.shape, 101_325.0), z * 6 + 55_000, np.full(GRID.shape, 272.0)])
    assert consistency(storm, CHANNELS, GRID)["geostrophic_wind"] > 0.5


def test_ten_years_of_reanalysis_break_no_rule(shared_data: Path) -> None:
    with xr.open_dataset(shared_data / "era_interim_europe" / "era_interim_europe_daily.nc") as data:
        data = data.isel(time=slice(None, None, 10))
        fields = np.stack([data[name].to_numpy() for name in CHANNELS], axis=1)
        grid = Grid(data["latitude"].to_numpy(), data["longitude"].to_numpy())
    assert set(consistency(fields, CHANNELS, grid).values()) == {0.0}
