"""Where states come from: any CF data set, opened lazily under one set of names, north to south.

A Zarr store on disk or at a URL (`s3://`, `gs://`; keys from the environment), NetCDF, or GRIB by cfgrib.
ERA5 has several layouts: full names (ARCO-ERA5, WeatherBench 2), those of the Climate Data Store, and ECMWF's
short names, which are those of `models.state.channels`. Order of dimensions, direction of latitude and the
meridian at which longitude begins are put right, for coordinates say what they are.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from obstore.exceptions import BaseError
from obstore.store import from_url
from zarr.storage import ObjectStore

from models.state.channels import channel

NAMES = {
    "2m_temperature": "2t",
    "2m_dewpoint_temperature": "2d",
    "10m_u_component_of_wind": "10u",
    "10m_v_component_of_wind": "10v",
    "mean_sea_level_pressure": "msl",
    "surface_pressure": "sp",
    "sea_surface_temperature": "sst",
    "geopotential": "z",
    "temperature": "t",
    "u_component_of_wind": "u",
    "v_component_of_wind": "v",
    "specific_humidity": "q",
    "geopotential_at_surface": "orography",
    "land_sea_mask": "lsm",
    "t2m": "2t",
    "d2m": "2d",
    "u10": "10u",
    "v10": "10v",
    "valid_time": "time",
    "pressure_level": "level",
    "isobaricInhPa": "level",
}
GRIB = (".grib", ".grib1", ".grib2", ".grb", ".grb1", ".grb2")
TOGETHER = 24  # states of a file that is not chunked which are read at a time
STATIC = ("orography", "lsm")
TIBET = (25.0, 40.0), (65.0, 110.0)  # where the highest ground of the Earth is, at any resolution


@dataclass(frozen=True)
class Source:
    """A data set to train on.

    Attributes:
        data: path or URL.
        static: of another one with `orography` and `lsm` at its points; None: `data` has them.
        member: which, of an ensemble.
    """

    data: str
    static: str | None = None
    member: int | None = None

    @classmethod
    def of(cls, data: "Source | Path | str") -> "Source":
        """A path or URL as a source, a source as it is."""
        return data if isinstance(data, Source) else cls(str(data))

    def open(self) -> xr.Dataset:
        """The data set, with `orography` and `lsm` if `static` is given.

        Raises:
            ValueError: a coordinate is missing, it is an ensemble and no member was chosen, or static fields
                are not at its points.
        """
        dataset = open_dataset(self.data)
        if "number" in dataset.dims:
            members = dataset.number.values.tolist()
            if self.member not in members:
                raise ValueError(f"{self.data}: an ensemble; choose a member of {members} (--member)")
            dataset = dataset.sel(number=self.member)
        if self.static:
            dataset = dataset.assign(self._static(dataset))
        return dataset

    def to_dict(self) -> dict[str, str | int | None]:
        """What a run was made from; URLs as they are, paths absolute."""
        absolute = {
            name: where and (where if "://" in where else str(Path(where).resolve()))
            for name, where in (("data", self.data), ("static", self.static))
        }
        return {**absolute, "member": self.member}

    def _static(self, dataset: xr.Dataset) -> dict[str, xr.DataArray]:
        other = open_dataset(self.static or "", ("latitude", "longitude"))
        other = other.assign_coords(longitude=other.longitude % 360).sortby("longitude")
        there = {"latitude": dataset.latitude.values, "longitude": dataset.longitude.values % 360}
        try:
            return {
                name: static_field(other, name, str(self.static))
                .sel(there, method="nearest", tolerance=1e-3)
                .assign_coords(latitude=dataset.latitude, longitude=dataset.longitude)
                for name in STATIC
            }
        except KeyError:
            raise ValueError(f"{self.static}: has no values at some points of {self.data}") from None


def open_dataset(source: str, coordinates: tuple[str, ...] = ("time", "latitude", "longitude")) -> xr.Dataset:
    """A data set under ECMWF's short names, from north to south and from west to east.

    Raises:
        ValueError: one of the coordinates is missing.
        OSError: there is no such file.
    """
    dataset = _open(source)
    dataset = dataset.rename({a: b for a, b in NAMES.items() if a in dataset and b not in dataset})
    for name in coordinates:
        if name not in dataset.coords:
            raise ValueError(f"{source}: no coordinate {name!r}; it has {sorted(map(str, dataset.coords))}")
    if dataset.latitude.ndim != 1 or dataset.longitude.ndim != 1:
        raise ValueError(f"{source}: latitude and longitude are not those of a regular or Gaussian grid")
    if (np.diff(dataset.longitude) < 0).any():
        dataset = dataset.assign_coords(longitude=dataset.longitude % 360).sortby("longitude")
    return dataset.sortby("latitude", ascending=False)


def _open(source: str) -> xr.Dataset:
    if "://" in source:
        try:
            return xr.open_zarr(ObjectStore(from_url(source), read_only=True))
        except (BaseError, FileNotFoundError) as error:
            raise OSError(f"{source} cannot be opened: {error}") from None
    if source.rstrip("/").endswith(".zarr"):
        return xr.open_zarr(source)
    dataset = _open_grib(source) if source.endswith(GRIB) else xr.open_dataset(source)
    time = next((name for name in ("time", "valid_time") if name in dataset.dims), None)
    return dataset.chunk({time: TOGETHER}) if time else dataset


def _open_grib(source: str) -> xr.Dataset:
    """All messages of a file as one data set."""
    import cfgrib  # takes a second

    with xr.set_options(use_new_combine_kwarg_defaults=True):
        parts = cfgrib.open_datasets(source, backend_kwargs={"indexpath": ""})
    named = []
    for part in parts:
        short = {name: part[name].attrs["GRIB_shortName"] for name in part.data_vars}
        if "isobaricInhPa" not in part.coords:
            short = {name: "orography" if new == "z" else new for name, new in short.items()}
        scalars = [name for name in part.coords if part[name].ndim == 0]
        beside = [name for name in part.coords if name not in part.dims and name not in scalars]
        part = part.rename(short).drop_vars([*beside, *(name for name in scalars if name != "isobaricInhPa")])
        named.append(part.expand_dims("isobaricInhPa") if "isobaricInhPa" in scalars else part)
    try:
        return xr.merge(named, join="exact", compat="no_conflicts")
    except ValueError as error:
        raise ValueError(f"{source}: its fields are not at the same times and points: {error}") from None


def field(dataset: xr.Dataset, name: str, source: str) -> xr.DataArray:
    """The field of a channel: the variable of that name, or a level of an upper-air variable.

    Raises:
        ValueError: there is none; names what there is.
    """
    if name in dataset:
        return dataset[name]
    wanted = channel(name)
    if wanted.level is not None and wanted.variable in dataset and "level" in dataset[wanted.variable].dims:
        levels = dataset[wanted.variable].level.values.tolist()
        if wanted.level not in levels:
            raise ValueError(f"{source}: no {name}; {wanted.variable} is at levels {levels}")
        return dataset[wanted.variable].sel(level=wanted.level).rename(name)
    raise ValueError(f"{source}: no {name}; it has {sorted(map(str, dataset.data_vars))}")


def static_field(dataset: xr.Dataset, name: str, source: str) -> xr.DataArray:
    """A field that does not change, (H, W); of one that is repeated, the first.

    Raises:
        ValueError: there is none; names what there is.
    """
    if name not in dataset:
        known = sorted(map(str, dataset.data_vars))
        raise ValueError(f"{source}: no static field {name!r}; it has {known} (or name another by --static)")
    found = dataset[name]
    return (found.isel(time=0) if "time" in found.dims else found).transpose("latitude", "longitude").load()


def check_geography(orography: xr.DataArray, source: str) -> None:
    """Whether values are where the coordinates say.

    Raises:
        ValueError: the highest ground is where Tibet would be on an Earth upside down or half a turn off.
    """
    highest = orography[orography.argmax(...)]
    latitude, longitude = float(highest.latitude), float(highest.longitude) % 360
    (south, north), (west, east) = TIBET
    for turned, at, to in (
        ("latitude runs the other way", -latitude, longitude),
        ("longitude is half a turn off", latitude, (longitude + 180) % 360),
        ("latitude runs the other way and longitude is half a turn off", -latitude, (longitude + 180) % 360),
    ):
        if south < at < north and west < to < east:
            raise ValueError(
                f"{source}: the highest ground is at {latitude:g}N {longitude:g}E, but the Earth's is in "
                f"Tibet: {turned}, whatever the coordinates say"
            )
