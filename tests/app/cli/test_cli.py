import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import xarray as xr

from app.cli import app
from app.cli.client import Service, ServiceError, parse_events
from app.cli.fetch import fetch_one
from app.cli.submit import default_id, the_prior, valid_times
from workers.database.rows import StepRef
from workers.services import Services
from workers.store.objects import attempt_key, local_folder
from workers.version import __version__

COMMANDS = [command.name for command in app.registered_commands]
Serein = Callable[..., object]
PRESSURE = '{"PS": {"variable": "msl", "unit": "hPa"}}'


def the_job(services: Services) -> dict:
    (job,) = services.jobs.list_jobs()
    return job.request


def test_help_loads_nothing_slow():
    code = "import sys, app.cli; print({'torch', 'pandas', 'numpy', 'httpx', 'fastapi'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "set()"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_teaches_with_an_example(serein: Serein, command: str):
    shown = serein(command, "--help")
    assert shown.code == 0
    assert f"serein {command}" in " ".join(shown.out.split())


def test_without_a_service_the_remedy_is_named(serein: Serein):
    said = serein("priors", "--url", "http://127.0.0.1:9")
    assert said.code == 1 and "serein up" in said.err and "SEREIN_URL" in said.err
    assert "Traceback" not in said.err


def test_an_address_without_a_scheme_is_explained(serein: Serein):
    assert "http://" in serein("priors", "--url", "example.org").err


def test_priors_are_listed_with_region_fields_and_origin(serein: Serein, services: Services):
    shown = serein("priors").out
    assert all(word in shown for word in ("small", "50°N to 60°N", "10°W to", "msl", "24 h", "12 UTC"))
    assert all(word in shown for word in ("dice", "2000-2001, 2009", "free to all", "nobody"))
    assert json.loads(serein("priors", "small").out)["state"]["channels"] == ["msl"]


def test_submit_uploads_says_what_was_rejected_and_starts_an_analysis(
    serein: Serein, services: Services, reports: Path
):
    options = ("--prior", "small", "--kind", "SYNOP", "--members", 8, "--stations", "SYNOP=20", "--seed", 3)
    said = serein("submit", reports, "--columns", PRESSURE, *options)
    assert said.code == 0 and "40 rows, 39 accepted, 1 rejected" in said.out and "1 BOUNDS" in said.out
    request = the_job(services)
    assert request["window"] == {"start": "2019-02-17T12:00:00Z", "end": "2019-02-17T12:00:00Z"}
    assert (request["prior"], request["members"], request["seed"]) == ("small", 8, 3)
    assert request["stations"] == {"SYNOP": 20}
    assert len(request["observations"]["batches"]) == 1


def test_a_file_sent_twice_is_one_batch(serein: Serein, services: Services, reports: Path):
    for _ in range(2):
        assert serein("submit", reports, "--columns", PRESSURE, "--batch-only").code == 0
    assert len(services.batches.list_batches(10)) == 1
    assert services.jobs.list_jobs() == []


def test_the_column_map_can_lie_in_a_file(serein: Serein, services: Services, reports: Path, tmp_path: Path):
    column_file = tmp_path / "columns.json"
    column_file.write_text(PRESSURE)
    said = serein("submit", reports, "--columns", column_file, "--batch-only", "--id", "by-file")
    assert said.code == 0 and "by-file" in said.out


def test_batches_sent_before_are_analysed_together(serein: Serein, services: Services, reports: Path):
    serein("submit", reports, "--columns", PRESSURE, "--batch-only", "--id", "one")
    said = serein(
        "submit", "--prior", "small", "--batch", "one", "--start", "2019-02-16T12", "--end", "2019-02-18T12"
    )
    assert said.code == 0
    assert the_job(services)["window"] == {"start": "2019-02-16T12:00:00Z", "end": "2019-02-18T12:00:00Z"}


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--columns", "{"], "JSON"),
        (["--columns", "no-such-file"], "readable file"),
        (["--stations", "SYNOP"], "SYNOP=50"),
        (["--withheld", "0.95"], "0.9"),
        (["--start", "yesterday"], "2019-02-17T12"),
        (["--prior", "mars"], "mars"),
        (["--prior", "small", "--preset", "sloppy", "--columns", PRESSURE], "preset"),
        (["--prior", "small", "--columns", '{"XX": {"variable": "msl"}}'], "XX"),
        (
            ["--prior", "small", "--columns", PRESSURE, "--start", "2019-02-17T13", "--end", "2019-02-17T13"],
            "12 UTC",
        ),
    ],
)
def test_a_mistake_is_answered_by_a_sentence(
    serein: Serein, services: Services, reports: Path, arguments, word
):
    said = serein("submit", reports, *arguments)
    assert said.code != 0 and word in said.err
    assert "Traceback" not in said.err


def test_of_several_priors_one_must_be_chosen(serein: Serein, services: Services, reports: Path):
    said = serein("submit", reports, "--columns", PRESSURE)
    assert said.code != 0 and "--prior" in said.err and "europe, small" in said.err


def test_the_only_prior_of_the_weather_need_not_be_named():
    cards = [{"name": "europe", "architecture": {}}, {"name": "x", "architecture": {"kind": "classical"}}]
    assert the_prior(cards, None)["name"] == "europe" and the_prior(cards, "x")["name"] == "x"


def test_a_missing_file_is_named(serein: Serein, services: Services):
    assert "no file nowhere.csv" in serein("submit", "nowhere.csv").err


def test_without_file_and_batch_there_is_nothing_to_analyse(serein: Serein, services: Services):
    said = serein("submit")
    assert said.code != 0 and "FILE" in said.err


def test_watch_ends_with_the_certificate_beside_the_baselines(
    serein: Serein, services: Services, published: str
):
    shown = serein("watch", published)
    assert shown.code == 0
    for word in (
        "this ensemble",
        "optimal interpolation",
        "nearest station",
        "climatology",
        "hPa",
        "only 14",
    ):
        assert word in shown.out
    assert f"/ensembles/{published}/ensemble.zarr" in shown.out


def test_watch_says_why_a_job_failed(serein: Serein, services: Services):
    job, _ = services.jobs.submit("assimilate", {"prior": "small"}, "1" * 64)
    claim = services.steps.claim(StepRef(job.id, 1, "prepare"), "test")
    services.steps.fail(claim, {"title": "No state", "status": 500, "detail": "the moon was in the way"})
    said = serein("watch", job.id)
    assert said.code == 1 and "the moon was in the way" in said.out


def test_watching_a_job_that_does_not_exist_is_refused(serein: Serein, services: Services):
    said = serein("watch", "nothing")
    assert said.code == 1 and "no job 'nothing'" in said.err


def test_fetch_brings_everything_with_checksums_and_only_once(
    serein: Serein, services: Services, published: str, tmp_path: Path
):
    said = serein("fetch", published, "--to", tmp_path / "copy")
    assert said.code == 0, said.err
    names = {path.name for path in (tmp_path / "copy").iterdir()}
    assert names >= {"ensemble.zarr", "receipts.parquet", "certificate.json", "maps"}
    ensemble = xr.open_zarr(tmp_path / "copy" / "ensemble.zarr")
    assert dict(ensemble.sizes) == {"number": 4, "time": 1, "latitude": 6, "longitude": 9}
    assert " 0 fetched now" in serein("fetch", published, "--to", tmp_path / "copy").out


def test_the_ensemble_opens_over_http(services: Services, published: str):
    ensemble = xr.open_zarr(f"{Service().url}/ensembles/{published}/ensemble.zarr")
    assert ensemble["msl"].attrs["units"] == "Pa"
    assert float(ensemble["msl"].mean()) == pytest.approx(101_000, abs=50)


def test_a_damaged_file_is_noticed(serein: Serein, services: Services, published: str, tmp_path: Path):
    folder = local_folder(services.settings.store_url) / attempt_key(published, 1)
    content = bytearray((folder / "certificate.json").read_bytes())
    content[10] ^= 1
    (folder / "certificate.json").write_bytes(content)
    said = serein("fetch", published, "--to", tmp_path / "copy")
    assert said.code == 1 and "certificate.json came damaged" in said.err


def test_a_manifest_cannot_write_outside_the_folder(services: Services, tmp_path: Path):
    entry = {"path": "../evil", "size": 0, "crc32c": "00000000"}
    with pytest.raises(ServiceError, match="outside the folder"):
        fetch_one(Service(), "job", entry, tmp_path / "copy")


def test_the_page_and_what_it_draws_are_served(services: Services, published: str):
    with httpx.Client(base_url=Service().url) as http:
        assert "<title>Serein</title>" in http.get("/").text
        assert http.get("/static/app.js").status_code == 200
        index = http.get(f"/ensembles/{published}/maps/index.json").json()
        picture = http.get(f"/ensembles/{published}/maps/{index['maps'][0]['name']}")
        assert picture.headers["content-type"] == "image/png" and picture.content[:4] == b"\x89PNG"
        page = http.get(f"/ensembles/{published}/observations.json").json()
        assert (page["total"], page["columns"]["channel"][0]) == (40, "msl")
        assert http.get("/ensembles/nothing/observations.json").status_code == 404


def test_coastlines_are_served_and_impossible_boxes_refused(services: Services):
    with httpx.Client(base_url=Service().url, timeout=30) as http:
        assert len(http.get("/coastlines.json", params={"bbox": "-11,51,-5,56"}).json()["lines"]) > 3
        for box in ("1,2,3", "a,b,c,d", "nan,0,1,1", "10,0,0,10", "0,0,inf,10"):
            answer = http.get("/coastlines.json", params={"bbox": box})
            assert (answer.status_code, answer.json()["title"]) == (422, "Invalid request"), box


def test_server_sent_events_are_read():
    lines = iter([": hello", "id: 4", "event: progress", 'data: {"a":', "data: 1}", "", 'data: {"b": 2}', ""])
    assert list(parse_events(lines)) == [("4", "progress", {"a": 1}), ("", "message", {"b": 2})]


def test_the_name_of_a_batch_follows_its_content(tmp_path: Path):
    path = tmp_path / "my file.csv.gz"
    path.write_bytes(b"one")
    first = default_id(path, {"kind": "SYNOP"})
    assert first.startswith("my-file-") and first == default_id(path, {"kind": "SYNOP"})
    assert first != default_id(path, {"kind": "TEMP"})
    path.write_bytes(b"two")
    assert first != default_id(path, {"kind": "SYNOP"})


def test_valid_times_follow_the_prior():
    from datetime import UTC, datetime

    card = {"state": {"step_hours": 6}, "valid_hours": [0, 6, 12, 18]}
    found = valid_times(card, datetime(2019, 2, 17, 5, tzinfo=UTC), datetime(2019, 2, 17, 18, tzinfo=UTC))
    assert [time.hour for time in found] == [6, 12, 18]


def test_doctor_finds_a_healthy_machine_healthy(serein: Serein, tmp_path: Path, monkeypatch, prior):
    monkeypatch.setenv("SEREIN_HOME", str(tmp_path / "home"))
    prior.weights_path.write_bytes(b"")
    said = serein("doctor")
    assert said.code == 0, said.out
    assert "small" in said.out


def test_doctor_says_what_to_do_about_what_is_wrong(serein: Serein, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("SEREIN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SEREIN_DATABASE_URL", "sqlite:////proc/nowhere/db.sqlite")
    monkeypatch.setenv("SEREIN_BROKER_URL", "redis://127.0.0.1:9/0")
    said = serein("doctor")
    assert said.code == 1
    assert "SEREIN_DATABASE_URL" in said.out and "SEREIN_BROKER_URL" in said.out


def test_a_demo_without_its_prior_says_so(serein: Serein, tmp_path: Path):
    said = serein("demo", "--prior", "mars", "--home", tmp_path / "demo")
    assert said.code == 1 and "no prior 'mars'" in said.err


def test_training_without_its_data_is_said_in_a_line(serein: Serein, tmp_path: Path):
    said = serein("train", "europe", "--data", tmp_path / "gone.nc", "--out", tmp_path / "runs")
    assert said.code == 1 and "gone.nc" in said.err and said.err.count("\n") == 1


def test_the_version_is_told(serein: Serein):
    assert serein("--version").out == f"serein {__version__}\n"


def test_an_attribution_is_never_cut(serein: Serein, services: Services, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert "(Dee et al. 2011, doi:10.1002/qj.828)" in serein("priors").out


def test_the_demo_keeps_everything_where_the_service_would(serein: Serein, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("SEREIN_HOME", str(tmp_path / "home"))
    serein("demo", "--prior", "mars")
    assert (tmp_path / "home").is_dir()
