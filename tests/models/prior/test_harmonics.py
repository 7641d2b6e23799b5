import numpy as np
import pytest
import torch

from models.prior.harmonics import UNIT, Harmonics, legendre

BREADTH, TRUNCATION = 24, 7
LATITUDES = {
    "evenly apart": np.linspace(82.5, -82.5, 12),
    "Gaussian": -np.rad2deg(np.arcsin(np.polynomial.legendre.leggauss(12)[0])),
}


def on_grid(latitude: np.ndarray, function) -> torch.Tensor:
    """A field (1, H, W, 1) of latitude and longitude in radians."""
    phi, angle = np.deg2rad(latitude)[:, None], 2 * np.pi * np.arange(BREADTH) / BREADTH
    return torch.tensor(function(phi, angle), dtype=torch.float32)[None, ..., None]


def wave(phi, angle):
    """x^3 z and z^2 of places on the sphere: of degree 4."""
    return np.cos(phi) ** 3 * np.sin(phi) * np.cos(3 * angle) + np.sin(phi) ** 2


@pytest.fixture(params=LATITUDES)
def latitude(request: pytest.FixtureRequest) -> np.ndarray:
    return LATITUDES[request.param]


def test_what_is_smooth_comes_back_and_its_slopes_are_exact(latitude: np.ndarray):
    harmonics = Harmonics(latitude, BREADTH, TRUNCATION)
    x = on_grid(latitude, wave)
    found = harmonics.analyse(x)
    torch.testing.assert_close(harmonics.field(found), x, atol=1e-5, rtol=0)
    east, north = harmonics.gradient(found)
    wanted = (
        lambda phi, angle: -3 * np.cos(phi) ** 2 * np.sin(phi) * np.sin(3 * angle),
        lambda phi, angle: (
            (np.cos(phi) ** 4 - 3 * np.cos(phi) ** 2 * np.sin(phi) ** 2) * np.cos(3 * angle)
            + 2 * np.sin(phi) * np.cos(phi)
        ),
    )
    for slope, exact in zip((east, north), wanted, strict=True):
        torch.testing.assert_close(UNIT * slope, on_grid(latitude, exact), atol=5e-5, rtol=0)


def test_coefficients_are_of_the_wave_and_the_degree_that_there_is(latitude: np.ndarray):
    x = on_grid(latitude, lambda phi, angle: np.cos(phi) ** 2 * np.sin(2 * angle) + 0 * phi)
    found = Harmonics(latitude, BREADTH, TRUNCATION).analyse(x)[..., 0]
    assert float(found[2, 2, 0, 1]) == pytest.approx((16 / 15) ** 0.5, rel=1e-5)
    found[2, 2, 0, 1] = 0
    assert float(found.abs().max()) < 1e-5


def test_a_field_that_is_rough_is_as_near_as_a_smooth_one_can_be(latitude: np.ndarray):
    """What is left has nothing in common with what is smooth, by area."""
    harmonics = Harmonics(latitude, BREADTH, TRUNCATION)
    x = torch.randn(1, 12, BREADTH, 1, generator=torch.Generator().manual_seed(0))
    left = x - harmonics.field(harmonics.analyse(x))
    assert 0.1 < float(left.square().mean() / x.square().mean()) < 0.9
    area = torch.tensor(np.cos(np.deg2rad(latitude)), dtype=torch.float32)[:, None, None]
    assert abs(float((left * area * on_grid(latitude, wave)).mean())) < 1e-6


def test_a_row_at_a_pole_is_taken_for_one_beside_it():
    latitude, beside = np.linspace(90, -90, 19), np.linspace(90, -90, 19).clip(-87.5, 87.5)
    harmonics = Harmonics(latitude, BREADTH, TRUNCATION)
    found = harmonics.analyse(on_grid(beside, wave))
    torch.testing.assert_close(harmonics.field(found), on_grid(beside, wave), atol=1e-5, rtol=0)
    torch.testing.assert_close(harmonics.field(found), on_grid(latitude, wave), atol=3e-3, rtol=0)
    assert all(float(slope.abs().max()) < 2 / UNIT for slope in harmonics.gradient(found))


def test_turning_the_earth_turns_what_comes_out():
    harmonics = Harmonics(LATITUDES["Gaussian"], BREADTH, TRUNCATION)
    x = torch.randn(2, 12, BREADTH, 3, generator=torch.Generator().manual_seed(0))
    for out, turned in zip(
        harmonics.gradient(harmonics.analyse(x)),
        harmonics.gradient(harmonics.analyse(x.roll(5, 2))),
        strict=True,
    ):
        torch.testing.assert_close(out.roll(5, 2), turned, atol=1e-5, rtol=0)


def test_harmonics_that_so_few_points_do_not_tell_are_refused():
    with pytest.raises(ValueError, match="12 x 24 points do not tell harmonics up to 12"):
        Harmonics(LATITUDES["Gaussian"], BREADTH, 12)


def test_legendre_functions_are_orthonormal():
    sine, weight = np.polynomial.legendre.leggauss(40)
    p, _ = legendre(np.arcsin(sine), 12)
    for m in range(13):
        np.testing.assert_allclose((p[m, m:] * weight) @ p[m, m:].T, np.eye(13 - m), atol=1e-12)
