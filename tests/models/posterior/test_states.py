from dataclasses import replace

import pytest
import torch

from models.posterior import gaussian
from models.posterior.gaussian import LinearObservations
from models.posterior.states import StateObservations
from models.prior.climatology import Climatology

# five observations: the third is of two states, and looks at them as the fourth does at one
LOOKS = torch.tensor([[0, 0, 0], [1, 2, 1], [2, 2, 2], [3, 1, 2], [4, 0, 3], [2, 1, 2]])
WEIGHT = torch.tensor([1.0, 1.0, 0.3, 1.0, 2.0, 0.7], dtype=torch.float64)


def both() -> tuple[StateObservations, LinearObservations]:
    """Without zeros, and with them."""
    generator = torch.Generator().manual_seed(0)
    climatology = Climatology(3, (2, 1, 4), rank=5)
    climatology.set_covariance(torch.cov(torch.randn(24, 60, generator=generator)))
    value, background = torch.randn(2, 5, generator=generator, dtype=torch.float64)
    ways = torch.randn(4, 8, generator=generator, dtype=torch.float64)
    whole = torch.zeros(5, 3, 8, dtype=torch.float64)
    for (row, state, way), weight in zip(LOOKS.tolist(), WEIGHT, strict=True):
        whole[row, state] = weight * ways[way]
    error = torch.full((5,), 0.3, dtype=torch.float64)
    return (
        StateObservations(value, error, background, climatology, ways, LOOKS, WEIGHT),
        LinearObservations(value, error, background, climatology, whole.flatten(1)),
    )


def test_it_is_the_dense_form():
    ours, dense = both()
    generator = torch.Generator().manual_seed(1)
    windows = torch.randn(4, 3, 2, 1, 4, generator=generator)
    weights = torch.randn(4, 5, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(ours.push(windows), dense.push(windows))
    torch.testing.assert_close(ours.pull(weights), dense.pull(weights))
    torch.testing.assert_close(ours.squares, dense.squares)
    torch.testing.assert_close(ours.rows, dense.rows)
    for sigma in (None, 0.5):
        torch.testing.assert_close(ours.covariance(sigma), dense.covariance(sigma))
        torch.testing.assert_close(ours.variance(sigma), dense.variance(sigma))
        torch.testing.assert_close(ours.bracket(sigma).whiten(weights), dense.bracket(sigma).whiten(weights))
    mean = torch.zeros(3, 2, 1, 4)
    torch.testing.assert_close(ours.mean(mean), dense.mean(mean))
    white, errors = (torch.randn(4, *s, generator=generator) for s in ((3, 2, 1, 4), (5,)))
    torch.testing.assert_close(ours.draw(mean, white, errors), dense.draw(mean, white, errors))


def test_a_part_of_it_is_too():
    rows = torch.tensor([3, 2])
    ours, dense = (o.part(rows) for o in both())
    assert ours.states.tolist() == [1, 2]
    torch.testing.assert_close(ours.covariance(), dense.covariance())
    torch.testing.assert_close(ours.value, dense.value)
    torch.testing.assert_close(both()[0].among(rows), both()[1].covariance()[rows[:, None], rows])


def test_errors_may_be_shared():
    shared = torch.tensor([[1.0], [0.0], [2.0], [0.5], [0.0]], dtype=torch.float64)
    ours, dense = (replace(o, shared=shared) for o in both())
    misfit = torch.ones(2, 5, dtype=torch.float64)
    torch.testing.assert_close(ours.bracket().whiten(misfit), dense.bracket().whiten(misfit))
    torch.testing.assert_close(ours.part(torch.tensor([2, 0])).shared, shared[[2, 0]])


def test_each_of_one_state_is_a_look_of_its_own():
    whole, _ = both()
    states = torch.tensor([2, 0, 2, 1])
    own = StateObservations.each(*(torch.zeros(4).double(),) * 3, whole.climatology, whole.jacobian, states)
    assert own.states.tolist() == [0, 1, 2]
    for row, state in enumerate(states.tolist()):
        expected = torch.zeros(3, 8).double()
        expected[state] = whole.jacobian[row]
        torch.testing.assert_close(own.rows[row], expected.flatten())


def test_what_is_predicted_in_parts_is_the_whole(monkeypatch: pytest.MonkeyPatch):
    _, dense = both()
    background, rows = torch.zeros(5).double(), torch.eye(5, 24).double()
    whole = dense.predict(background, rows)
    monkeypatch.setattr(gaussian, "TOGETHER", 2)
    for part, expected in zip(dense.predict(background, rows), whole, strict=True):
        torch.testing.assert_close(part, expected)
