"""Nearest station and bootstrap intervals."""

import numpy as np
import pytest

from models.verification.baselines import nearest_station
from models.verification.bootstrap import ratio_interval


def test_the_nearest_station_is_found_on_the_sphere_across_the_date_line_and_near_the_pole() -> None:
    value, km = nearest_station(
        [0.0, 89.0],
        [179.9, 0.0],
        ["msl", "msl"],
        [0.0, 0.0, 89.0, 85.0],
        [179.0, -179.9, 180.0, 0.0],
        [1.0, 2.0, 3.0, 4.0],
        ["msl"] * 4,
    )
    assert value.tolist() == [2.0, 3.0]
    np.testing.assert_allclose(km, np.deg2rad([0.2, 2.0]) * 6371, rtol=1e-9)


def test_only_the_same_channel_and_time_counts_and_none_is_nan() -> None:
    value, km = nearest_station(
        [0.0, 0.0], [0.0, 0.0], ["a", "b"], [0.0, 5.0], [0.0, 0.0], [1.0, 2.0], ["c", "a"]
    )
    assert value[0] == 2.0 and km[0] == pytest.approx(np.deg2rad(5) * 6371)
    assert np.isnan(value[1]) and np.isnan(km[1])


def test_nearest_station_agrees_with_a_search_through_all_in_any_order_of_sources() -> None:
    g = np.random.default_rng(0)
    lat, lon = np.rad2deg(np.arcsin(g.uniform(-1, 1, 40))), g.uniform(-180, 180, 40)
    slat, slon = np.rad2deg(np.arcsin(g.uniform(-1, 1, 60))), g.uniform(-180, 180, 60)
    a, b = np.deg2rad(lat)[:, None], np.deg2rad(slat)[None]
    half = np.sin((a - b) / 2) ** 2 + np.cos(a) * np.cos(b) * np.sin(np.deg2rad(lon[:, None] - slon) / 2) ** 2
    expected = np.argmin(half, axis=1)  # haversine
    for order in (np.arange(60), g.permutation(60)):
        value, _ = nearest_station(
            lat, lon, [0] * 40, slat[order], slon[order], np.arange(60.0)[order], [0] * 60
        )
        assert value.astype(int).tolist() == expected.tolist()


def test_of_two_sources_at_one_place_the_choice_does_not_depend_on_their_order() -> None:
    for values in ([3.0, 1.0], [1.0, 3.0]):
        assert nearest_station([0.0], [0.0], [0], [1.0, 1.0], [1.0, 1.0], values, [0, 0])[0].item() == 1.0


def test_the_interval_of_a_ratio_covers_the_true_ratio_as_often_as_it_says() -> None:
    g = np.random.default_rng(1)
    names = np.repeat([f"s{i}" for i in range(60)], 2).astype(object)
    hits = 0
    for _ in range(300):
        level = np.repeat(g.gamma(2, size=60), 2)  # stations differ, their rows do not
        ratio, low, high = ratio_interval(0.8 * level * g.gamma(5, size=120), level * 5, names, g, 400)
        assert low <= ratio <= high
        hits += low <= 0.8 <= high
    assert hits / 300 == pytest.approx(0.9, abs=0.06)


def test_one_station_has_a_ratio_and_no_interval_and_nothing_has_none() -> None:
    g = np.random.default_rng(2)
    ratio, low, high = ratio_interval([1.0, 3.0], [2.0, 2.0], np.array(["a", "a"], object), g)
    assert ratio == 1.0 and np.isnan(low) and np.isnan(high)
    assert np.isnan(ratio_interval([], [], np.array([], object), g)).all()
