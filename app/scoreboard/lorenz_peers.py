"""Who stands beside Serein on Lorenz-63 and Lorenz-96: DAPPER's methods, and the exact posterior.

The exact posterior of a window (`models.testing.starts`) knows the model, as DAPPER's methods do, but no
observations before the window, as Serein does. Nothing that sees the same can have a smaller error.
"""

import contextlib
import importlib
import io
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray
STARTS = 500  # of which an exact posterior is made
TOGETHER = 50  # windows


@dataclass(frozen=True, eq=False)
class Twin:
    """Truth at the observation times (cycles, size), observations (cycles, p), DAPPER's record of both."""

    model: Any
    record: tuple[Any, Any]
    truth: Array
    observations: Array


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """DAPPER prints warnings and progress bars; a scoreboard prints JSON."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def simulate(module: str, seed: int, cycles: int) -> Twin:
    """DAPPER's truth and observations, `cycles` + 1 of them.

    Raises:
        ModuleNotFoundError: DAPPER is not installed (extra `peers`).
    """
    with quiet():
        logging.getLogger("matplotlib").setLevel(logging.ERROR)
        from dapper.tools.seeding import set_seed

        model = importlib.import_module(f"dapper.mods.{module}").HMM.copy()
        model.tseq.Ko = cycles
        set_seed(seed)
        states, observations = model.simulate()
    return Twin(model, (states, observations), states[model.tseq.kko], np.stack(list(observations)))


def dapper(
    twin: Twin, call: tuple[str, tuple[Any, ...], dict[str, Any]], at: Array, spin_up: int, seed: int
) -> dict[str, float]:
    """Scores of one of DAPPER's methods, at the times `at` and at all after the spin-up."""
    begin = time.monotonic()
    with quiet():
        import dapper.da_methods
        from dapper.tools.seeding import set_seed

        name, arguments, settings = call
        method = getattr(dapper.da_methods, name)(*arguments, **settings)
        set_seed(seed + 1000)
        method.assimilate(twin.model, *twin.record, liveplots=False)
    out = {}
    for key, part in (("filter", "a"), ("smoother", "s")):
        errors = getattr(method.stats.err.rms, part, None)
        if errors is not None and np.isfinite(errors[at]).all():
            out[f"{key} rmse"] = float(errors[at].mean())
            out[f"{key} rmse, all times"] = float(errors[spin_up:].mean())
    return {**out, "seconds": round(time.monotonic() - begin, 1)}


def exact(twin: Twin, at: Array, states: int, seed: int) -> dict[str, float]:
    """Scores of the posterior of the last `states` observations at each of the times `at`, of Lorenz-63."""
    import torch

    from models.classical import lorenz63, runge_kutta
    from models.testing.starts import posterior_trajectories

    begin, model = time.monotonic(), twin.model
    back = np.arange(states)[::-1]
    error = float(np.sqrt(model.Obs(0).noise.C.full[0, 0]))
    generator = torch.Generator().manual_seed(seed)

    def forecast(x: torch.Tensor) -> torch.Tensor:
        path = runge_kutta.trajectory(lorenz63.tendency, x.flatten(0, -2), 2, model.tseq.dto, model.tseq.dt)
        return path[:, -1].reshape(x.shape)

    windows = torch.from_numpy(twin.observations[at[:, None] - back])
    parts = [
        posterior_trajectories(forecast, part, error, STARTS, generator) for part in windows.split(TOGETHER)
    ]
    drawn, middle = torch.cat(parts).numpy(), states // 2
    return {
        **scores("filter", drawn[:, :, -1], twin.truth[at]),
        **scores("smoother", drawn[:, :, middle], twin.truth[at - back[middle]]),
        "seconds": round(time.monotonic() - begin, 1),
    }


def scores(name: str, ensemble: Array, truth: Array) -> dict[str, float]:
    """RMSE as DAPPER's; spread / RMSE of root mean squares, corrected for the number of members."""
    from models.verification.calibration import spread_skill

    error = ((ensemble.mean(1) - truth) ** 2).mean(-1)
    return {
        f"{name} rmse": float(np.sqrt(error).mean()),
        f"{name} spread / rmse": spread_skill(ensemble.swapaxes(0, 1), truth),
    }
