"""`serein score scale`: every measurement in a process of its own, and members the same in other company."""

from pathlib import Path

import numpy as np

from app.scoreboard import scale


def test_memory_time_and_company_are_measured_and_drawn(tmp_path: Path) -> None:
    ballast = np.ones(2**28)  # 2 GB in this process are not theirs
    options = scale.Options(observations=[60], members=[2], few=2, some=60)
    board = scale.score(options)
    (row,) = board["detail"]["observations"]
    assert row["observations"] == 60 and row["members"] == 2
    assert 0 < row["cpu_seconds"] and 0 < board["detail"]["base_gb"] < row["gb"] < 1.5
    assert ballast.all()
    assert all(c["holds"] for c in board["criteria"]), board["criteria"]
    scale.plot(board["detail"], tmp_path / "scale.png")
    assert (tmp_path / "scale.png").stat().st_size > 10_000


def test_the_members_are_those_of_the_observations() -> None:
    """Fewer observations, another ensemble: what is compared in company is not a constant."""
    _, few = scale.measure(10, range(1), "fast", 0)
    _, more = scale.measure(60, range(1), "fast", 0)
    assert few.shape == more.shape
    assert abs(few - more).max() > 1
