"""The Climatology from lagged covariances is that of the process they were taken from."""

import pytest
import torch

from models.prior.lagged import LaggedCovariance, orthonormal

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


def a_trajectory(states: int = 24_000) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two seasons and an AR(1) in two directions, with noise everywhere; latents, year fractions, years."""
    generator = torch.Generator().manual_seed(2)
    when = torch.arange(states) / 2000
    patterns = torch.linalg.qr(torch.randn(12, 3, generator=generator))[0].T
    amplitudes = torch.zeros(states, 2)
    push = torch.randn(states, 2, generator=generator)
    for t in range(1, states):
        amplitudes[t] = torch.tensor([0.9, 0.5]) * amplitudes[t - 1] + push[t]
    season = 3 * torch.cos(2 * torch.pi * when)[:, None] * patterns[2]
    noise = 0.1 * torch.randn(states, 12, generator=generator)
    return (amplitudes @ patterns[:2] + season + noise).reshape(-1, *SHAPE), when % 1, when.long()


def test_what_is_fitted_is_the_process():
    latents, fraction, years = a_trajectory()
    found = LaggedCovariance.fit(latents, fraction, years, modes=2, rank=6, window=3, steps=[6, 12])
    assert found.lags == [0, 1, 2, 4]
    stationary = 1 / (1 - torch.tensor([0.9, 0.5]) ** 2)
    for k, lag in enumerate(found.lags):
        expected = stationary * torch.tensor([0.9, 0.5]) ** lag + 0.01 * (lag == 0)
        torch.testing.assert_close(found.lagged[k].diagonal().float(), expected, rtol=0.1, atol=0.05)
    assert found.floor[6] == pytest.approx(0.01, rel=0.2)
    turn = found.seasons.flatten(1)
    assert turn[1].norm() == pytest.approx(3, rel=0.05) and turn[2].norm() < 0.3
    windows = latents[torch.arange(0, 23_000, 7)[:, None] + torch.arange(3)]
    when = fraction[torch.arange(0, 23_000, 7)[:, None] + torch.arange(3)]
    climatology = found.climatology(3, 6)
    white = climatology.apply(lambda c: c.rsqrt(), windows - climatology.mean(when))
    assert float(white.square().mean()) == pytest.approx(1, rel=0.05)


def test_variances_are_those_of_years_that_modes_were_not_found_on():
    generator = torch.Generator().manual_seed(3)
    latents = torch.randn(80, *SHAPE, generator=generator)
    fitted = [
        LaggedCovariance.fit(
            latents, torch.rand(80, generator=generator), years, modes=10, rank=20, window=2, steps=[6]
        )
        for years in (torch.arange(80) // 20, torch.zeros(80, dtype=torch.int64))
    ]
    honest, fooled = (f.variances[6] for f in fitted)
    assert honest[0] / honest[-1] < 2 < fooled[0] / fooled[-1]


def test_variances_from_few_states_are_still_variances():
    generator = torch.Generator().manual_seed(4)
    latents = torch.randn(14, *SHAPE, generator=generator)
    found = LaggedCovariance.fit(
        latents,
        torch.rand(14, generator=generator),
        torch.zeros(14, dtype=torch.int64),
        modes=6,
        rank=24,
        window=5,
        steps=[6],
    )
    assert torch.linalg.eigvalsh(found._window(5, 1)).min() < 0 < found.variances[6].min()


def test_lags_of_an_hour_are_lags_of_six():
    latents, fraction, years = a_trajectory(4000)
    hourly, six = (
        LaggedCovariance.fit(
            latents.numpy(), fraction, years, modes=2, rank=6, window=3, steps=[hours, 2 * hours], hours=hours
        )
        for hours in (1, 6)
    )
    assert hourly.lags == six.lags and hourly.lagged.equal(six.lagged)
    assert hourly.climatology(3, 2).modes.equal(six.climatology(3, 12).modes)


def test_rounded_modes_are_made_orthonormal_again_and_hardly_turn() -> None:
    modes = torch.linalg.qr(torch.randn(2000, 12, generator=torch.Generator().manual_seed(5)))[0].T
    rounded = (127 * modes / modes.abs().amax(1, keepdim=True)).round()
    again = orthonormal(rounded)
    torch.testing.assert_close(again @ again.T, torch.eye(12), rtol=0, atol=1e-5)
    assert ((again * modes).sum(1) > 0.999).all()
