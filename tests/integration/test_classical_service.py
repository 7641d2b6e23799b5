"""A classical problem through the whole service: simulated reports in, and the truth to compare with."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from app.cli.demo import running_service
from models.classical.simulate import simulate
from models.osse import example_network
from models.prior.card import load_card
from tests.browser import open_browser

pytestmark = pytest.mark.timeout(280)
NAME, ERROR = "lorenz96", 1.0


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, xr.Dataset]]:
    """Address of a service, its one analysis of a whole window, and the truth."""
    home: Path = tmp_path_factory.mktemp("classical")
    card = load_card(NAME)
    times = pd.date_range("2000-01-01T00:00Z", periods=card.window, freq=f"{card.state.step_hours}h").as_unit(
        "ns"
    )
    reports, truth = simulate(card, example_network(card).assign(error=ERROR), times, seed=1)
    batch = reports[["station_id", "time", "latitude", "longitude", "variable", "value", "error"]]
    with running_service(home) as service:
        sent = batch.to_csv(index=False).encode()
        reply = service.put_batch("b", sent, content_type="text/csv", prior=NAME)
        assert reply["counts"]["rejected"] == 0
        job_id = service.execute(
            {
                "prior": NAME,
                "window": {"start": times[0].isoformat(), "end": times[-1].isoformat()},
                "observations": {"batches": ["b"]},
                "members": 8,
                "preset": "fast",
                "withheld": 0.2,
            }
        )["jobID"]
        for _ in service.events(job_id):
            pass
        yield service.url, job_id, truth


def test_the_ensemble_is_closer_to_the_truth_than_reports_and_climatology(
    analysed: tuple[str, str, xr.Dataset],
) -> None:
    url, job_id, truth = analysed
    ensemble = xr.open_zarr(f"{url}/ensembles/{job_id}/ensemble.zarr").load()
    assert ensemble["lorenz_x"].attrs["units"] == "1" and "standard_name" not in ensemble["lorenz_x"].attrs
    error = ensemble["lorenz_x"].mean("number") - truth["lorenz_x"]
    assert error.shape == truth["lorenz_x"].shape
    rmse, spread = np.sqrt((error**2).mean()), np.sqrt(ensemble["lorenz_x"].var("number", ddof=1).mean())
    assert rmse < 0.8 * ERROR < 0.5 * truth["lorenz_x"].std()
    assert 0.5 < spread / rmse < 2


def test_certificate_receipts_and_pictures_are_there(analysed: tuple[str, str, xr.Dataset]) -> None:
    url, job_id, _ = analysed
    with open_browser() as page:
        page.goto(f"{url}/#{job_id}")
        page.wait_for_function("document.querySelector('#hovmoller img')?.naturalWidth > 500")
        assert page.locator("#map-panel").is_hidden()
        assert "lorenz_x" in page.locator("#tables caption").inner_text()
        scores = page.locator("#tables tbody tr td:first-of-type").all_inner_texts()
        assert float(scores[0]) == min(map(float, scores))  # RMSE at withheld stations, beside the baselines
        assert "withheld to verify" in page.locator("#receipts").inner_text()
