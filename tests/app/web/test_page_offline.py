"""The page in a real browser, drawing a result that lies ready; no worker is needed."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli.client import Service
from tests.browser import Page, open_browser, painted
from workers.database.rows import StepRef
from workers.services import Services


@pytest.fixture
def page() -> Iterator[Page]:
    with open_browser() as page:
        yield page


def test_a_finished_analysis_shows_map_certificate_receipts_and_downloads(page: Page, published: str):
    page.goto(f"{Service().url}/")
    page.get_by_role("link", name=re.compile(published[:8])).click()
    page.wait_for_function("document.querySelector('#map-panel').checkVisibility()")
    page.wait_for_function(painted("#map"))
    assert page.locator("#tables caption").inner_text().startswith("mean sea level pressure (msl)")
    rows = page.locator("#tables tbody th").all_inner_texts()
    assert rows == ["this ensemble", "climatology", "nearest station", "optimal interpolation"]
    assert "withheld to verify (14)" in page.locator("#keys").inner_text()
    assert "hPa" in page.locator("#field-title").inner_text()
    assert f"{Service().url}/ensembles/{published}/ensemble.zarr" in page.locator("#snippet").inner_text()


def test_an_observation_can_be_read_with_the_keyboard(page: Page, published: str):
    page.goto(f"{Service().url}/#{published}")
    page.wait_for_function(painted("#map"))
    page.focus("#map")
    page.keyboard.press("ArrowRight")
    tip = page.locator("#tip").inner_text()
    assert re.search(r"S\d\d, SYNOP", tip) and "minus analysis" in tip and "hPa" in tip
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden()


def test_the_spread_is_another_picture(page: Page, published: str):
    page.goto(f"{Service().url}/#{published}")
    page.wait_for_function(painted("#map"))
    page.locator("label:has(input[value=none])").click()
    before = page.evaluate("document.querySelector('#map').toDataURL()")
    page.locator("label:has(input[value=spread])").click()
    page.wait_for_function("before => document.querySelector('#map').toDataURL() !== before", arg=before)
    assert page.locator("#field-title").inner_text().startswith("Spread of")


def test_progress_arrives_while_the_page_is_open(page: Page, services: Services):
    job, _ = services.jobs.submit("assimilate", {"prior": "small"}, "2" * 64)
    page.goto(f"{Service().url}/#{job.id}")
    page.wait_for_function("document.querySelector('#progress').checkVisibility()")
    claim = services.steps.claim(StepRef(job.id, 1, "prepare"), "test")
    assert claim is not None
    told = {"stage": "sampling", "level": 5, "levels": 16, "sigma": 2.5, "chi2": 1.234}
    services.steps.progress(claim, 0.5, told)
    page.wait_for_function("document.querySelector('#level').textContent.startsWith('5 of 16')")
    assert page.locator("#chi2").inner_text() == "1.23"
    services.steps.fail(claim, {"title": "It broke", "status": 500, "detail": "the moon was in the way"})
    page.wait_for_function("document.querySelector('#problem').checkVisibility()")
    assert "the moon was in the way" in page.locator("#problem").inner_text()


def test_a_running_analysis_can_be_stopped(page: Page, services: Services):
    job, _ = services.jobs.submit("assimilate", {"prior": "small"}, "3" * 64)
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"{Service().url}/#{job.id}")
    page.locator("#dismiss").click()
    page.wait_for_function("document.querySelector('#status').textContent === 'stopped'")
    found = services.jobs.get(job.id)
    assert found is not None and found.status == "dismissed"


def test_an_unknown_analysis_is_said_to_be_unknown(page: Page, services: Services):
    page.goto(f"{Service().url}/#nothing")
    page.wait_for_function("document.querySelector('#problem').checkVisibility()")
    assert "no job 'nothing'" in page.locator("#problem").inner_text()


def test_nothing_is_fetched_from_elsewhere(page: Page, published: str):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{Service().url}/#{published}")
    page.wait_for_function(painted("#map"))
    assert asked and all(url.startswith((Service().url, "data:")) for url in asked)


def test_the_map_comes_closer_and_goes_back(page: Page, published: str):
    page.goto(f"{Service().url}/#{published}")
    page.wait_for_function(painted("#map"))
    page.wait_for_load_state("networkidle")
    picture = "document.querySelector('#map').toDataURL()"
    whole = page.evaluate(picture)
    page.locator("#closer").click()
    assert page.evaluate(picture) != whole
    page.locator("#farther").click()
    assert page.evaluate(picture) == whole


def test_the_interface_is_described_without_anything_from_elsewhere(page: Page, services: Services):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{Service().url}/docs")
    page.wait_for_selector(".operation")
    described = Service().get("/openapi.json")["paths"]
    assert page.locator(".operation").count() == sum(len(methods) for methods in described.values())
    execute = page.locator(".operation", has_text="POST /processes/{process}/execution")
    execute.locator("summary").click()
    assert "withheld" in execute.inner_text() and "Idempotency-Key" in execute.inner_text().title()
    assert all(url.startswith((Service().url, "data:")) for url in asked)


def test_a_job_is_listed_with_its_window_and_a_few_ranks_are_not_judged(page: Page, published: str):
    page.goto(f"{Service().url}/#{published}")
    page.wait_for_function("document.querySelector('#downloads').checkVisibility()")
    assert "17 Feb 12:00" in page.locator("#jobs a").inner_text()
    assert "With only 14 its shape says nothing" in page.locator("#tables").inner_text()
    link = page.locator("#links a", has_text="msl mean 17 Feb 12:00")
    assert page.request.get(str(link.get_attribute("href"))).headers["content-type"] == "image/png"


def test_a_job_is_listed_with_the_number_of_observations_sent(page: Page, services: Services, reports: Path):
    columns = '{"PS": {"variable": "msl", "unit": "hPa"}}'
    Service().put_batch("b1", reports.read_bytes(), columns=columns)
    services.jobs.submit("assimilate", {"prior": "small", "observations": {"batches": ["b1"]}}, "4" * 64)
    page.goto(f"{Service().url}/")
    page.wait_for_selector("#jobs a")
    assert "39 observations sent" in page.locator("#jobs a").inner_text()


def test_on_a_narrow_screen_nothing_reaches_beyond_the_edge(page: Page, published: str):
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto(f"{Service().url}/#{published}")
    page.wait_for_function(painted("#map"))
    beyond = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(beyond) <= 0
    box = "id => document.querySelector(id).getBoundingClientRect().toJSON()"
    assert page.evaluate(box, "#downloads pre")["right"] <= 400
    assert page.evaluate(box, "#layer")["height"] < 50  # one line of choices


def test_the_numbers_below_a_legend_do_not_touch(page: Page, published: str):
    page.goto(f"{Service().url}/#{published}")
    page.wait_for_function(painted("#map"))
    gaps = """() => ["#field-ticks", "#diff-ticks"].flatMap((id) => {
      const boxes = [...document.querySelectorAll(`${id} span`)].map((tick) => tick.getBoundingClientRect());
      return boxes.slice(1).map((box, i) => box.left - boxes[i].right); })"""
    assert min(page.evaluate(gaps)) > 2
