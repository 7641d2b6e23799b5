"""Distances on the Earth."""

import numpy as np
import pytest

from models.state.distances import distances


def test_distances_go_over_the_seam_and_the_poles():
    points = np.array([0.0, 80.0]), np.array([359.0, 0.0])
    quarter = np.pi / 2 * 6371
    found = distances(*points, np.array([0.0, 80.0, 0.0]), np.array([1.0, 180.0, 89.0]))
    np.testing.assert_allclose(found[0, [0, 2]], [quarter / 45, quarter], rtol=1e-6)
    assert found[1, 1] == pytest.approx(20 / 90 * quarter)
