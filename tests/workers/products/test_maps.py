import io
import json

import numpy as np
import pytest
from PIL import Image

from workers.products.maps import color_scale, draw_all, draw_map, map_extent, read_scale

LATITUDE = np.linspace(60, 30, 21)
LONGITUDE = np.linspace(-20, 14.5, 24)
TIMES = np.array(["2019-02-17T12:00", "2019-02-18T12:00"], dtype="datetime64[ns]")


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def ramp() -> np.ndarray:
    """Mean sea level pressure rising eastwards."""
    return np.broadcast_to(np.linspace(98_000, 104_000, 24), (21, 24))


def test_a_map_covers_the_grid_cell_by_cell():
    image = pixels(draw_map(ramp(), LATITUDE, LONGITUDE))
    height, width = image.shape[:2]
    assert width % 24 == 0 and height % 21 == 0 and 900 < width < 1100
    assert map_extent(LATITUDE, LONGITUDE) == {"west": -20.75, "south": 29.25, "east": 15.25, "north": 60.75}


def test_low_and_high_values_get_the_ends_of_the_palette():
    image = pixels(draw_map(ramp(), LATITUDE, LONGITUDE))
    scale = color_scale(ramp(), "mean", "msl")
    ends = [
        [int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in (scale["colors"][0], scale["colors"][-1])
    ]
    assert np.abs(image[0, 0, :3].astype(int) - ends[0]).max() < 30
    assert np.abs(image[0, -1, :3].astype(int) - ends[1]).max() < 30


def test_the_legend_is_in_the_units_people_read():
    assert color_scale(ramp(), "mean", "msl") | {"units": "hPa", "vmin": 980, "vmax": 1040} == color_scale(
        ramp(), "mean", "msl"
    )
    warm = color_scale(np.array([[273.15, 283.15]]), "mean", "t850")
    assert (warm["units"], warm["vmin"], warm["vmax"]) == ("°C", 0, 10)


def test_a_spread_starts_at_zero_and_is_a_difference():
    scale = color_scale(np.array([[0.5, 1.9]]), "spread", "t850")
    assert (scale["units"], scale["vmin"]) == ("K", 0)
    assert scale["vmax"] >= 1.9


def test_the_png_carries_its_scale_and_extent():
    scale = read_scale(draw_map(ramp(), LATITUDE, LONGITUDE))
    assert scale["extent"]["west"] == -20.75
    assert scale["title"] == "Mean of mean sea level pressure"


def test_a_common_scale_makes_maps_comparable():
    common = color_scale(np.stack([ramp(), ramp() + 2000]), "mean", "msl")
    assert read_scale(draw_map(ramp(), LATITUDE, LONGITUDE, scale=common))["vmax"] == common["vmax"] == 1060


def test_rows_of_a_gaussian_grid_are_drawn_at_their_latitudes():
    latitude = np.array([60.0, 58.0, 30.0])
    field = np.array([[100_000.0] * 4, [101_000.0] * 4, [102_000.0] * 4])
    middle = pixels(draw_map(field, latitude, np.arange(4.0)))
    linear = pixels(draw_map(field, np.array([60.0, 45.0, 30.0]), np.arange(4.0)))
    assert not np.array_equal(middle, linear)


def test_missing_values_are_transparent():
    field = ramp().copy()
    field[:5] = np.nan
    image = pixels(draw_map(field, LATITUDE, LONGITUDE))
    assert image[0, 0, 3] == 0 and image[-1, 0, 3] == 255


@pytest.mark.parametrize("field", [np.full((21, 24), 100_000.0), np.full((21, 24), np.nan)])
def test_a_flat_or_empty_field_still_gives_a_picture(field):
    assert pixels(draw_map(field, LATITUDE, LONGITUDE)).size


def test_a_field_of_the_wrong_shape_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        draw_map(np.zeros((3, 3)), LATITUDE, LONGITUDE)


def test_all_maps_of_an_ensemble_are_listed_with_a_scale_common_to_the_times():
    mean = np.stack([ramp(), ramp() + 1000])[:, None]
    objects = draw_all({"mean": mean, "spread": mean * 0.01}, TIMES, ["msl"], LATITUDE, LONGITUDE)
    index = json.loads(objects.pop("maps/index.json"))
    assert sorted(objects) == sorted(f"maps/{entry['name']}" for entry in index["maps"])
    assert "maps/msl-20190218T1200Z-spread.png" in objects
    assert index["extent"] == map_extent(LATITUDE, LONGITUDE)
    first, second = (entry for entry in index["maps"] if entry["quantity"] == "mean")
    assert (first["time"], first["scale"]) == ("2019-02-17T12:00:00Z", second["scale"])
    assert read_scale(objects[f"maps/{first['name']}"])["vmax"] == first["scale"]["vmax"] == 1050


def test_a_map_of_the_earth_goes_from_pole_to_pole_and_begins_at_the_date_line():
    longitude = np.arange(0.0, 360.0, 5.625)
    latitude = np.linspace(86, -86, 32)
    field = np.broadcast_to(100_000 + 10.0 * longitude, (2, 1, 32, 64))
    objects = draw_all({"mean": field}, TIMES, ["msl"], latitude, longitude)
    extent = json.loads(objects["maps/index.json"])["extent"]
    assert extent == {"west": -182.8125, "south": -90, "east": 177.1875, "north": 90}
    image = pixels(objects["maps/msl-20190217T1200Z-mean.png"])
    scale = read_scale(objects["maps/msl-20190217T1200Z-mean.png"])
    lowest, highest = ([int(scale["colors"][k][i : i + 2], 16) for i in (1, 3, 5)] for k in (0, -1))
    greenwich = image.shape[1] * 182.8125 / 360
    assert np.abs(image[5, int(greenwich) + 4, :3].astype(int) - lowest).max() < 40
    assert np.abs(image[5, int(greenwich) - 20, :3].astype(int) - highest).max() < 40


def test_geopotential_has_the_isolines_of_weather_charts():
    gpm = 9.80665 * np.array([[4900.0, 5950.0]])
    assert color_scale(gpm, "mean", "z500")["step"] == 80
    assert color_scale(gpm / 2 + 20_000, "mean", "z500")["step"] == 40


def test_winds_and_departures_have_zero_in_the_middle_of_their_colours():
    for channel, departure in (("u200", False), ("msl", True), ("t850", True)):
        scale = color_scale(np.array([[-500.0, 3000.0]]), "mean", channel, departure=departure)
        assert scale["vmin"] == -scale["vmax"] < 0 and scale["offset"] == 0
    assert scale["units"] == "K" and scale["title"].endswith("departure from the season's")
