import pytest
import torch

from models.prior.convolution import ConvolutionalNetwork


def network(kernel=(3, 3), **more) -> ConvolutionalNetwork:
    net = ConvolutionalNetwork((2, 1, 12), width=8, blocks=2, kernel=kernel, **more)
    generator = torch.Generator().manual_seed(2)
    for parameter in net.parameters():
        parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator)
    return net.requires_grad_(False)


def windows(length: int) -> torch.Tensor:
    return torch.randn(3, length, 4, 1, 12, generator=torch.Generator().manual_seed(1))


LOG_SIGMA = torch.tensor([-2.0, 0.0, 1.0])


def test_it_starts_as_zero_so_that_the_untrained_denoiser_is_the_gaussian_one():
    net = ConvolutionalNetwork((2, 1, 12), width=8, blocks=2, kernel=(3, 3))
    assert net(windows(5), LOG_SIGMA, torch.zeros(3, 4)).abs().max() == 0


def test_turning_the_circle_turns_the_answer():
    net, x = network().double(), windows(6).double()
    turned, still = (net(y, LOG_SIGMA.double(), torch.zeros(3, 4)) for y in (x.roll(5, dims=-1), x))
    torch.testing.assert_close(turned, still.roll(5, dims=-1))


def test_in_the_middle_of_a_longer_window_a_network_sees_the_same():
    net, x = network(), windows(40)
    reach = 1 + 2 * 2  # states: first convolution, and two of each block
    whole, part = (net(y, LOG_SIGMA, torch.zeros(3, 4)) for y in (x, x[:, 10:30]))
    torch.testing.assert_close(whole[:, 10 + reach : 30 - reach], part[:, reach:-reach])


def test_dilated_blocks_see_further():
    net, x = network(dilations=(1, 4)), windows(40)
    y = x.clone()
    y[:, 20] += 1
    changed = net(y, LOG_SIGMA, torch.zeros(3, 4)) != net(x, LOG_SIGMA, torch.zeros(3, 4))
    where = changed.flatten(2).any(2).any(0).nonzero()[:, 0]
    reach = 1 + 2 * 1 + 2 * 4  # states: first convolution, and two of each block
    assert (int(where[0]), int(where[-1])) == (20 - reach, 20 + reach)


def test_every_block_has_its_dilation():
    with pytest.raises(ValueError, match="3 dilations are given for 2 blocks"):
        network(dilations=(1, 2, 4))


def test_the_noise_level_matters():
    net, x = network(kernel=(3, 1)), windows(4)
    assert not torch.allclose(net(x, LOG_SIGMA, torch.zeros(3, 4)), net(x, LOG_SIGMA + 1, torch.zeros(3, 4)))


def test_windows_of_another_time_step_are_seen_differently_by_the_same_weights():
    net, x, season = network(paces=3), windows(5), torch.zeros(3, 5)
    answers = [net.at(pace)(x, LOG_SIGMA, season) for pace in range(3)]
    assert not torch.allclose(answers[0], answers[1])
    assert not torch.allclose(answers[1], answers[2])
    torch.testing.assert_close(answers[0], net(x, LOG_SIGMA, season))  # the network itself is left alone
    net.paces[1] = net.paces[0]
    torch.testing.assert_close(net.at(2)(x, LOG_SIGMA, season), answers[1])


def test_a_time_step_that_was_not_learned_is_refused():
    with pytest.raises(ValueError, match="knows 3 time steps"):
        network(paces=3).at(3)
    with pytest.raises(ValueError, match="knows 1 time step"):
        network().at(1)
