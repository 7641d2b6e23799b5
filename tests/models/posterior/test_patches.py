"""Observations turned patch by patch, against dense algebra."""

import pytest
import torch

from models.posterior.bracket import ModeBracket
from models.posterior.patches import MOST, Patch, Turn, TurnedBracket, alike, together

P, RANK = 40, 7


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


WHERE = torch.arange(P) * 7 % 5  # which patch; the last rows are in none
ALONE = 6


def parts() -> tuple[torch.Tensor, torch.Tensor, list[Patch], torch.Tensor]:
    """Error variances, what small scales add to each, their patches, and the same as a matrix."""
    samples, rest = normal(200, P - ALONE, seed=0), torch.rand(P, generator=torch.Generator().manual_seed(1))
    samples += normal(200, 1, seed=2)
    there = [
        Patch(rows, alike(samples[:, rows], rest[rows].double())) for rows in together(WHERE[: P - ALONE])
    ]
    whole = rest.double().diag()
    for patch in there:
        whole[patch.rows[:, None], patch.rows] = patch.covariance
    return 0.1 + normal(P, seed=3).square(), rest.double(), there, whole


def test_patches_hold_every_row_once_and_its_variance() -> None:
    _, rest, there, whole = parts()
    assert torch.cat([p.rows for p in there]).sort().values.tolist() == list(range(P - ALONE))
    assert all(len(WHERE[p.rows].unique()) == 1 for p in there)
    torch.testing.assert_close(whole.diagonal(), rest)
    assert whole[0, 5] > 0.25 * (rest[0] * rest[5]).sqrt()  # as the samples are correlated


def test_a_patch_of_very_many_is_cut() -> None:
    assert [len(rows) for rows in together(torch.zeros(MOST + 10))] == [MOST, 10]


@pytest.mark.parametrize("floor", [0.0, 0.3])
def test_turned_errors_are_independent_whatever_small_scales_add(floor: float) -> None:
    variances, rest, there, whole = parts()
    turn = Turn.of(variances, rest, there)
    matrix = turn(torch.eye(P, dtype=torch.float64)).T
    expected = torch.diag(1 + floor * turn.theta)
    torch.testing.assert_close(matrix @ (variances.diag() + floor * whole) @ matrix.T, expected)
    x, y = normal(3, P, seed=4), normal(3, P, seed=5)
    torch.testing.assert_close((turn(x) * y).sum(), (x * turn.back(y)).sum())


def test_the_bracket_of_turned_observations_is_that_of_the_observations() -> None:
    variances, rest, there, whole = parts()
    along, modes, floor = normal(P, RANK, seed=6), torch.rand(RANK, dtype=torch.float64) + 0.5, 0.3
    turn = Turn.of(variances, rest, there)
    turned = ModeBracket.of(turn(along.T).T.contiguous(), modes, 1 + floor * turn.theta)
    bracket = TurnedBracket(turn, turned)
    matrix = (along * modes) @ along.T + variances.diag() + floor * whole
    d = normal(3, P, seed=7)
    torch.testing.assert_close(bracket.unwhiten(bracket.whiten(d)) @ matrix, d)
    squared = (d * torch.linalg.solve(matrix, d.T).T).sum(-1)
    torch.testing.assert_close(bracket.whiten(d).square().sum(-1), squared)
    torch.testing.assert_close(bracket.inverse_diagonal(), torch.linalg.inv(matrix).diagonal())
