"""First-guess check."""

import numpy as np
import pandas as pd

from models.observations.flags import Flag
from models.observations.quality.first_guess import first_guess
from models.observations.table import conform


def _reports(values: list[float], variable: str = "msl", pressure: float = np.nan) -> pd.DataFrame:
    row = {"time": "2019-02-17T12:00Z", "latitude": 50.0, "longitude": 5.0, "pressure": pressure}
    frame = pd.DataFrame(
        [{**row, "variable": variable, "value": v, "station_id": f"{i}"} for i, v in enumerate(values)]
    )
    return conform(frame)


def test_a_departure_beyond_k_predicted_standard_deviations_is_flagged_with_the_numbers_in_hpa() -> None:
    frame = _reports([101000.0, 95000.0, 107000.0])
    out = first_guess(frame, [-500.0, -6500.0, 5500.0], [1200.0, 1200.0, 1200.0], k=5)
    assert out["qc"].tolist() == [Flag.PASS, Flag.FIRST_GUESS, Flag.PASS]
    assert out["reason"].iloc[1] == (
        "950.0 hPa is 65.0 hPa from the climatology's 1015.0 hPa ± 12.0 hPa: more than 5 standard deviations"
    )


def test_geopotential_is_explained_in_geopotential_metres() -> None:
    g = 9.80665
    out = first_guess(_reports([4000 * g], "z", 50000.0), [-1500 * g], [150 * g])
    assert "4000 gpm is 1500 gpm from the climatology's 5500 gpm ± 150 gpm" in out["reason"].iloc[0]


def test_what_cannot_be_compared_does_not_pass() -> None:
    out = first_guess(_reports([1e5, 1e5]), [np.nan, 0.0], [1.0, np.nan])
    assert (out["qc"] == Flag.HX_FAILED).all()


def test_a_row_already_rejected_keeps_its_flag_and_reason() -> None:
    frame = _reports([95000.0]).assign(qc=np.int16(Flag.DOMAIN), reason="outside")
    out = first_guess(frame, [-6500.0], [1200.0])
    assert out["qc"].tolist() == [Flag.DOMAIN] and out["reason"].tolist() == ["outside"]
