"""Both factorisations of the bracket against dense algebra; products with a Jacobian against the matrix."""

import pytest
import torch

from models.posterior.bracket import Bracket, DenseBracket, ModeBracket
from models.posterior.jacobian import Jacobian


def systems() -> list[tuple[Bracket, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    along = torch.randn(40, 7, generator=generator, dtype=torch.float64)
    diagonal = torch.rand(40, generator=generator, dtype=torch.float64) + 1e-4
    variances = torch.rand(7, generator=generator, dtype=torch.float64) + 0.5
    matrix = (along * variances) @ along.T + diagonal.diag()
    modes = ModeBracket.of(along, variances, diagonal)
    return [(DenseBracket(torch.linalg.cholesky(matrix)), matrix), (modes, matrix)]


@pytest.mark.parametrize(("bracket", "matrix"), systems())
def test_whitening_twice_is_the_inverse(bracket: Bracket, matrix: torch.Tensor) -> None:
    d = torch.randn(3, 40, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    solved = bracket.unwhiten(bracket.whiten(d))
    assert torch.allclose(solved @ matrix, d, atol=1e-9)
    assert torch.allclose(bracket.inverse_diagonal(), torch.linalg.inv(matrix).diagonal(), rtol=1e-8)
    squared = bracket.whiten(d).square().sum(-1)
    assert torch.allclose(squared, (d * torch.linalg.solve(matrix, d.T).T).sum(-1), rtol=1e-9)


def test_modes_that_no_observation_sees_are_left_out() -> None:
    along = torch.zeros(5, 3, dtype=torch.float64)
    along[:, 0] = 1
    bracket = ModeBracket.of(along, torch.ones(3, dtype=torch.float64), torch.ones(5, dtype=torch.float64))
    assert bracket.growth.shape == (1,)
    assert torch.isfinite(bracket.whiten(torch.ones(1, 5, dtype=torch.float64))).all()


def test_products_with_a_jacobian_are_those_of_the_matrix_and_adjoint_to_each_other() -> None:
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(6, 4, generator=generator, dtype=torch.float64)

    def function(x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(x @ weights.T) * x.sum(-1, keepdim=True)

    x, u = torch.randn(2, 3, 4, generator=generator, dtype=torch.float64)
    w = torch.randn(3, 6, generator=generator, dtype=torch.float64)
    at = Jacobian(function, x)
    for row in range(3):
        matrix = torch.autograd.functional.jacobian(function, x[row])
        assert torch.allclose(at.push(u)[row], matrix @ u[row])
        assert torch.allclose(at.pull(w)[row], matrix.T @ w[row])
    assert torch.allclose((at.push(u) * w).sum(), (at.pull(w) * u).sum(), rtol=1e-12)
