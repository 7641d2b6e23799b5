import torch

from models.classical import lorenz63, lorenz96, runge_kutta


def test_the_step_is_of_fourth_order():
    x = torch.tensor([[1.0, 2.0, 20.0]], dtype=torch.float64)
    exact = runge_kutta.trajectory(lorenz63.tendency, x, 2, 0.1, 0.0005)[:, -1]
    coarse, fine = (
        float((runge_kutta.trajectory(lorenz63.tendency, x, 2, 0.1, dt)[:, -1] - exact).norm())
        for dt in (0.02, 0.01)
    )
    assert 12 < coarse / fine < 22


def test_lorenz63_stays_on_the_butterfly():
    x = lorenz63.trajectories(64, 400, 0.1, torch.Generator().manual_seed(0))
    assert x.shape == (64, 400, 3)
    mean, std = x.mean((0, 1)), x.std((0, 1))
    torch.testing.assert_close(std, torch.tensor([7.92, 9.01, 8.62], dtype=torch.float64), rtol=0.03, atol=0)
    assert abs(mean[0]) < 0.5
    assert abs(mean[2] - 23.55) < 0.2


def test_the_advection_of_lorenz96_conserves_energy():
    x = torch.randn(5, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    advection = lorenz96.tendency(x) + x - lorenz96.FORCE
    torch.testing.assert_close(
        (x * advection).sum(-1), torch.zeros(5, dtype=torch.float64), rtol=0, atol=1e-12
    )


def test_lorenz96_has_its_known_mean_and_deviation():
    x = lorenz96.trajectories(16, 400, 0.1, torch.Generator().manual_seed(0))
    assert x.shape == (16, 400, 40)
    assert abs(x.mean() - 2.34) < 0.05
    assert abs(x.std() - 3.64) < 0.05


def test_neighbouring_trajectories_part():
    start = lorenz96.trajectories(1, 1, 0.05, torch.Generator().manual_seed(0))[:, 0]
    both = torch.cat([start, start + 1e-6])
    end = runge_kutta.trajectory(lorenz96.tendency, both, 2, 10.0, 0.05)[:, -1]
    assert (end[0] - end[1]).abs().max() > 1e-3
