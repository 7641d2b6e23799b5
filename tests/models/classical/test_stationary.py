import pytest
import torch

from models.classical import lorenz63, stationary


def standardised() -> torch.Tensor:
    x = lorenz63.trajectories(128, 600, 0.125, torch.Generator().manual_seed(0))
    return ((x - x.mean((0, 1))) / x.std((0, 1)))[..., None, None]


def test_the_covariance_is_that_of_windows():
    z = standardised()
    windows = z.unfold(1, 6, 3).movedim(-1, 2).reshape(-1, 18)
    found = stationary.covariance(stationary.autocovariance(z, 8), 6)
    torch.testing.assert_close(found, windows.T @ windows / len(windows), rtol=0, atol=0.02)


def test_on_a_circle_it_knows_the_direction():
    z = torch.zeros(1, 4, 1, 1, 5, dtype=torch.float64)  # a bump that moves one point per state
    for t in range(4):
        z[0, t, 0, 0, t] = 1
    c = stationary.covariance(stationary.autocovariance(z, 3), 3)
    torch.testing.assert_close(c, c.T)
    assert c[0 * 5 + 2, 1 * 5 + 3] == pytest.approx(0.2)  # state 0 point 2, state 1 point 3
    assert c[0 * 5 + 2, 1 * 5 + 1] == pytest.approx(0.0)


def test_the_climatology_has_that_covariance():
    c = stationary.autocovariance(standardised(), 8)
    climatology = stationary.climatology(c, 8)
    eye = torch.eye(24).reshape(24, 8, 3, 1, 1)
    found = climatology.apply(lambda v: v, eye).reshape(24, 24)
    torch.testing.assert_close(found.double(), stationary.covariance(c, 8), rtol=0, atol=1e-4)


def test_a_window_longer_than_the_lags_is_refused():
    with pytest.raises(ValueError, match="as many lags"):
        stationary.covariance(torch.ones(3, 1, 1, 4), 4)
