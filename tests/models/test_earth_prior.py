"""The bundled prior of the simulated Earth: a plausible atmosphere that reports pull towards themselves."""

import numpy as np
import pandas as pd
import pytest
import torch

from models import osse
from models.analysis import Analysis, sample
from models.observations.table import empty
from models.prior.card import load_card
from models.prior.prior import Prior, load_prior
from models.state.time import year_fraction
from models.weather import open_weather

TIMES = pd.date_range("2001-01-10", periods=5, freq="6h", tz="UTC").as_unit("ns")


@pytest.fixture(scope="module")
def earth() -> Prior:
    return load_prior(load_card("earth-t21"))


def test_its_january_is_a_january(earth: Prior):
    state = earth.card.state
    with torch.no_grad():
        mean = earth.decode(Analysis(earth, TIMES).mean)[0].double().numpy()
    fields, latitude = dict(zip(state.names, mean, strict=True)), state.grid.latitude
    assert (fields["sp"] * state.grid.area_weights).mean() == pytest.approx(100_200, abs=500)
    north, south = (np.argmin(abs(latitude - x)) for x in (45, -45))
    assert fields["u200"][north].mean() > 15 < fields["u200"][south].mean()  # the jets
    assert fields["t950"][north].mean() < fields["t950"][south].mean() - 5
    assert fields["t950"][15:17].mean() > 295 and fields["t950"][0].mean() < 260
    assert 0.010 < fields["q950"][15:17].mean() < 0.020


def test_reports_of_a_trajectory_bring_members_to_it(earth: Prior):
    analysis = Analysis(earth, TIMES)
    truth = sample(analysis, empty(), members=[osse.TRUTH], seed=0, preset="fast")[0]
    network = osse.example_network(earth.card)
    reports = osse.observe(analysis, network, truth, seed=0)
    members = sample(analysis, reports, members=[0, 1], seed=0, preset="fast")
    climate = earth.decode(analysis.mean).detach().numpy()
    weight = earth.card.state.grid.area_weights

    def distance(field: np.ndarray) -> np.ndarray:
        return np.sqrt((((field - truth) ** 2) * weight).mean((0, 2, 3)))

    ratio = dict(zip(earth.card.state.names, distance(members.mean(0)) / distance(climate), strict=True))
    assert (
        ratio["sp"] < 0.9 and ratio["u510"] < 0.9 and ratio["t510"] < 0.9
    )  # two members: 1.2 without reports
    assert ratio["v685"] < 0.95 and ratio["z500"] < 0.9  # winds there nothing has observed
    spread = members.std(0, ddof=1)
    assert (spread.mean((0, 2, 3)) > 0).all() and np.isfinite(members).all()


def test_fields_have_the_mass_of_all_air_and_heights_of_the_air_below_them(earth: Prior):
    with open_weather(earth.card) as days:
        true = np.stack([days[name].values[:2] for name in earth.card.state.names], axis=1)
    z = earth.encode(torch.from_numpy(true))
    std = torch.as_tensor(earth.card.state.std, dtype=torch.float32)[:, None, None]
    fields, decoded = torch.from_numpy(earth.fields(z)), earth.decode(z)
    torch.testing.assert_close(earth.balanced(fields) / std, fields / std, atol=2e-3, rtol=0)
    height = earth.card.state.names.index("z500")
    off, was = (((x - torch.from_numpy(true))[:, height]).square().mean() for x in (fields, decoded))
    assert off < 1.2 * was  # of what the code loses it makes no more
    assert not torch.equal(fields[:, height], decoded[:, height])


def test_what_its_forecaster_is_wrong_by_looks_like_what_it_is_said_to_be_wrong_by(earth: Prior):
    """In fields, on days that it has not seen: latents that were wrong each for itself would make heights of
    twice the error.
    """
    with open_weather(earth.card) as days:
        times = pd.DatetimeIndex(days.time.values)
        fields = np.stack([days[name].values for name in earth.card.state.names], axis=1)
    forecaster, states = earth.need_forecaster(), torch.from_numpy(fields)
    z = earth.encode(states[1:])
    white = torch.randn(len(z), 1, *z.shape[1:], generator=torch.Generator().manual_seed(0))
    drawn = forecaster.errors(white, earth.climatology.directions.float())[:, 0]
    with torch.no_grad():
        when = float(year_fraction(times[len(times) // 2 :])[0])  # the middle of ten days
        real = earth.ahead(states[:-1], when) - states[1:]
        made = (earth.decode(z + drawn) - earth.decode(z)) * forecaster.loudness[:, None, None]
    weight = torch.from_numpy(earth.card.state.grid.area_weights)
    size = [(x.double().square() * weight).mean((0, 2, 3)).sqrt() for x in (real, made)]
    ratio = dict(zip(earth.card.state.names, (size[1] / size[0]).tolist(), strict=True))
    for name in ("u510", "v510", "t510", "sp", "z500", "q685"):
        assert 0.85 < ratio[name] < 1.25, ratio
