"""A denoiser that says too little of small scales is put right, against the closed form of Gaussians."""

from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor, nn

from models.prior.denoiser import Denoiser
from models.prior.gain import Gain, outside
from models.prior.space_time import SpaceTimeClimatology
from models.training.gains import LEVELS, fit_gain
from models.training.processes import Processes

WINDOW, SHAPE, SPATIAL = 2, (3, 4, 8), 4
SIZE = 96
SIGMA = (0.1, 10.0)
ALONE = Processes()
TRUE = torch.tensor([0.5, 1.0, 2.0])  # variances of small scales, per latent channel


class Nothing(nn.Module):
    """A network that has learned nothing."""

    def forward(self, x: Tensor, log_sigma: Tensor, season: Tensor) -> Tensor:
        return torch.zeros_like(x[:, :, : SHAPE[0]])


def a_denoiser(floor: float) -> Denoiser:
    generator = torch.Generator().manual_seed(0)
    spatial = torch.linalg.qr(torch.randn(SIZE, SPATIAL, generator=generator).double())[0].T
    rank = WINDOW * SPATIAL
    courses = torch.eye(rank).double().reshape(rank, WINDOW, SPATIAL)
    seasons = torch.randn(5, *SHAPE, generator=generator)
    climatology = SpaceTimeClimatology.of(seasons, spatial, courses, torch.full((rank,), 4.0), floor)
    return Denoiser(climatology, Nothing())


def small_scales(denoiser: Denoiser, count: int) -> tuple[Tensor, Tensor]:
    """Windows that depart from the mean by small scales with these variances, and when they are."""
    drawn = torch.randn(count, WINDOW, *SHAPE, generator=torch.Generator().manual_seed(1))
    when = torch.full((count, WINDOW), 0.3)
    return denoiser.climatology.mean(when) + TRUE.sqrt()[:, None, None] * drawn, when


def fitted(denoiser: Denoiser, clean: Tensor, when: Tensor, processes: Processes = ALONE) -> Gain:
    return fit_gain(denoiser, lambda rows: (clean[rows], when[rows]), len(clean), SIGMA, processes)


def test_what_a_gaussian_that_believes_in_less_is_multiplied_by():
    """It makes delta / (delta + sigma^2) of what it sees, of which s^2 / (s^2 + sigma^2) would be right.

    Of n values the error of a regression on noise is sigma / (s n^1/2).
    """
    delta = 0.2
    denoiser = a_denoiser(delta)
    gain = fitted(denoiser, *small_scales(denoiser, 300))
    s2 = gain.sigmas[:, None] ** 2
    assert gain.factors.shape == (LEVELS, 3)
    right = TRUE / (TRUE + s2) * (delta + s2) / delta
    error = gain.sigmas[:, None] / (TRUE * 300 * WINDOW * 32).sqrt()
    assert ((gain.factors / right - 1).abs() < 0.02 + 3 * error).all()


def test_with_its_gain_it_denoises_as_well_as_one_that_knows():
    denoiser = a_denoiser(0.2)
    clean, when = small_scales(denoiser, 300)
    put_right = Denoiser(denoiser.climatology, Nothing(), fitted(denoiser, clean, when))
    sigma = torch.full((300,), 1.3)
    noisy = clean + 1.3 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(2))
    error = outside(put_right(noisy, sigma, when) - clean, denoiser.climatology.directions)
    expected = (TRUE * 1.69 / (TRUE + 1.69)) * (1 - SPATIAL / SIZE)
    torch.testing.assert_close(error.square().mean((0, 1, 3, 4)), expected, rtol=0.03, atol=0)


@dataclass(frozen=True)
class OneAfterTheOther(Processes):
    """Two processes, one after the other: what the first says is added to what the second does."""

    said: list[Tensor] = field(default_factory=list)

    def total(self, tensors: list[Tensor]) -> None:
        for tensor, said in zip(tensors, self.said, strict=False):
            tensor += said
        self.said.extend(tensor.clone() for tensor in tensors)


def test_two_processes_that_share_the_windows_find_what_one_does():
    denoiser = a_denoiser(0.2)
    clean, when = small_scales(denoiser, 30)
    alone = fitted(denoiser, clean, when).factors
    first = OneAfterTheOther(0, 2)
    assert not torch.allclose(fitted(denoiser, clean, when, first).factors, alone, rtol=1e-3)
    second = OneAfterTheOther(1, 2, first.said)
    torch.testing.assert_close(fitted(denoiser, clean, when, second).factors, alone, rtol=1e-5, atol=0)


def test_modes_are_left_as_they_are():
    denoiser = a_denoiser(0.2)
    gain = Gain(torch.tensor([0.1, 10.0]), torch.tensor([[3.0, 1.0, 2.0], [5.0, 1.0, 2.0]]))
    other = Denoiser(denoiser.climatology, Nothing(), gain)
    z, when = (
        torch.randn(2, WINDOW, *SHAPE, generator=torch.Generator().manual_seed(3)),
        torch.zeros(2, WINDOW),
    )
    plain, multiplied = (d(z, torch.tensor([0.5, 2.0]), when) for d in (denoiser, other))
    directions = denoiser.climatology.directions.float()
    along = ((multiplied - plain).flatten(2) @ directions.T).abs().max()
    assert along < 1e-5 < (multiplied - plain).abs().max()


@pytest.mark.parametrize(("sigma", "factor"), [(0.01, 3.0), (0.1, 3.0), (1.0, 4.0), (10.0, 5.0), (99.0, 5.0)])
def test_between_noise_levels_it_is_linear_in_the_logarithm(sigma: float, factor: float):
    gain = Gain(torch.tensor([0.1, 10.0]), torch.tensor([[3.0], [5.0]]))
    torch.testing.assert_close(gain.at(torch.tensor([sigma])), torch.tensor([[factor]]))
