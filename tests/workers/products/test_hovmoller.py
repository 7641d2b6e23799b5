import json

import numpy as np
import pandas as pd

from workers.products.hovmoller import draw_hovmoller
from workers.products.maps import read_scale

TIMES = pd.date_range("2000-01-01", periods=5, freq="6h")
LONGITUDE = np.arange(40) * 9.0


def test_a_ring_is_drawn_in_longitude_and_time_with_one_picture_per_quantity():
    field = np.random.default_rng(0).standard_normal((5, 1, 1, 40)).cumsum(axis=-1)
    objects = draw_hovmoller({"mean": field, "spread": abs(field)}, TIMES, ["lorenz_x"], LONGITUDE)
    assert {*objects} == {"maps/lorenz_x-mean.png", "maps/lorenz_x-spread.png", "maps/index.json"}
    index = json.loads(objects["maps/index.json"])
    assert index["maps"] == []
    mean, spread = index["hovmoller"]
    assert (mean["time"], mean["end"]) == ("2000-01-01T00:00:00Z", "2000-01-02T00:00:00Z")
    assert (mean["quantity"], spread["quantity"], spread["scale"]["vmin"]) == ("mean", "spread", 0)
    drawn = read_scale(objects["maps/lorenz_x-mean.png"])
    assert drawn["vmin"] <= field.min() and drawn["vmax"] >= field.max()


def test_of_a_point_or_a_single_time_there_is_no_picture():
    for shape, times, longitude in (((5, 1, 1, 1), TIMES, [0.0]), ((1, 1, 1, 40), TIMES[:1], LONGITUDE)):
        objects = draw_hovmoller({"mean": np.zeros(shape)}, times, ["lorenz_x"], longitude)
        assert {name: json.loads(text) for name, text in objects.items()} == {
            "maps/index.json": {"maps": [], "hovmoller": []}
        }
