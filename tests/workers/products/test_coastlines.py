import json

import numpy as np
import pytest

from workers.products.coastlines import coastlines


def size(lines: list) -> int:
    return len(json.dumps(lines, separators=(",", ":")))


@pytest.mark.parametrize("box", [(-20, 30, 14.5, 60), (-180, -90, 180, 90), (0, -90, 360, 90)])
def test_coastlines_of_a_region_and_of_the_earth_stay_small(box):
    lines = coastlines(*box)
    assert len(lines) > 50 and size(lines) < 300_000
    points = np.concatenate([np.array(line) for line in lines])
    assert points[:, 0].min() > box[0] - 2 and points[:, 0].max() < box[2] + 2


def test_the_coast_of_ireland_is_where_it_is():
    points = np.concatenate([np.array(line) for line in coastlines(-11, 51, -5, 56)])
    malin_head, mizen_head = (-7.37, 55.38), (-9.82, 51.45)
    for cape in (malin_head, mizen_head):
        assert np.hypot(*(points - cape).T).min() < 0.1


def test_a_box_across_the_date_line_is_one_piece():
    east = coastlines(160, -20, 200, 20)
    assert any(point[0] > 180 for line in east for point in line)


@pytest.mark.parametrize("box", [(10, 0, 0, 10), (0, 50, 10, 40), (0, -100, 10, 0), (0, 0, 400, 10)])
def test_an_impossible_box_is_refused(box):
    with pytest.raises(ValueError, match="west,south,east,north"):
        coastlines(*box)
