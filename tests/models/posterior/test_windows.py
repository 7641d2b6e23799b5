"""Long trajectories of Gaussian processes from exact denoisers of short windows, by linear algebra alone.

All denoisers are linear, so a sampler is a linear map of its noise and of the observations. It is found by
giving the sampler the unit vectors of both as members; means and covariances then have no sampling error.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from models.posterior.windows import Denoiser, Known, WindowDenoiser, coarse_to_fine, stitched

HOURS, WINDOW, STRIDE, ANCHOR = 72, 24, 12, 4
LEVELS = torch.logspace(2, -2, 64, dtype=torch.float64).tolist()
LATE = torch.arange(36, 72)
OBSERVED = {
    "nowhere": torch.arange(0),
    "early": torch.arange(24),
    "throughout": torch.tensor([2, 9, 20, 33, 40, 51, 57, 68]),
}

KERNELS: dict[str, Callable[[Tensor], Tensor]] = {
    "AR(1) .98": lambda lag: 0.98**lag,
    "AR(1) .995": lambda lag: 0.995**lag,
    "Matern 3/2": lambda lag: (1 + lag / 20) * torch.exp(-lag / 20),  # smooth: it has a tendency
}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # small matrices are slower in several
    yield
    torch.set_num_threads(threads)


def eye(size: int) -> Tensor:
    return torch.eye(size, dtype=torch.float64)


@dataclass(frozen=True)
class Study:
    """A process of unit variance, observed at `hours` with errors of standard deviation `error`.

    The members are the unit vectors of the noise of each hour, then those of the observations.
    """

    kernel: Callable[[Tensor], Tensor]
    hours: Tensor
    error: float = 0.25
    length: int = 73

    @cached_property
    def times(self) -> Tensor:
        return torch.arange(self.length, dtype=torch.float64)

    @cached_property
    def noise(self) -> Tensor:
        return eye(self.length + len(self.hours))[:, : self.length]

    def covariance(self, s: Tensor, t: Tensor) -> Tensor:
        return self.kernel((s[:, None] - t).abs())

    def denoise(self, z: Tensor, sigma: float, times: Tensor) -> Tensor:
        """The exact window denoiser, C (C + sigma^2)^-1 z."""
        c = self.covariance(times, times)
        return z @ torch.linalg.solve(c + sigma**2 * eye(len(c)), c)

    def observe(self, times: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """H, R and y of a window, interpolated between its states; only the variance of that is known."""
        hours = self.hours.double()
        within = (hours >= times[0]) & (hours <= times[-1])
        hours = hours[within]
        after = torch.searchsorted(times.contiguous(), hours, right=True).clamp(1, len(times) - 1)
        weight = (hours - times[after - 1]) / (times[after] - times[after - 1])
        h = (1 - weight)[:, None] * eye(len(times))[after - 1] + weight[:, None] * eye(len(times))[after]
        cross, between = self.covariance(times, hours), self.covariance(times, times)
        added = 1 - 2 * (h @ cross).diagonal() + (h @ between * h).sum(-1)
        values = eye(self.length + len(self.hours))[:, self.length :]
        return h, torch.diag(added + self.error**2), values[:, within]

    def guided(self, denoiser: WindowDenoiser, known: Known | None = None) -> WindowDenoiser:
        """Moment matching, D + V H^T (H V H^T + R)^-1 (y - H D) with V = sigma^2 (dD/dz)^T, solved."""

        def guide(z: Tensor, sigma: float, times: Tensor) -> Tensor:
            h, r, y = self.observe(times)
            if known is not None:
                h = torch.cat([eye(len(times))[known.positions], h])
                r = torch.block_diag(1e-8 * eye(len(known.positions)), r)
                y = torch.cat([known.states, y], dim=1)
            derivative = denoiser(eye(len(times)), sigma, times)
            denoised, spread = z @ derivative, sigma**2 * derivative @ h.T
            return denoised + torch.linalg.solve(h @ spread + r, (y - denoised @ h.T).T).T @ spread.T

        return guide

    def sample(self, times: Tensor, known: Known | None) -> Tensor:
        guide = self.guided(self.denoise, known)
        return integrate(lambda z, sigma: guide(z, sigma, times), self.noise[:, times.long()])


def integrate(denoiser: Denoiser, noise: Tensor) -> Tensor:
    """DPM-Solver++(2M) of the probability-flow ODE on LEVELS."""
    z, last, slope = LEVELS[0] * noise, None, 0.0
    for sigma, following in pairwise(LEVELS):
        denoised, h = denoiser(z, sigma), math.log(sigma / following)
        ahead = denoised if last is None else denoised + h / (2 * slope) * (denoised - last)
        z = math.exp(-h) * z + (1 - math.exp(-h)) * ahead
        last, slope = denoised, h
    return denoiser(z, LEVELS[-1])


def whole(study: Study) -> Tensor:
    return study.sample(study.times, None)


def guided_then_stitched(study: Study) -> Tensor:
    denoiser = stitched(study.guided(study.denoise), study.times[:HOURS], WINDOW, STRIDE)
    return integrate(denoiser, study.noise[:, :HOURS])


def stitched_then_guided(study: Study) -> Tensor:
    guide = study.guided(lambda z, sigma, t: stitched(study.denoise, t, WINDOW, STRIDE)(z, sigma))
    return integrate(lambda z, sigma: guide(z, sigma, study.times[:HOURS]), study.noise[:, :HOURS])


def anchored(study: Study) -> Tensor:
    return coarse_to_fine(study.sample, study.times, (ANCHOR, 1), WINDOW)


Method = Callable[[Study], Tensor]


@cache
def prior_statistics(method: Method, process: str) -> tuple[float, float, float]:
    """Variance, and correlation 36 and 71 h apart, of samples without observations."""
    map_ = method(Study(KERNELS[process], OBSERVED["nowhere"]))[:, :HOURS]
    c = map_.T @ map_

    variance = c.diagonal()
    half, full = (c.diagonal(n).mean() / (variance[n:] * variance[:-n]).sqrt().mean() for n in (36, 71))
    return float(variance.mean()), float(half), float(full)


@cache
def posterior_statistics(method: Method, process: str, observed: str) -> tuple[float, float, float]:
    """RMSE of the mean in hours 36-71, the spread of the samples, and the RMSE of the exact posterior."""
    hours = OBSERVED[observed]
    study = Study(KERNELS[process], hours)
    map_ = method(study)[:, :HOURS]
    noise, gain = map_[: study.length], map_[study.length :].T
    c = study.covariance(study.times[:HOURS], study.times[:HOURS])
    optimal = torch.linalg.solve(c[hours][:, hours] + study.error**2 * eye(len(hours)), c[hours]).T

    def rmse(gain: Tensor) -> float:
        rest = eye(HOURS) - gain @ eye(HOURS)[hours]
        error = rest @ c @ rest.T + study.error**2 * gain @ gain.T
        return float(error.diagonal()[LATE].mean().sqrt())

    return rmse(gain), float(noise.square().sum(0)[LATE].mean().sqrt()), rmse(optimal)


def truth(process: str) -> tuple[float, float, float]:
    return 1.0, *KERNELS[process](torch.tensor([36.0, 71.0])).tolist()


@pytest.mark.parametrize("process", KERNELS)
def test_the_study_itself_is_exact(process: str) -> None:
    assert prior_statistics(whole, process) == pytest.approx(truth(process), abs=0.005)
    rmse, spread, exact = posterior_statistics(whole, process, "early")
    assert (rmse, spread) == pytest.approx((exact, exact), rel=0.003)


@pytest.mark.parametrize(
    ("process", "method", "prior", "early", "throughout"),
    [
        ("AR(1) .98", guided_then_stitched, (0.854, 0.040, 0.001), (0.976, 0.918), (0.316, 0.317)),
        ("AR(1) .98", stitched_then_guided, (0.854, 0.040, 0.001), (0.968, 0.907), (0.326, 0.312)),
        ("AR(1) .98", anchored, (0.998, 0.483, 0.238), (0.833, 0.830), (0.316, 0.316)),
        ("AR(1) .995", guided_then_stitched, (0.735, 0.114, 0.006), (0.945, 0.844), (0.212, 0.214)),
        ("AR(1) .995", stitched_then_guided, (0.735, 0.114, 0.006), (0.928, 0.828), (0.224, 0.208)),
        ("AR(1) .995", anchored, (0.999, 0.835, 0.700), (0.524, 0.523), (0.209, 0.209)),
        ("Matern 3/2", guided_then_stitched, (0.795, 0.066, 0.000), (0.962, 0.881), (0.195, 0.195)),
        ("Matern 3/2", anchored, (1.001, 0.463, 0.130), (0.799, 0.796), (0.194, 0.194)),
    ],
)
def test_the_numbers_of_the_documentation(
    process: str, method: Method, prior: tuple, early: tuple, throughout: tuple
) -> None:
    assert prior_statistics(method, process) == pytest.approx(prior, abs=0.002)
    assert posterior_statistics(method, process, "early")[:2] == pytest.approx(early, abs=0.002)
    assert posterior_statistics(method, process, "throughout")[:2] == pytest.approx(throughout, abs=0.002)


@pytest.mark.parametrize("process", KERNELS)
def test_coarse_to_fine_restores_what_stitching_loses(process: str) -> None:
    _, true_half, true_full = truth(process)
    variance, half, full = prior_statistics(guided_then_stitched, process)
    rmse, spread, exact = posterior_statistics(guided_then_stitched, process, "early")
    assert variance < 0.9 and half < 0.2 * true_half and full < 0.02
    assert rmse > 1.15 * exact and rmse > 1.05 * spread

    variance, half, full = prior_statistics(anchored, process)
    rmse, spread, exact = posterior_statistics(anchored, process, "early")
    assert 0.95 < variance < 1.05
    assert (half, full) == pytest.approx((true_half, true_full), abs=0.03)
    assert (rmse, spread) == pytest.approx((exact, exact), rel=0.03)


def test_a_composition_guided_as_a_whole_may_diverge() -> None:
    rmse, _, exact = posterior_statistics(stitched_then_guided, "Matern 3/2", "early")
    assert rmse > 3 * exact
    throughout = posterior_statistics(stitched_then_guided, "Matern 3/2", "throughout")
    assert throughout[:2] == pytest.approx((0.209, 0.187), abs=0.002)


def test_a_margin_keeps_smooth_trajectories_smooth_where_windows_meet() -> None:
    study = Study(KERNELS["Matern 3/2"], OBSERVED["nowhere"])
    bend = torch.diff(eye(study.length), n=2, dim=1)
    smooth = (whole(study) @ bend).square().sum(0)
    for margin, worst in ((0, 5.29), (1, 1.31)):
        map_ = coarse_to_fine(study.sample, study.times, (ANCHOR, 1), WINDOW, margin)
        assert float(((map_ @ bend).square().sum(0) / smooth).max()) == pytest.approx(worst, abs=0.02)


def test_two_levels_of_infill_reach_further_than_a_window_squared() -> None:
    study = Study(KERNELS["AR(1) .995"], OBSERVED["nowhere"], length=1 + 5 * 24)
    map_ = coarse_to_fine(study.sample, study.times, (24, 6, 1), window=8, margin=0)
    assert map_.T @ map_ == pytest.approx(study.covariance(study.times, study.times), abs=0.01)


def test_stitching_keeps_the_middle_of_windows_and_says_when_they_are() -> None:
    times = 100 + 6 * torch.arange(10.0)

    def label(z: Tensor, sigma: float, t: Tensor) -> Tensor:
        assert z.shape == (2, 4, 3)
        assert (t.diff() == 6).all()
        return t[0] + torch.arange(4.0).reshape(1, -1, 1) / 10 + 0 * z

    composed = stitched(label, times, window=4, stride=2)(torch.zeros(2, 10, 3), 1.0)
    kept = [100, 100.1, 100.2, 112.1, 112.2, 124.1, 124.2, 136.1, 136.2, 136.3]
    assert composed[1, :, 2].tolist() == pytest.approx(kept)


@pytest.mark.parametrize(("length", "stride"), [(24, 12), (25, 24), (30, 1), (61, 7), (10, 5)])
def test_stitching_leaves_what_each_state_says_of_itself(length: int, stride: int) -> None:
    z = torch.randn(3, length, 2, generator=torch.Generator().manual_seed(0))
    composed = stitched(lambda w, sigma, t: w / (1 + sigma**2), torch.arange(length), 24, stride)
    assert torch.equal(composed(z, 2.0), z / 5)


@pytest.mark.parametrize(
    ("length", "window", "margin"),
    [(73, 24, 0), (73, 24, 1), (73, 25, 1), (73, 13, 0), (85, 15, 0), (85, 32, 2), (7, 24, 1)],
)
def test_infill_windows_are_full_and_see_their_margins(length: int, window: int, margin: int) -> None:
    drawn: list[Tensor] = []

    def sample(times: Tensor, known: Known | None) -> Tensor:
        call = len(drawn)
        drawn.append(times)
        if known is not None:
            assert len(times) == min(window, length)
            assert known.positions[0] == 0
            assert torch.equal(known.states[0, :, 0] == 0, times[known.positions] % 6 == 0)
        return torch.full((2, len(times), 1), float(call))

    states = coarse_to_fine(sample, torch.arange(length), (6, 1), window, margin)
    assert states.shape == (2, length, 1)
    assert (states[:, ::6] == 0).all()
    between = states[0, :-1, 0].unflatten(0, (-1, 6))[:, 1:]
    assert (between == between[:, :1]).all()
    for gap, call in enumerate(between[:, 0].int().tolist()):
        assert call > 0
        assert drawn[call][0] <= max(0, gap - margin) * 6
        assert drawn[call][-1] >= min(length - 1, (gap + 1 + margin) * 6)


@pytest.mark.parametrize(
    ("length", "steps", "window", "message"),
    [
        (73, (6, 2), 24, "end with 1"),
        (73, (6, 4, 1), 24, "multiples"),
        (72, (6, 1), 24, "no anchor"),
        (73, (6, 1), 12, "do not fit"),
        (73, (36, 1), 24, "holds 0 gaps"),
        (73, (6, 1), 13, "all of them margin"),
    ],
)
def test_what_cannot_be_sampled_is_said(length: int, steps: tuple, window: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        coarse_to_fine(lambda t, known: torch.zeros(1, len(t)), torch.arange(length), steps, window)
