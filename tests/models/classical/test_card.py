"""Classical problems as priors of the service: what their cards say, and what quality control makes of it."""

import numpy as np
import pandas as pd
import pytest
import torch

from models.analysis import Analysis, prepare, sample
from models.classical.card import SETTINGS, describe, place
from models.classical.prior import ClassicalPrior, load
from models.classical.problem import PROBLEMS
from models.classical.simulate import simulate
from models.observations.flags import Flag
from models.observations.quality.bounds import bounds
from models.osse import example_network
from models.prior.card import BUNDLED, PriorCard, list_priors, load_card
from models.prior.prior import load_prior

NAMES = [card.name for card in list_priors() if card.architecture.get("kind") == "classical"]


def times(card: PriorCard, states: int) -> pd.DatetimeIndex:
    return pd.date_range("2000-01-01T00:00Z", periods=states, freq=f"{card.state.step_hours}h").as_unit("ns")


def test_lorenz_63_and_lorenz_96_are_offered() -> None:
    assert {"lorenz63", "lorenz96"} <= set(NAMES) <= set(SETTINGS)


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_what_its_prior_is(name: str) -> None:
    """If not: it was trained anew, and wants `python -m models.classical.card NAME`."""
    assert load_card(name).to_dict() == describe(name, load(name), BUNDLED / name).to_dict()


@pytest.mark.parametrize("name", NAMES)
def test_states_are_decoded_into_the_units_of_the_model(name: str) -> None:
    model, prior = load(name), load_prior(load_card(name))
    assert prior.card.state.shape == model.shape
    z = torch.randn(3, *model.shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(prior.decode(z).double(), model.restore(z), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(prior.encode(model.restore(z)), z, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_what_the_model_does_passes_quality_control(name: str) -> None:
    prior = load_prior(load_card(name))
    card = prior.card
    table, truth = simulate(card, example_network(card), times(card, card.window), seed=1)
    assert {*truth.data_vars} == {*card.state.names} and truth.sizes["time"] == card.window
    checked = bounds(table)
    rows, superobs = prepare(Analysis(prior, times(card, card.window)), checked, withheld=0.3)
    assert (rows["qc"] == Flag.PASS).mean() > 0.99
    assert set(rows["use"]) == {"active", "withheld"} and len(superobs)


@pytest.mark.parametrize("preset", ["fast", "balanced", "careful"])
@pytest.mark.parametrize("factor", [1.0, 0.3])
def test_presets_are_stable_also_with_accurate_observations(preset: str, factor: float) -> None:
    prior = load_prior(load_card("lorenz63"))
    card, network = prior.card, example_network(prior.card)
    network["error"] = factor * card.observation_error["lorenz_x"]
    analysis = Analysis(prior, times(card, card.window))
    table, states = simulate(card, network, analysis.times, seed=1)
    truth = np.stack([states[name].to_numpy() for name in card.state.names], axis=1)
    _, superobs = prepare(analysis, bounds(table))
    z = sample(analysis, superobs, members=[0, 2], seed=0, preset=preset)
    error = ((z.mean(0) - truth) ** 2).mean() ** 0.5
    assert error < 0.5 * factor * card.observation_error["lorenz_x"]


def test_the_same_seed_gives_the_same_reports_and_they_are_the_truth_with_noise() -> None:
    card = load_card("lorenz96")
    (first, truth), (again, _), (other, _) = (
        simulate(card, example_network(card), times(card, 8), seed) for seed in (1, 1, 2)
    )
    assert first.equals(again) and not first["value"].equals(other["value"])
    error = card.observation_error["lorenz_x"]
    at = truth["lorenz_x"].sel(latitude=0.0).to_series()
    points = first.assign(longitude=first["longitude"] % 360, time=first["time"].dt.tz_localize(None))
    noise = points.set_index(["time", "longitude"])["value"] - at
    assert abs(noise.std() - error) < 0.1 * error


def test_impossible_and_unbelievable_values_are_refused_with_a_reason() -> None:
    prior = load_prior(load_card("lorenz96"))
    table, _ = simulate(prior.card, example_network(prior.card), times(prior.card, 4), seed=1)
    table.loc[[0, 1], "value"] = [-300.0, 30.0]
    rows, _ = prepare(Analysis(prior, times(prior.card, 4)), bounds(table))
    assert rows["qc"].tolist()[:2] == [Flag.BOUNDS, Flag.FIRST_GUESS]
    assert rows["reason"][0] == "lorenz_x = -300 is outside the plausible -40 to 40"
    assert rows["reason"][1].startswith("30.0 is ") and "climatology's 2.3 ±" in rows["reason"][1]
    assert (rows["qc"] == Flag.PASS)[2:].all()


def test_a_model_that_does_not_keep_to_hours_is_refused() -> None:
    model = load("lorenz96")
    odd = ClassicalPrior(
        0.051, model.mean, model.std, model.autocovariance, model.network, model.architecture
    )
    with pytest.raises(ValueError, match=r"6\.12 h apart"):
        describe("lorenz96", odd, BUNDLED)


def test_a_field_lies_in_a_box_and_a_ring_on_the_equator() -> None:
    assert place(64, 64).shape == (64, 64) and not place(64, 64).periodic
    assert place(1, 40).periodic and place(1, 40).spacing == 9
    assert place(1, 1).contains([90, -45], [0, 200]).all()


def test_the_climatology_is_that_of_the_model() -> None:
    prior = load_prior(load_card("lorenz96"))
    states = PROBLEMS["lorenz96"].trajectories(8, 64, torch.Generator().manual_seed(3)).numpy()
    analysis = Analysis(prior, times(prior.card, 2))
    table, _ = simulate(prior.card, example_network(prior.card), analysis.times, seed=1)
    seen = analysis.dense(table)
    assert np.allclose(seen.background, states.mean(), atol=0.3)
    assert np.allclose(seen.variance().sqrt(), states.std(), rtol=0.1)
