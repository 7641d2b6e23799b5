"""An ensemble as a Zarr v3 store, by the CF conventions, written by many workers at once.

Dimensions are number, time, (level,) latitude, longitude; one array per variable. Channels on pressure levels
are collected by variable: z500 is variable z at level 500. All such variables share one `level` coordinate;
a level the state does not hold for a variable is NaN throughout.

A chunk is one field; the levels of a variable at one member and time are one shard, one object in the store,
so that workers with different members never touch the same object. Chunks of nothing but NaN are written too:
an object that is missing is then lost, and can be told from one that is empty.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import obstore
import xarray as xr
import zarr
from numpy.typing import NDArray
from obstore.store import MemoryStore, ObjectStore
from zarr.codecs import BloscCodec

from models.state.channels import Channel
from models.state.spec import StateSpec
from models.verification.pairs import spread
from workers.store.objects import get_bytes, put_bytes

EPOCH = np.datetime64("1970-01-01T00", "h")
WRITE_EMPTY = {"array.write_empty_chunks": True}
GLOBAL = {"Conventions": "CF-1.11", "title": "Ensemble of analysed atmospheric trajectories"}
AXES: dict[str, dict[str, Any]] = {
    "number": {"standard_name": "realization", "long_name": "ensemble member", "units": "1", "axis": "E"},
    "time": {
        "standard_name": "time",
        "units": "hours since 1970-01-01 00:00:00",
        "calendar": "proleptic_gregorian",
        "axis": "T",
    },
    "level": {"standard_name": "air_pressure", "units": "hPa", "positive": "down", "axis": "Z"},
    "latitude": {"standard_name": "latitude", "units": "degrees_north", "axis": "Y"},
    "longitude": {"standard_name": "longitude", "units": "degrees_east", "axis": "X"},
}


@dataclass(frozen=True)
class Layout:
    """Which channel lies where in the store.

    Attributes:
        state: what is stored.
        levels: pressure levels (hPa), the highest pressure first; empty if all channels lie at the surface.
        variables: variable -> its channels.
    """

    state: StateSpec
    levels: tuple[int, ...]
    variables: Mapping[str, tuple[Channel, ...]]

    @classmethod
    def of(cls, state: StateSpec) -> "Layout":
        """The layout for the channels of a state."""
        variables: dict[str, list[Channel]] = {}
        for channel in state.channels:
            variables.setdefault(channel.variable, []).append(channel)
        levels = sorted({c.level for c in state.channels if c.level is not None}, reverse=True)
        return cls(state, tuple(levels), {name: tuple(found) for name, found in variables.items()})

    def on_levels(self, variable: str) -> bool:
        """Whether the variable has a level dimension."""
        return self.variables[variable][0].level is not None


def create_ensemble(
    store: ObjectStore,
    path: str,
    state: StateSpec,
    members: int,
    times: Sequence[datetime],
    attributes: Mapping[str, Any],
) -> None:
    """Write the empty store: all metadata and coordinates, no fields yet.

    Args:
        store: the object store.
        path: folder of the Zarr store in it.
        state: channels and grid.
        members: size of the ensemble.
        times: times of the states, UTC.
        attributes: provenance, added to the global attributes.
    """
    layout, template = (
        Layout.of(state),
        MemoryStore(),
    )  # in a path of `store`, zarr would make all parents groups
    root = zarr.create_group(_zarr(template), attributes={**GLOBAL, **attributes})
    hours = [(np.datetime64(t.replace(tzinfo=None), "h") - EPOCH).astype(int) for t in times]
    axes: dict[str, NDArray[Any]] = {
        "number": np.arange(members, dtype=np.int32),
        "time": np.asarray(hours, dtype=np.int64),
        "level": np.asarray(layout.levels, dtype=np.float64),
        "latitude": np.asarray(state.grid.latitude, dtype=np.float64),
        "longitude": np.asarray(state.grid.longitude, dtype=np.float64),
    }
    if not layout.levels:
        del axes["level"]
    with zarr.config.set(WRITE_EMPTY):
        for name, values in axes.items():
            array = root.create_array(
                name,
                shape=values.shape,
                dtype=values.dtype,
                chunks=values.shape,
                dimension_names=(name,),
                attributes=AXES[name],
                fill_value=None if values.dtype.kind == "i" else np.nan,
            )
            array[:] = values
    field = state.grid.shape
    for variable in layout.variables:
        upper = layout.on_levels(variable)
        levels = (len(layout.levels),) if upper else ()
        root.create_array(
            variable,
            shape=(members, len(times), *levels, *field),
            dtype="float32",
            chunks=(1, 1, *((1,) if upper else ()), *field),
            shards=(1, 1, *levels, *field) if upper else None,
            compressors=BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle", typesize=4),
            fill_value=np.nan,
            dimension_names=("number", "time", *(("level",) if upper else ()), "latitude", "longitude"),
            attributes=_attributes(layout.variables[variable]),
        )
    for page in obstore.list(template):
        for meta in page:
            put_bytes(store, f"{path}/{meta['path']}", get_bytes(template, meta["path"]))


def _attributes(channels: Sequence[Channel]) -> dict[str, Any]:
    first = channels[0]
    long_name = first.long_name if first.level is None else first.long_name.partition(" at ")[0]
    standard_name = {"standard_name": first.standard_name} if first.standard_name else {}
    return {**standard_name, "units": first.units, "long_name": long_name, "cell_methods": "time: point"}


def write_members(
    store: ObjectStore, path: str, state: StateSpec, members: Sequence[int], fields: NDArray[np.float32]
) -> None:
    """Write whole members, shard by shard.

    Args:
        store: the object store.
        path: folder of the Zarr store in it, made by `create_ensemble`.
        state: channels and grid.
        members: which members these are.
        fields: SI units, (member, time, channel, latitude, longitude).
    """
    layout = Layout.of(state)
    expected = (len(members), fields.shape[1], *state.shape)
    if fields.shape != expected:
        raise ValueError(f"fields have shape {fields.shape}, expected {expected}")
    with zarr.config.set(WRITE_EMPTY):
        for variable, channels in layout.variables.items():
            array = zarr.open_array(_zarr(store), path=f"{path}/{variable}", mode="r+")
            for block, member in enumerate(members):
                for time in range(fields.shape[1]):
                    array[member, time] = _stacked(layout, channels, fields[block, time])


def _stacked(layout: Layout, channels: Sequence[Channel], state: NDArray[np.float32]) -> NDArray[np.float32]:
    """A variable's field (lat, lon), or its levels (level, lat, lon) with NaN where the state has none."""
    if channels[0].level is None:
        return state[layout.state.index(channels[0].name)]
    stack = np.full((len(layout.levels), *state.shape[1:]), np.nan, dtype=np.float32)
    for channel in channels:
        assert channel.level is not None  # noqa: S101 - a variable lies on levels or it does not
        stack[layout.levels.index(channel.level)] = state[layout.state.index(channel.name)]
    return stack


def read_channel(store: ObjectStore, path: str, state: StateSpec, name: str) -> NDArray[np.float32]:
    """One channel of all members and times, (member, time, latitude, longitude)."""
    layout, channel = Layout.of(state), state.channels[state.index(name)]
    array = zarr.open_array(_zarr(store), path=f"{path}/{channel.variable}", mode="r")
    if channel.level is None:
        return np.asarray(array[:])
    return np.asarray(array[:, :, layout.levels.index(channel.level)])


def read_members(store: ObjectStore, path: str, state: StateSpec) -> NDArray[np.float32]:
    """All fields, (member, time, channel, latitude, longitude)."""
    return np.stack([read_channel(store, path, state, name) for name in state.names], axis=2)


def mean_and_spread(
    store: ObjectStore, path: str, state: StateSpec
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Ensemble mean, and spread of members in mirrored pairs, each (time, channel, lat, lon)."""
    means, spreads = [], []
    for name in state.names:
        fields = read_channel(store, path, state, name).astype(np.float64)
        means.append(fields.mean(axis=0))
        spreads.append(spread(fields))
    return np.stack(means, axis=1).astype(np.float32), np.stack(spreads, axis=1).astype(np.float32)


def consolidate(store: ObjectStore, path: str) -> None:
    """Collect all metadata in one document: over HTTP, where nothing can be listed, readers need it."""
    with warnings.catch_warnings():  # the specification does not have it yet; all readers of Zarr v3 do
        warnings.filterwarnings("ignore", "Consolidated metadata", zarr.errors.ZarrUserWarning)
        zarr.consolidate_metadata(_zarr(store), path=path)


def open_ensemble(store: ObjectStore, path: str) -> xr.Dataset:
    """The ensemble as an xarray Dataset, lazily."""
    return xr.open_zarr(zarr.storage.StorePath(_zarr(store), path), chunks=None)


def expected_keys(state: StateSpec, members: int, times: int) -> Iterator[str]:
    """Objects the fields must consist of, relative to the Zarr store: one per variable, member and time."""
    layout = Layout.of(state)
    for variable in layout.variables:
        tail = "/0/0/0" if layout.on_levels(variable) else "/0/0"
        for member in range(members):
            for time in range(times):
                yield f"{variable}/c/{member}/{time}{tail}"


def _zarr(store: ObjectStore) -> zarr.storage.ObjectStore:
    return zarr.storage.ObjectStore(store)
