"""Kolmogorov flows of different Reynolds numbers."""

import math

import torch

from models.classical import kolmogorov, reynolds, reynolds_seen
from models.classical.kolmogorov import Flow
from models.classical.prior import load
from models.classical.problem import PROBLEMS


def test_flows_with_their_own_viscosities_go_on_as_each_alone() -> None:
    nu = torch.tensor([0.002, 0.02], dtype=torch.float64)
    both = Flow(n=32, viscosity=nu[:, None, None], dtype=torch.float64)
    w = both.random(2, torch.Generator().manual_seed(0))
    after = both.step(w, 0.02)
    for k in range(2):
        alone = Flow(n=32, viscosity=float(nu[k]), dtype=torch.float64).step(w[k], 0.02)
        torch.testing.assert_close(after[k], alone)


def test_the_reynolds_number_is_a_channel_and_decides_the_smallest_eddies() -> None:
    generator = torch.Generator().manual_seed(0)
    x = reynolds.trajectories(8, 1, 0.2, generator).unflatten(-1, (3, 64, 64))
    own = x[:, 0, 2, 0, 0]
    assert torch.equal(x[:, :, 2], own[:, None, None, None].expand(8, 1, 64, 64))
    assert (own - math.log(reynolds.MEDIAN)).abs().max() < 3 * reynolds.SPREAD
    spectrum = torch.fft.rfft2(kolmogorov.vorticity(x[:, 0, :2])).abs().square()
    small = spectrum[:, 20:44, 16:].sum((1, 2)) / spectrum.sum((1, 2))
    order = own.argsort()
    assert small[order[-3:]].min() > small[order[:3]].max()


def test_symmetries_leave_it_and_the_mean_knows_it() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 3, 64, 64, generator=generator)
    assert torch.equal(reynolds.varied(x, generator)[:, :, 2], x[:, :, 2])
    mean = reynolds.profile(x)
    assert mean.shape == (3, 64, 1)
    torch.testing.assert_close(mean[2], x[:, :, 2].double().mean().expand(64, 1))


def test_what_is_given_as_observations_are_departures_from_each_row_s_own() -> None:
    prior, generator = load("kolmogorov-reynolds"), torch.Generator().manual_seed(0)
    windows = reynolds_seen.windows(prior, PROBLEMS["kolmogorov-reynolds"].window)
    z = torch.randn(2, *windows.climatology.shape, generator=generator)
    values = reynolds_seen.SENSOR(prior.restore(z).float()).flatten(1)
    posterior = reynolds_seen.posterior(windows, values)
    seen = posterior.gaussian
    assert values.shape == (2, 3 * 2 * 16 * 16)
    assert posterior.observe(z).abs().max() < 1e-5
    torch.testing.assert_close(
        seen.background + seen.push(z), posterior.observe(z).double(), atol=1e-4, rtol=0
    )
    assert posterior.observe(z.flip(0)).abs().max() > 1
    w = torch.randn(2, values.shape[1], generator=generator, dtype=torch.float64)
    inner = (seen.push(z) * w).sum(), (z.double() * seen.pull(w).double()).sum()
    torch.testing.assert_close(*inner, rtol=1e-5, atol=0)
