import torch
import torch.nn.functional as F

from models.prior.unet import UNet, Wrap

LOG_SIGMA = torch.tensor([-2.0, 1.0])


def network() -> UNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = UNet((2, 16, 16), window=3, width=8, blocks=1, wave=4)
        for parameter in net.parameters():
            parameter.data = 0.2 * torch.randn(parameter.shape)
    return net.double().requires_grad_(False)


def windows() -> torch.Tensor:
    return torch.randn(2, 3, 4, 16, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def run(net: UNet, x: torch.Tensor, log_sigma: torch.Tensor = LOG_SIGMA) -> torch.Tensor:
    return net(x, log_sigma.double(), torch.zeros(2, 4))


def test_it_starts_as_zero_so_that_the_untrained_denoiser_is_the_gaussian_one():
    net = UNet((2, 16, 16), window=3, width=8, blocks=1, wave=4)
    assert net(windows().float(), LOG_SIGMA, torch.zeros(2, 4)).abs().max() == 0


def test_moving_along_the_rows_or_by_a_wave_of_the_force_moves_the_answer():
    net, x = network(), windows()
    assert run(net, x).shape == (2, 3, 2, 16, 16)
    for shift, dim in ((4, -1), (4, -2)):
        torch.testing.assert_close(run(net, x.roll(shift, dims=dim)), run(net, x).roll(shift, dims=dim))


def test_where_the_force_is_matters():
    net = UNet((2, 16, 16), window=3, width=8, blocks=1, wave=1).double()
    net.load_state_dict(network().state_dict())
    x = windows()
    moved = run(net, x.roll(4, dims=-2))
    assert not torch.allclose(moved, run(net, x).roll(4, dims=-2))


def test_the_noise_level_matters():
    net, x = network(), windows()
    assert not torch.allclose(run(net, x), run(net, x, LOG_SIGMA + 1))


def test_wrapping_is_circular_padding_and_so_is_its_derivative():
    x = windows()[:, 0].requires_grad_()
    weight = torch.randn(2, 4, 18, 18, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    ours, theirs = Wrap.apply(x), F.pad(x, (1, 1, 1, 1), mode="circular")
    torch.testing.assert_close(ours, theirs)
    (a,) = torch.autograd.grad((ours * weight).sum(), x)
    (b,) = torch.autograd.grad((theirs * weight).sum(), x)
    torch.testing.assert_close(a, b)
