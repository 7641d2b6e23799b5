import pytest
import torch

from models.classical import torus
from models.prior.climatology import Climatology


def waves() -> torch.Tensor:
    """Trajectories (400, 6, 2, 6, 8) of a few waves that travel, two channels that know of each other."""
    generator = torch.Generator().manual_seed(0)
    y, x = torch.arange(6.0)[:, None], torch.arange(8.0)[None]
    z = torch.zeros(400, 6, 2, 6, 8)
    for ky, kx, size, speed in ((0, 1, 1.0, 0.3), (1, 2, 0.7, -0.5), (2, -1, 0.5, 0.2)):
        phase = torch.rand(400, 1, 1, 1, generator=generator) * 2 * torch.pi
        size = size * torch.randn(400, 1, 1, 1, generator=generator).abs()
        angle = 2 * torch.pi * (ky * y / 6 + kx * x / 8) + phase + speed * torch.arange(6.0)[:, None, None]
        z[:, :, 0] += size * angle.cos()
        z[:, :, 1] += 0.5 * size * (angle + 1.0).cos()
    return z


def covariance(climatology: Climatology) -> torch.Tensor:
    size = climatology.modes.shape[1]
    eye = torch.eye(size).reshape(size, *climatology.shape)
    return climatology.apply(lambda v: v, eye).reshape(size, size).double()


def test_the_covariance_is_that_of_windows():
    z = waves()
    found = covariance(torus.climatology(torus.autocovariance(z, 3), 3, rank=60))
    shifted = torch.cat([z.roll((i, j), dims=(-2, -1)) for i in range(6) for j in range(8)])
    windows = shifted.unfold(1, 3, 1).movedim(-1, 2).reshape(-1, found.shape[0]).double()
    torch.testing.assert_close(found, windows.T @ windows / len(windows), rtol=0, atol=0.02)


def test_modes_are_orthonormal_and_sorted():
    climatology = torus.climatology(torus.autocovariance(waves(), 3), 3, rank=20)
    torch.testing.assert_close(
        climatology.modes @ climatology.modes.T, torch.eye(20).double(), rtol=0, atol=1e-5
    )
    assert (climatology.variances[:-1] >= climatology.variances[1:] - 1e-6).all()


def test_what_is_not_among_the_modes_is_in_the_floor():
    c = torus.autocovariance(waves(), 3)
    total = 3 * 48 * c[0].diagonal(dim1=0, dim2=1)[0, 0].sum()
    for rank in (4, 20):
        climatology = torus.climatology(c, 3, rank=rank)
        size = climatology.modes.shape[1]
        found = climatology.variances.sum() + (size - rank) * climatology.floor
        assert found == pytest.approx(float(total), rel=1e-4)


def test_on_the_torus_it_knows_the_direction():
    z = torch.zeros(1, 4, 1, 4, 5, dtype=torch.float64)  # a bump that moves one row and column per state
    for t in range(4):
        z[0, t, 0, t, t] = 1
    c = torus.autocovariance(z, 2)
    assert c[1, 0, 0, 1, 1] == pytest.approx(1 / 20)
    assert c[1, 0, 0, 3, 4] == pytest.approx(0.0)


def test_a_window_longer_than_the_lags_is_refused():
    with pytest.raises(ValueError, match="as many lags"):
        torus.climatology(torch.ones(3, 1, 1, 4, 4), 4)
