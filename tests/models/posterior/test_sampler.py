"""Louder noise on the way gives members the spread that is asked for, by a closed form."""

import math

import pandas as pd
import pytest
import torch
from torch import Tensor

from models.posterior.noise import CounterNoise
from models.posterior.posterior import Posterior
from models.posterior.sampler import Preset, sample
from models.prior.climatology import Climatology

C, HIGH, LOW = 2.0, 3.0, 0.5


def drawn(loudness: float) -> Tensor:
    """Members of white noise of variance C, of which nothing is observed."""
    climatology = Climatology(1, (8, 20, 25), rank=1)
    climatology.floor.fill_(C)
    climatology.variances.fill_(C)

    def denoise(z: Tensor, sigma: float) -> Tensor:
        return z * C / (C + sigma**2)

    members, size = 8, math.prod(climatology.shape)
    nothing = torch.zeros(0, dtype=torch.float64)
    rows, jacobian = torch.zeros(members, 0).double(), torch.zeros(0, size).double()
    posterior = Posterior.of_rows(denoise, rows, nothing, jacobian, climatology)
    preset = Preset(2, HIGH, LOW, stochastic=True, loudness=loudness)
    times = pd.date_range("2001-01-01", periods=1, tz="UTC")
    return sample(posterior, preset, CounterNoise(0, range(members), times, mirrored=False))


@pytest.mark.parametrize("loudness", [1.0, 1.3])
def test_louder_noise_adds_as_much_variance_as_it_should(loudness: float):
    left = (LOW / HIGH) ** 2
    kept = (left + (1 - left) * C / (C + HIGH**2)) ** 2 * (C + HIGH**2)
    expected = (C / (C + LOW**2)) ** 2 * (kept + loudness**2 * LOW**2 * (1 - left))
    assert float(drawn(loudness).var()) == pytest.approx(expected, rel=0.03)


def test_members_depend_on_it_linearly():
    apart = drawn(1.2) - drawn(1.0)
    torch.testing.assert_close(apart, 2 * (drawn(1.1) - drawn(1.0)), rtol=1e-3, atol=1e-4)
    assert float(apart.std()) > 0.01
