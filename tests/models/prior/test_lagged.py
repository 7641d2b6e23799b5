"""The Climatology from lagged covariances is that of the process they were taken from."""

import pytest
import torch

from models.prior.lagged import LaggedCovariance

R, SHAPE = 3, (2, 2, 3)


def an_oscillation() -> tuple[torch.Tensor, LaggedCovariance]:
    """a' = A a + e, stationary; returns E[a_t a_{t+k}^T] for k = 0 ... 4, and the same as a Climatology's."""
    turn = torch.tensor([[0.8, 0.5, 0.0], [-0.5, 0.8, 0.1], [0.0, 0.0, 0.6]], dtype=torch.float64)
    noise = torch.diag(torch.tensor([0.3, 0.3, 1.0], dtype=torch.float64))
    covariance = noise
    for _ in range(400):
        covariance = turn @ covariance @ turn.T + noise
    lagged = torch.stack([covariance @ torch.linalg.matrix_power(turn.T, k) for k in range(5)])
    spatial = torch.linalg.qr(torch.randn(12, R, generator=torch.Generator().manual_seed(0)))[0].T
    variances = {step: torch.linalg.eigvalsh(stacked(lagged, step // 6)).flip(0).float() for step in (6, 12)}
    floors = {6: 0.2, 12: 0.3}
    return lagged, LaggedCovariance(
        torch.zeros(5, *SHAPE), spatial, list(range(5)), lagged.float(), variances, floors
    )


def stacked(lagged: torch.Tensor, stride: int) -> torch.Tensor:
    def between(i: int, j: int) -> torch.Tensor:
        return lagged[(j - i) * stride] if j >= i else lagged[(i - j) * stride].T

    return torch.cat([torch.cat([between(i, j) for j in range(3)], 1) for i in range(3)])


@pytest.mark.parametrize("step", [6, 12])
def test_windows_covary_as_the_process_does(step: int):
    lagged, given = an_oscillation()
    climatology = given.climatology(3, step)
    x = torch.randn(4, 3, *SHAPE, generator=torch.Generator().manual_seed(1))
    spatial = given.spatial.double()
    amplitudes = torch.einsum("nls,rs->nlr", x.flatten(2).double(), spatial)
    inside = torch.einsum("nlr,rs->nls", amplitudes, spatial)
    along = (amplitudes.flatten(1) @ stacked(lagged, step // 6)).reshape(4, 3, R) @ spatial
    expected = along + given.floor[step] * (x.flatten(2).double() - inside)
    torch.testing.assert_close(
        climatology.apply(lambda c: c, x).flatten(2).double(), expected, rtol=1e-4, atol=1e-4
    )


def test_modes_that_are_left_out_are_floor():
    _, given = an_oscillation()
    given.variances[6] = given.variances[6][:4]
    climatology = given.climatology(3, 6)
    assert climatology.modes.shape == (4, 36) and float(climatology.floor) == pytest.approx(0.2)
    torch.testing.assert_close(
        climatology.modes @ climatology.modes.T, torch.eye(4).double(), rtol=0, atol=1e-6
    )
