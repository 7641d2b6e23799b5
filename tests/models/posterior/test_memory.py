"""What windows in a row remember; priors that have a forecaster are in `tests/models/test_cycling.py`."""

import pandas as pd
import pytest
import torch

from models.analysis import Analysis
from models.posterior.memory import followed, remembered
from models.testing.toy import gaussian_prior

TIMES = pd.date_range("2019-02-17T12:00Z", periods=2, freq="24h")
MEMBERS = 4000


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return Analysis(gaussian_prior(rank=110), TIMES)


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def left(analysis: Analysis, states: torch.Tensor, inflation: float = 1.0) -> torch.Tensor:
    """Variance of the first state's latents with the memory of an ensemble, over that without."""
    course = remembered(states, analysis.prior, analysis.year_fraction, inflation)
    before = analysis.prior.climatology.marginal(0).flatten()
    return 1 / (1 + before * course.modes[:, 0, 0].square())


def test_with_the_climatology_a_memory_is_what_the_ensemble_knew(analysis: Analysis) -> None:
    own = analysis.prior.climatology.marginal(0)
    states = analysis.mean[0] + 0.5 * own.sqrt() * noise(MEMBERS, *own.shape)
    assert left(analysis, states).mean() == pytest.approx(0.25, rel=0.03)
    assert left(analysis, states, inflation=1.5).mean() == pytest.approx(0.375, rel=0.03)


def test_an_ensemble_as_wide_as_the_climatology_is_hardly_believed(analysis: Analysis) -> None:
    own = analysis.prior.climatology.marginal(0)
    assert (left(analysis, 2 * own.sqrt() * noise(MEMBERS, *own.shape)) > 0.98).all()


@pytest.mark.parametrize(("back", "position"), [(False, 0), (True, 1)])
def test_each_member_is_given_its_own_state(analysis: Analysis, back: bool, position: int) -> None:
    states = analysis.mean[position] + noise(2, *analysis.mean.shape[1:])
    course = followed(states, analysis.prior, analysis.year_fraction, 0.05, back=back)
    z = analysis.mean.repeat(2, 1, 1, 1, 1)
    z[:, position] = states
    off = course.wanted - course.look(z)
    assert float(off.abs().max()) < 0.3  # of errors
    z[:, 1 - position] += 1
    torch.testing.assert_close(course.wanted - course.look(z), off)
