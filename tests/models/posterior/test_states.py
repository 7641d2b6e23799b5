import pytest
import torch

from models.posterior import gaussian
from models.posterior.gaussian import LinearObservations
from models.posterior.states import StateObservations
from models.prior.climatology import Climatology

STATES = torch.tensor([0, 2, 2, 1, 0])


def both() -> tuple[StateObservations, LinearObservations]:
    generator = torch.Generator().manual_seed(0)
    climatology = Climatology(3, (2, 1, 4), rank=5)
    climatology.set_covariance(torch.cov(torch.randn(24, 60, generator=generator)))
    value, background = torch.randn(2, 5, generator=generator, dtype=torch.float64)
    part = torch.randn(5, 8, generator=generator, dtype=torch.float64)
    whole = torch.zeros(5, 3, 8, dtype=torch.float64)
    whole[torch.arange(5), STATES] = part
    error = torch.full((5,), 0.3, dtype=torch.float64)
    return (
        StateObservations(value, error, background, climatology, part, STATES),
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
    for sigma in (None, 0.5):
        torch.testing.assert_close(ours.covariance(sigma), dense.covariance(sigma))
        torch.testing.assert_close(ours.variance(sigma), dense.variance(sigma))
        torch.testing.assert_close(ours.bracket(sigma).whiten(weights), dense.bracket(sigma).whiten(weights))
    mean = torch.zeros(3, 2, 1, 4)
    torch.testing.assert_close(ours.mean(mean), dense.mean(mean))
    white, errors = (torch.randn(4, *s, generator=generator) for s in ((3, 2, 1, 4), (5,)))
    torch.testing.assert_close(ours.draw(mean, white, errors), dense.draw(mean, white, errors))


def test_a_part_of_it_is_too():
    rows = torch.tensor([3, 1])
    ours, dense = (o.part(rows) for o in both())
    assert ours.states.tolist() == [1, 2]
    torch.testing.assert_close(ours.covariance(), dense.covariance())
    torch.testing.assert_close(ours.value, dense.value)


def test_what_is_predicted_in_parts_is_the_whole(monkeypatch: pytest.MonkeyPatch):
    _, dense = both()
    background, rows = torch.zeros(5).double(), torch.eye(5, 24).double()
    whole = dense.predict(background, rows)
    monkeypatch.setattr(gaussian, "TOGETHER", 2)
    for part, expected in zip(dense.predict(background, rows), whole, strict=True):
        torch.testing.assert_close(part, expected)
