"""Observing-system simulation: an honest ensemble is recognised, and a dishonest one too."""

import numpy as np
import pandas as pd
import pytest

from models import osse
from models.analysis import Analysis
from models.osse import (
    check,
    compare,
    example_network,
    example_times,
    observe,
    simulate,
    simulate_weather,
    summary,
    truth,
)
from models.prior.card import load_card
from models.testing.toy import gaussian_prior
from models.verification.scores import area_mean, crps_ensemble
from models.weather import open_weather

TIMES = pd.date_range("2019-02-17T12:00Z", periods=2, freq="24h")


def test_the_example_network_is_the_same_every_time_and_inside_the_domain() -> None:
    card = gaussian_prior().card
    network = example_network(card)
    assert network.equals(example_network(card))
    assert card.state.grid.contains(network["latitude"], network["longitude"]).all()
    assert network["channel"].value_counts().to_dict() == {"msl": 20, "t850": 5}


def test_reports_are_the_truth_with_noise_of_the_stated_size() -> None:
    prior = gaussian_prior()
    analysis = Analysis(prior, TIMES)
    network = pd.concat([example_network(prior.card)] * 40, ignore_index=True)
    network["station_id"] = [f"s{i}" for i in range(len(network))]
    constant = np.broadcast_to(prior.card.state.mean[:, None, None], (2, *prior.card.state.shape))
    table = observe(analysis, network, np.ascontiguousarray(constant), seed=0)
    noise = (table["value"] - table["variable"].map({"msl": 101_500.0, "t": 278.0})) / table["error"]
    assert len(table) == 2 * len(network)
    assert abs(noise.std() - 1) < 0.05 and abs(noise.mean()) < 0.1


def test_weather_that_comes_with_a_prior_is_reported_as_it_is() -> None:
    card, when = load_card("earth-t21"), example_times(load_card("earth-t21"))
    row, column = 10, 60
    here = {"latitude": card.state.grid.latitude[row], "longitude": card.state.grid.longitude[column]}
    place = {"station_id": "S", **here, "elevation": 0.0, "error": 1e-6, "kind": "TEMP"}
    table = simulate_weather(card, pd.DataFrame([{**place, "channel": "t510"}]), when, seed=0)
    with open_weather(card) as days:
        expected = days["t510"].values[-len(when) :, row, column]
    np.testing.assert_allclose(table.sort_values("time")["value"], expected, atol=1e-4)


def test_the_same_seed_gives_the_same_reports() -> None:
    prior = gaussian_prior()
    network = example_network(prior.card)
    first, again, other = (simulate(prior, network, TIMES, seed=s) for s in (1, 1, 2))
    assert first.equals(again) and not first["value"].equals(other["value"])


def test_an_ensemble_drawn_where_prior_and_errors_are_right_is_honest_and_as_good_as_optimal() -> None:
    prior = gaussian_prior()
    scores = check(prior, example_network(prior.card), TIMES, draws=4, members=24, preset="balanced", seed=3)
    for row in scores.values():
        assert 0.85 < row["spread_skill"] < 1.15
        assert abs(row["coverage90"] - 0.9) < 0.06
        assert row["rmse"] < row["climatology_rmse"]
        assert row["rmse"] == pytest.approx(row["oi_rmse"], rel=0.1)


def test_members_are_scored_as_the_mirrored_pairs_that_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    prior = gaussian_prior()
    analysis = Analysis(prior, TIMES)
    states = truth(analysis, 6)
    table = observe(analysis, example_network(prior.card), states, 6)
    half = np.random.default_rng(1).normal(size=(2, *states.shape))
    pairs = states + np.stack([half, -half], axis=1).reshape(4, *states.shape)
    monkeypatch.setattr(osse, "sample", lambda *_, **__: pairs)
    trial = compare(analysis, table, states, members=4, preset="fast", seed=0)
    exact = crps_ensemble(pairs, states, mirrored=True)
    np.testing.assert_allclose(trial.crps, area_mean(exact, prior.card.state.grid.area_weights), rtol=1e-6)
    np.testing.assert_allclose(trial.expected, trial.variance)  # the mean of such pairs is exact


def test_overconfidence_is_noticed() -> None:
    prior = gaussian_prior()
    analysis = Analysis(prior, TIMES)
    network = example_network(prior.card)
    states = truth(analysis, 5)
    wrong = observe(analysis, network, states, 5)
    noise = np.random.default_rng(0).standard_normal(len(wrong))
    wrong = wrong.assign(value=wrong["value"] + 12 * wrong["error"] * noise)  # much worse than stated
    trial = compare(analysis, wrong, states, members=24, preset="balanced", seed=5)
    assert summary(prior.card.state, [trial])["msl"]["spread_skill"] < 0.7
