"""Filters for a grid of forces find the force, and know nothing where nothing is said."""

import torch

from models.classical import lorenz96
from models.classical.force import ForceGrid

STATES, POINTS = torch.tensor([0, 3, 6]), torch.arange(0, 40, 2)


def test_the_force_is_found_and_errors_that_drown_it_leave_the_prior() -> None:
    generator = torch.Generator().manual_seed(0)
    grid = ForceGrid.build(300, 0.05, generator)
    x = lorenz96.forced(8, 7, 0.05, generator)
    clean, force = x[:, STATES][..., POINTS], x[:, 0, -1]
    noise = torch.randn(clean.shape, generator=generator, dtype=torch.float64)
    found = torch.stack(
        [grid.posterior(y, STATES, POINTS, 1.0, generator) @ grid.forces for y in clean + noise]
    )
    assert float((found - force).square().mean().sqrt()) < 0.6 * float(force.std())
    drowned = grid.posterior((clean + 1000 * noise)[0], STATES, POINTS, 1000.0, generator)
    mean = drowned @ grid.forces
    spread = (drowned @ grid.forces**2 - mean**2).sqrt()
    assert abs(float(mean) - lorenz96.FORCE) < 0.1
    assert abs(float(spread) - lorenz96.FORCE_SPREAD) < 0.1
