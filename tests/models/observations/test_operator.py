"""The observation operator: what it interpolates, and that its adjoint is its adjoint."""

import numpy as np
import pandas as pd
import pytest
import torch

from models.observations.operator import ObservationOperator
from models.observations.table import conform
from models.state.channels import channel
from models.state.grid import Grid
from models.state.spec import StateSpec

TIMES = pd.date_range("2019-02-17T12:00Z", periods=3, freq="24h")
GRIDS = {
    "europe": Grid(60 - 1.5 * np.arange(21), -20 + 1.5 * np.arange(24)),
    "global": Grid(np.linspace(90, -90, 19), np.arange(0, 360, 10.0)),
    "gaussian": Grid(85 - 10.0 * np.arange(18), np.arange(0, 360, 10.0)),
}


def spec(grid: Grid) -> StateSpec:
    channels = tuple(channel(c) for c in ("msl", "z500", "t850", "t500"))
    return StateSpec(channels, grid, 24, np.zeros(4), np.ones(4))


def observations(grid: Grid, count: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    south, north = grid.latitude[-1], grid.latitude[0]
    west, east = (0, 360) if grid.periodic else (grid.longitude[0], grid.longitude[-1])
    variable = rng.choice(["msl", "t", "z"], count)
    return conform(
        pd.DataFrame(
            {
                "station_id": [f"s{i}" for i in range(count)],
                "time": TIMES[0] + pd.to_timedelta(rng.uniform(-1, 49, count), unit="h"),
                "latitude": rng.uniform(south, north, count),
                "longitude": rng.uniform(west, east, count),
                "variable": variable,
                "pressure": np.where(variable == "msl", np.nan, rng.uniform(45_000, 90_000, count)),
                "value": 0.0,
            }
        )
    )


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_the_adjoint_satisfies_the_dot_product_test(name: str, dtype: torch.dtype, tolerance: float) -> None:
    operator = ObservationOperator.build(observations(GRIDS[name]), spec(GRIDS[name]), TIMES)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, *operator.shape, generator=generator, dtype=dtype)
    y = torch.randn(2, len(operator.index), generator=generator, dtype=dtype)
    hx, hty = operator(x), operator.adjoint(y)
    left, right = (hx * y).double().sum(), (x.double() * hty.double()).sum()
    scale = hx.double().norm() * y.double().norm()
    assert hx.norm() > 0 and hty.norm() > 0
    assert abs(left - right) / scale < tolerance


def test_the_adjoint_is_what_automatic_differentiation_finds() -> None:
    operator = ObservationOperator.build(observations(GRIDS["global"]), spec(GRIDS["global"]), TIMES)
    x = torch.zeros(operator.shape, dtype=torch.float64, requires_grad=True)
    y = torch.randn(len(operator.index), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    (gradient,) = torch.autograd.grad((operator(x) * y).sum(), x)
    assert torch.allclose(gradient, operator.adjoint(y), atol=1e-14)


def one(time: str, pressure: float, variable: str) -> pd.DataFrame:
    row = {"time": time, "latitude": 45.0, "longitude": 0.0, "variable": variable, "value": 0.0}
    return conform(pd.DataFrame([{**row, "pressure": pressure}]))


def test_levels_are_interpolated_in_log_pressure_and_states_in_time() -> None:
    operator = ObservationOperator.build(
        one("2019-02-17T18:00Z", np.sqrt(500 * 850) * 100, "t"), spec(GRIDS["europe"]), TIMES
    )
    states = torch.zeros(operator.shape, dtype=torch.float64)
    states[0, 2], states[0, 3] = 280.0, 250.0  # t850, t500
    states[1, 2], states[1, 3] = 284.0, 254.0
    assert operator(states).item() == pytest.approx(265.0 + 0.25 * 4)


def test_beyond_the_levels_and_times_the_nearest_counts() -> None:
    operator = ObservationOperator.build(one("2019-02-17T11:30Z", 92_500, "t"), spec(GRIDS["europe"]), TIMES)
    states = torch.zeros(operator.shape, dtype=torch.float64)
    states[0, 2] = 280.0
    assert operator(states).item() == pytest.approx(280.0)


def test_a_variable_the_state_does_not_hold_is_named() -> None:
    with pytest.raises(ValueError, match="holds no q"):
        ObservationOperator.build(one("2019-02-17T12:00Z", 85_000, "q"), spec(GRIDS["europe"]), TIMES)


def test_the_parts_of_the_states_add_up_to_the_whole() -> None:
    operator = ObservationOperator.build(observations(GRIDS["europe"]), spec(GRIDS["europe"]), TIMES)
    states = torch.randn(operator.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    total = torch.zeros(len(operator.index), dtype=torch.float64)
    for position, state in enumerate(states):
        rows, own = operator.of_state(position)
        total[rows] += own(state[None])
    assert torch.allclose(total, operator(states))


def test_an_observation_at_359_9_east_reads_the_last_and_the_first_column() -> None:
    grid = GRIDS["global"]
    row = {"time": "2019-02-17T12:00Z", "latitude": 40.0, "longitude": 359.9, "variable": "msl", "value": 0.0}
    operator = ObservationOperator.build(conform(pd.DataFrame([row])), spec(grid), TIMES)
    states = torch.zeros(operator.shape, dtype=torch.float64)
    states[0, 0, :, -1], states[0, 0, :, 0] = 1000.0, 2000.0  # 350E and 0E
    assert operator(states).item() == pytest.approx(1990.0)
