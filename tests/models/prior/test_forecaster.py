import pytest
import torch

from models.prior.forecaster import Forecaster

SHAPE = (3, 4, 8)


@pytest.fixture
def forecaster() -> Forecaster:
    """Its outputs have weights, so that it says something."""
    generator = torch.Generator().manual_seed(0)
    network = Forecaster(SHAPE, torch.zeros(2, *SHAPE[1:]), 6, directions=2, states=3, width=8, blocks=2)
    for parameter in network.parameters():
        parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator)
    return network.eval().requires_grad_(False)


def states(count: int = 2) -> torch.Tensor:
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(1))


WHEN = torch.tensor([0.2, 0.7])


def test_who_has_learned_nothing_says_that_states_stay():
    network = Forecaster(SHAPE, torch.zeros(2, *SHAPE[1:]), 6, directions=2, states=3, width=8, blocks=2)
    z = states()
    assert all(made.equal(z) for made in network(z, WHEN))


def test_a_course_is_one_step_after_another_in_the_order_of_time(forecaster: Forecaster):
    z, later = states(), WHEN + 0.25 / 365.25
    after, _ = forecaster(z, WHEN)
    ahead = forecaster.course(z, WHEN, 2)
    assert ahead[:, 0].equal(z) and ahead[:, 1].equal(after)
    torch.testing.assert_close(ahead[:, 2], forecaster(after, later)[0])
    _, before = forecaster(z, WHEN)
    back = forecaster.course(z, WHEN, 2, back=True)
    assert back[:, 2].equal(z) and back[:, 1].equal(before)


def test_a_year_begins_anew(forecaster: Forecaster):
    z, last = states(1), torch.tensor([1 - 0.1 / 365.25])
    expected, _ = forecaster(forecaster(z, last)[0], torch.tensor([0.15 / 365.25]))
    torch.testing.assert_close(forecaster.course(z, last, 2)[:, 2], expected, rtol=1e-4, atol=1e-4)


def test_the_season_is_heard(forecaster: Forecaster):
    z = states()
    assert not torch.allclose(forecaster(z, WHEN)[0], forecaster(z, WHEN + 0.3)[0], atol=1e-3)


def test_what_is_far_is_not_heard_in_a_step(forecaster: Forecaster):
    z = states(1)
    moved = z.clone()
    moved[..., 2, 0] += 1
    changed = (forecaster(moved, WHEN[:1])[0] - forecaster(z, WHEN[:1])[0]).abs().sum((0, 1, 2)) > 1e-6
    assert not changed[3:6].any() and changed[[7, 0, 1]].all()
