"""The Climatology against dense linear algebra."""

import torch

from models.prior.climatology import Climatology, fit_cross_validated, fit_seasons, seasonal
from models.prior.denoiser import Denoiser, SpaceTimeTransformer, relative_loss
from models.testing.toy import gaussian_prior

SHAPE = (2, 3, 2, 2)  # L, K, h, w


def fitted(count: int = 4000, rank: int = 6) -> tuple[Climatology, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(24, 24, generator=generator, dtype=torch.float64) * torch.linspace(1, 0.1, 24)
    windows = (torch.randn(count, 24, generator=generator, dtype=torch.float64) @ mixing.T).reshape(
        -1, *SHAPE
    )
    climate = Climatology(2, SHAPE[1:], rank)
    climate.fit(windows)
    return climate, windows


def dense(climate: Climatology) -> torch.Tensor:
    modes = climate.modes.double()
    low = (modes.T * (climate.variances - climate.floor).double()) @ modes
    return low + climate.floor.double() * torch.eye(modes.shape[1])


def test_functions_of_the_covariance_are_those_of_the_dense_matrix() -> None:
    climate, windows = fitted()
    values, vectors = torch.linalg.eigh(dense(climate))
    x = windows[:5]
    for function in (torch.sqrt, lambda c: c / (c + 0.3), lambda c: (c + 0.3).rsqrt()):
        expected = ((x.flatten(1) @ vectors) * function(values)) @ vectors.T
        assert torch.allclose(climate.apply(function, x.float()).flatten(1).double(), expected, atol=1e-4)


def test_a_function_may_differ_between_rows() -> None:
    climate, windows = fitted()
    x, s2 = windows[:3].float(), torch.tensor([[0.1], [1.0], [10.0]])
    together = climate.apply(lambda c: c / (c + s2), x)
    for i in range(3):
        alone = climate.apply(lambda c, i=i: c / (c + s2[i]), x[i : i + 1])
        assert torch.allclose(together[i : i + 1], alone, atol=1e-6)


def test_the_fit_keeps_the_leading_variances_and_the_total() -> None:
    climate, windows = fitted()
    sample = windows.flatten(1)
    covariance = sample.T @ sample / len(sample)
    values = torch.linalg.eigvalsh(covariance).flip(0)
    assert torch.allclose(climate.variances.double(), values[:6], rtol=1e-5)
    assert torch.allclose(dense(climate).trace(), covariance.trace(), rtol=1e-5)


def test_a_fit_of_full_rank_is_the_sample_covariance() -> None:
    climate, windows = fitted(rank=24)
    sample = windows.flatten(1)
    assert torch.allclose(dense(climate), sample.T @ sample / len(sample), atol=1e-4)


def test_cross_validated_variances_are_those_of_windows_not_seen() -> None:
    generator = torch.Generator().manual_seed(3)
    true = torch.logspace(1, -2, 24, dtype=torch.float64)

    def draw(count: int) -> torch.Tensor:
        return (torch.randn(count, 24, generator=generator, dtype=torch.float64) * true.sqrt()).reshape(
            -1, *SHAPE
        )

    few, unseen = draw(40), draw(20_000).flatten(1)
    likely, validated = Climatology(2, SHAPE[1:], 23), Climatology(2, SHAPE[1:], 23)
    likely.fit(few)
    others = fit_cross_validated(validated, few, torch.arange(40) % 8)

    def surprise(climate: Climatology) -> float:
        """Mean misfit to the claimed variances on a log scale: 0 where they are those of new windows."""
        found = (unseen @ climate.modes.double().T).square().mean(0)
        return float((found / climate.variances.double()).log().square().mean())

    assert surprise(validated) < 0.3 * surprise(likely)
    assert sorted(others) == list(range(8))
    assert all(torch.equal(other.variances, validated.variances) for other in others.values())
    assert not torch.allclose(others[0].modes, validated.modes)


def test_the_seasonal_mean_is_found_again() -> None:
    season = torch.arange(730) / 365 % 1
    coefficients = torch.randn(5, *SHAPE[1:], generator=torch.Generator().manual_seed(1))
    latents = torch.einsum("ns,skhw->nkhw", seasonal(season), coefficients)
    assert torch.allclose(fit_seasons(latents, season), coefficients, atol=1e-4)


def test_new_year_is_not_mid_summer() -> None:
    climate = gaussian_prior().climatology
    climate.seasons[1:] = 1.0
    around = climate.mean(torch.tensor([0.999, 0.001]))
    assert torch.allclose(around[0], around[1], atol=0.05)


def test_an_untrained_denoiser_is_the_exact_gaussian_one_and_its_loss_is_one() -> None:
    climate, _ = fitted()
    denoiser = Denoiser(climate, SpaceTimeTransformer(2, SHAPE[1:], 16, 1, 2))
    generator = torch.Generator().manual_seed(2)
    white = torch.randn(4000, *SHAPE, generator=generator)
    clean = climate.apply(torch.sqrt, white)
    sigma = torch.tensor(0.7)
    noisy = clean + sigma * torch.randn(clean.shape, generator=generator)
    with torch.no_grad():
        denoised = denoiser(noisy, sigma.expand(4000), torch.zeros(4000, 2))
    assert torch.allclose(denoised, climate.denoise(noisy, sigma, torch.zeros(SHAPE)), atol=1e-5)
    loss = relative_loss(denoised - clean, sigma.expand(4000), climate)
    assert abs(float(loss.mean()) - 1) < 0.02
