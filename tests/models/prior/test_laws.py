"""Mass and hydrostatic balance, of states that a network makes."""

import numpy as np
import pytest
import torch

from models.prior.laws import Laws
from models.state.channels import channel
from models.state.grid import Grid
from models.state.spec import StateSpec

NAMES = ("t850", "z500", "u500", "sp", "q850")
GRID = Grid(np.linspace(78.75, -78.75, 8), np.arange(16) * 22.5)
AREA = torch.as_tensor(GRID.area_weights, dtype=torch.float32)


def spec(*names: str) -> StateSpec:
    return StateSpec(tuple(channel(n) for n in names), GRID, 6, np.zeros(len(names)), np.ones(len(names)))


def true_states(count: int = 400) -> torch.Tensor:
    """Of which the height follows from temperature and pressure, otherwise in each row; the mass is 0.3."""
    x = torch.randn(count, len(NAMES), 8, 16, generator=torch.Generator().manual_seed(0))
    x[:, 3] += 0.3 - (x[:, 3] * AREA).mean((1, 2), keepdim=True)
    x[:, 1] = 2.0 + x[:, 0] + torch.linspace(0, 1, 8)[:, None] * x[:, 3]
    return x


@pytest.fixture
def laws() -> Laws:
    found = Laws(spec(*NAMES), ["sp"], ["z500"])
    found.fit(lambda: true_states().split(64))
    return found


def test_true_states_obey_as_they_are(laws: Laws):
    x = true_states(500)[400:]
    torch.testing.assert_close(laws(x), x, atol=2e-3, rtol=0)


def test_any_state_is_given_the_mass_that_all_have_and_the_height_of_its_own_column(laws: Laws):
    x = torch.randn(3, 2, len(NAMES), 8, 16, generator=torch.Generator().manual_seed(1))
    found = laws(x)
    torch.testing.assert_close((found[:, :, 3] * AREA).mean((-2, -1)), torch.full((3, 2), 0.3))
    shift = found[:, :, 3] - x[:, :, 3]
    torch.testing.assert_close(shift, shift[..., :1, :1].expand_as(shift))
    row = torch.linspace(0, 1, 8)[:, None]
    torch.testing.assert_close(found[:, :, 1], 2.0 + x[:, :, 0] + row * found[:, :, 3], atol=5e-3, rtol=0)
    others = [0, 2, 4]
    assert torch.equal(found[:, :, others], x[:, :, others])
    torch.testing.assert_close(laws(found), found)


def test_a_mean_of_states_that_obey_obeys(laws: Laws):
    one, two = laws(torch.randn(2, len(NAMES), 8, 16, generator=torch.Generator().manual_seed(2)))
    torch.testing.assert_close(laws(0.3 * one + 0.7 * two), 0.3 * one + 0.7 * two)


def test_half_precision_around_it_does_not_blur_a_height(laws: Laws):
    x = 20 * torch.randn(2, len(NAMES), 8, 16, generator=torch.Generator().manual_seed(3))
    with torch.autocast("cpu", torch.bfloat16):
        blurred = laws(x)
    assert torch.equal(blurred, laws(x))


def test_where_there_is_no_law_states_are_as_they_are():
    none = Laws(spec(*NAMES))
    x = true_states(2)
    none.fit(lambda: [x])
    assert none(x) is x


@pytest.mark.parametrize(
    ("names", "constant", "diagnosed", "words"),
    [
        (NAMES, ["ps"], [], "the state has no channel 'ps' that a law could hold of"),
        (NAMES, [], ["z850"], "the state has no channel 'z850'"),
        (("z500", "u500"), [], ["z500"], "z500 follow from t, q and sp, and there are none"),
    ],
)
def test_a_law_of_what_is_not_there_is_an_error(
    names: tuple[str, ...], constant: list[str], diagnosed: list[str], words: str
):
    with pytest.raises(ValueError, match=words):
        Laws(spec(*names), constant, diagnosed)
