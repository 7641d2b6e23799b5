"""Modes of space and their courses are the modes of windows that they stand for."""

import torch

from models.prior.climatology import Climatology
from models.prior.space_time import SpaceTimeClimatology

WINDOW, SHAPE, SPATIAL, RANK = 3, (2, 2, 3), 4, 5


def both() -> tuple[SpaceTimeClimatology, Climatology]:
    generator = torch.Generator().manual_seed(0)
    spatial = torch.linalg.qr(torch.randn(12, SPATIAL, generator=generator).double())[0].T
    courses = torch.linalg.qr(torch.randn(WINDOW * SPATIAL, RANK, generator=generator).double())[0].T
    variances = torch.linspace(3, 1, RANK)
    ours = SpaceTimeClimatology.of(
        torch.randn(5, *SHAPE, generator=generator),
        spatial,
        courses.reshape(RANK, WINDOW, SPATIAL),
        variances,
        floor=0.3,
    )
    plain = Climatology(WINDOW, SHAPE, RANK)
    plain.floor.fill_(0.3)
    plain.seasons.copy_(ours.seasons)
    plain.modes.copy_(ours.modes)
    plain.variances.copy_(variances)
    return ours, plain


def test_it_is_the_climatology_of_these_modes():
    ours, plain = both()
    x = torch.randn(4, WINDOW, *SHAPE, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(ours.modes @ ours.modes.T, torch.eye(RANK).double())
    torch.testing.assert_close(ours.apply(torch.sqrt, x), plain.apply(torch.sqrt, x))
    torch.testing.assert_close(ours.along(x.flatten(1)), plain.along(x.flatten(1)))
    a = torch.randn(4, RANK, generator=torch.Generator().manual_seed(2)).double()
    torch.testing.assert_close(ours.across(a), plain.across(a))
    when = torch.tensor([0.1, 0.2, 0.3])
    torch.testing.assert_close(ours.mean(when), plain.mean(when))


def test_one_state_alone_is_a_window_of_zeros_but_for_it():
    for climatology in both():
        state = torch.randn(4, 12, generator=torch.Generator().manual_seed(3)).double()
        for position in range(WINDOW):
            window = torch.zeros(4, WINDOW, 12).double()
            window[:, position] = state
            along = climatology.along_state(state, position)
            torch.testing.assert_close(along, climatology.along(window.flatten(1)))
            torch.testing.assert_close(along.float(), state.float() @ climatology.at_state(position))
