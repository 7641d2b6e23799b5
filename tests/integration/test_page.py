"""The page and the whole service: an analysis is started, progresses, finishes, and its map is painted."""

import json
from pathlib import Path

import pytest
import xarray as xr

from app.cli.demo import running_service, window_of, write_example
from models.prior.card import list_priors
from tests.browser import open_browser, painted

pytestmark = pytest.mark.timeout(280)


def test_an_analysis_progresses_finishes_and_its_map_is_painted(tmp_path: Path):
    assert "europe" in [card.name for card in list_priors()]
    batch = write_example("europe", tmp_path / "example.csv")
    with open_browser() as page, running_service(tmp_path) as service:
        page.set_default_timeout(200_000)
        page.goto(service.url)
        page.wait_for_function("document.querySelector('#jobs-note').textContent.includes('No analysis yet')")
        reply = service.put_batch("example", batch.read_bytes(), content_type="text/csv", prior="europe")
        assert reply["counts"]["rejected"] == 0
        job_id = service.execute(
            {
                "prior": "europe",
                "window": window_of(batch),
                "observations": {"batches": ["example"]},
                "members": 8,
                "preset": "fast",
            }
        )["jobID"]
        page.goto(f"{service.url}/#{job_id}")
        page.wait_for_function("document.querySelector('#progress').checkVisibility()")
        page.wait_for_function("/[0-9]+ of [0-9]+/.test(document.querySelector('#level').textContent)")
        page.wait_for_function("document.querySelector('#status').textContent === 'finished'")
        page.wait_for_function(painted("#map"))
        assert page.locator(f'#jobs a[href="#{job_id}"][aria-current] .badge').inner_text() == "finished"
        assert page.locator("#tables table").count() >= 1
        ensemble = xr.open_zarr(f"{service.url}/ensembles/{job_id}/ensemble.zarr")
        assert set(ensemble.sizes) >= {"number", "time", "latitude", "longitude"}
        certificate = service.get(f"/ensembles/{job_id}/certificate.json")
        assert certificate["withheld"] > 0, json.dumps(certificate)[:500]
