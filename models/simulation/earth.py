"""A simulated Earth: SPEEDY's physics on a spectral core (jcm), integrated six hours at a time.

SPEEDY (Molteni 2003; Kucharski et al. 2013) is a moist general circulation model with simple physics; jcm
runs it on the spherical-harmonic core `dinosaur` (Kochkov et al. 2024) in JAX. Orography, land, monthly sea
surface temperature and sea ice are the real ones; a diurnal cycle, and differences between years, are not.

The default diffusion of SPEEDY makes errors double in 5.4 days, twice as slowly as in the real atmosphere.
`diffusion="weak"` damps vorticity, humidity and temperature four times less (3.6 days); divergence keeps its
two hours.

A state on the grid has 34 channels: u, v, t, q on eight levels, named by a thousand times their sigma (hPa at
1000 hPa surface pressure), `sp` and `z500`. jcm, of the extra `simulate`, is imported only here.
"""

import warnings
from importlib import resources
from typing import Any, Literal

import jax
import jax.numpy as jnp
import jax_datetime as jdt
import numpy as np
from jcm.date import DateData
from jcm.diffusion import DiffusionFilter
from jcm.dycore.dinosaur.dycore import DinosaurDycore
from jcm.forcing import ForcingData
from jcm.model import Model
from jcm.physics.speedy.speedy_coords import get_speedy_coords
from jcm.physics.speedy.speedy_terms import speedy_physics
from jcm.physics_interface import PhysicsState, verify_state
from jcm.terrain import TerrainData

from models.state.grid import Grid

Diffusion = Literal["weak", "default"]
GRAVITY = 9.81  # m s-2, jcm's
HOUR = 3600
STEP = 6 * HOUR
REFERENCE_PRESSURE = 1e5  # Pa, in which jcm counts surface pressure


class Earth:
    """The model: `start`, `advance` and `fields` are pure functions of a state, a pytree.

    Arguments:
        truncation: of the spherical harmonics: 21 (32 x 64 points) or 31 (48 x 96).
        diffusion: "weak", or SPEEDY's "default".
        step_minutes: of the time step: 30, or 60 for half the cost and a different climate.

    Raises:
        ValueError: the time step does not divide six hours.

    Attributes:
        grid: Gaussian, north to south.
        levels: a thousand times sigma, top first.
        channels: names, in the order of `fields`.
        orography: m2 s-2, (H, W); land: fraction, (H, W).
        description: the arguments.
    """

    def __init__(self, truncation: int = 21, diffusion: Diffusion = "weak", step_minutes: float = 30) -> None:
        coordinates = get_speedy_coords(layers=8, spectral_truncation=truncation)
        terrain, forcing = _boundary(coordinates)
        self.description = {"truncation": truncation, "diffusion": diffusion, "step_minutes": step_minutes}
        self._seconds = int(step_minutes * 60)
        if self._seconds <= 0 or STEP % self._seconds:
            raise ValueError(f"a time step of {step_minutes:g} minutes does not divide six hours")
        core = DinosaurDycore(
            coordinates, terrain, self._seconds, diffusion=_filter(diffusion), advection="eulerian"
        )
        self.model = Model(dycore=core, physics=speedy_physics(), start_time="2000-01-01")
        self._step = self.model._get_op_split_step_fn(forcing)
        longitude, sine = (np.asarray(axis) for axis in coordinates.horizontal.nodal_axes)
        self.grid = Grid(np.rad2deg(np.arcsin(sine))[::-1], np.rad2deg(longitude))
        self.sigma = np.asarray(coordinates.vertical.centers)
        self.levels = [round(1000 * s) for s in self.sigma]
        self.channels = [f"{v}{level}" for v in "uvtq" for level in self.levels] + ["sp", "z500"]
        self._advance, self._fields = jax.jit(self._integrate), jax.jit(self._on_grid)
        self._moved = jax.jit(self._move)
        self.orography = _north_first(np.asarray(terrain.orog)) * GRAVITY
        self.land = _north_first(np.asarray(terrain.fmask))

    def start(self, seed: int, day: int = 0) -> Any:
        """An isothermal atmosphere at rest, with small noise, on `day` after 1 January 2000."""
        state = self.model.initial_state(random_seed=seed)
        time = self.model.start_time + jdt.Timedelta(days=day)
        carry = self.model.initial_physics_carry()
        return jax.tree_util.tree_map(jnp.asarray, (state, carry, time, jnp.int32(0)))

    def advance(self, state: Any) -> Any:
        """The state six hours later."""
        return self._advance(state)

    def fields(self, state: Any) -> jax.Array:
        """The state on the grid in SI units, (34, H, W)."""
        return self._fields(state)

    def _move(self, state: Any, before: jax.Array, after: jax.Array) -> Any:
        modal, *rest = state
        old, new = self._spectral(state, before), self._spectral(state, after)
        there = jax.tree_util.tree_map(lambda x, a, b: x + (b - a), modal, old, new)
        return (there.replace(sim_time=modal.sim_time), *rest)

    def _spectral(self, state: Any, fields: jax.Array) -> Any:
        like, levels = self.physical(state), len(self.levels)
        u, v, t, q = (_as_jcm(fields[k * levels : (k + 1) * levels]) for k in range(4))
        pressure = _as_jcm(fields[4 * levels]) / REFERENCE_PRESSURE
        on_grid = like.copy(
            u_wind=u,
            v_wind=v,
            temperature=t,
            specific_humidity=jnp.maximum(q, 0),
            normalized_surface_pressure=pressure.reshape(like.normalized_surface_pressure.shape),
        )
        tracers = {tracer.name: tracer for tracer in self.model.physics.required_tracers()}
        return self.model.dycore.initial_state(on_grid, tracer_specs=tracers)

    def _integrate(self, state: Any) -> Any:
        step = jdt.Timedelta(seconds=jnp.int32(self._seconds))

        def body(full: Any, _: None) -> tuple[Any, None]:
            modal, carry, time, count = full
            modal, carry = self._step(modal, carry, DateData(time, count, self._seconds))
            return (modal, carry, time + step, count + jnp.int32(1)), None

        return jax.lax.scan(body, state, None, length=STEP // self._seconds)[0]

    def moved(self, state: Any, before: jax.Array, after: jax.Array) -> Any:
        """The state whose fields, (34, H, W), were `before` and become `after`; z500 follows from the others.

        The difference is added to the spectral state: fields made spectral and brought back to the grid are
        not the same (wind by 0.1 to 0.5 m s-1): in every cycle of an assimilation an error more.
        """
        return self._moved(state, before, after)

    def leaves(self, state: Any) -> list[np.ndarray]:
        """All numbers of a state."""
        return [np.asarray(leaf) for leaf in jax.tree_util.tree_leaves(state)]

    def restore(self, leaves: list[np.ndarray]) -> Any:
        """The state of these numbers."""
        structure = jax.tree_util.tree_structure(self.start(0))
        return jax.tree_util.tree_unflatten(structure, [jnp.asarray(leaf) for leaf in leaves])

    def physical(self, state: Any) -> PhysicsState:
        """The state on the grid, as jcm has it: (levels, longitude, latitude from the south)."""
        return verify_state(self.model.dycore.to_physics_state(state[0]))

    def _on_grid(self, state: Any) -> jax.Array:
        p = self.physical(state)
        pressure = p.normalized_surface_pressure.reshape(p.u_wind.shape[1:]) * REFERENCE_PRESSURE
        z500 = _at_pressure(p.geopotential, jnp.asarray(self.sigma)[:, None, None] * pressure, 50000.0)
        upper = [p.u_wind, p.v_wind, p.temperature, p.specific_humidity]
        return _north_first(jnp.concatenate([*upper, pressure[None], z500[None]]))


def _boundary(coordinates: Any) -> tuple[TerrainData, ForcingData]:
    """Orography and coasts, and the monthly climate of the surface, which jcm brings for T30."""
    climate = resources.files("jcm") / "data/bc/t30/clim"
    with warnings.catch_warnings():  # of jcm's ways with xarray and pandas, which will change
        warnings.simplefilter("ignore")
        terrain = TerrainData.from_file(str(climate / "terrain.nc"), coords=coordinates)
        forcing = ForcingData.from_file(
            str(climate / "forcing.nc"), coords=coordinates, align_mode="wrap_year"
        )
    return terrain, forcing


def _filter(diffusion: Diffusion) -> DiffusionFilter:
    if diffusion == "default":
        return DiffusionFilter.default()
    return DiffusionFilter(
        div_timescale=2 * HOUR,
        div_order=1,
        vor_q_timescale=48 * HOUR,
        vor_q_order=2,
        temp_timescale=96 * HOUR,
        temp_order=2,
    )


def _north_first(x: Any) -> Any:
    """(..., longitude, latitude from the south) -> (..., latitude from the north, longitude)."""
    return x.swapaxes(-1, -2)[..., ::-1, :]


def _as_jcm(x: jax.Array) -> jax.Array:
    """(..., latitude from the north, longitude) -> (..., longitude, latitude from the south)."""
    return x[..., ::-1, :].swapaxes(-1, -2)


def _at_pressure(values: jax.Array, pressure: jax.Array, wanted: float) -> jax.Array:
    """Values (levels, ...) at a pressure, linear in its logarithm; beyond the ends the last two go on."""
    x = jnp.log(pressure)
    below = jnp.clip((x < jnp.log(wanted)).sum(0) - 1, 0, len(x) - 2)

    def take(a: jax.Array, level: jax.Array) -> jax.Array:
        return jnp.take_along_axis(a, level[None], 0)[0]

    lower, upper = take(x, below), take(x, below + 1)
    weight = (jnp.log(wanted) - lower) / (upper - lower)
    return take(values, below) * (1 - weight) + take(values, below + 1) * weight
