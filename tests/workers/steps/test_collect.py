"""Which observations a job gets: those of its batches, or those its query asks for, each once."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.analysis import Analysis, prepare
from models.observations.flags import Flag
from models.observations.table import canonical_order, conform
from models.osse import example_network, observe
from models.testing.toy import gaussian_prior
from workers.batches import take_in
from workers.database.batch_book import BatchConflict
from workers.services import Services
from workers.steps.collect import chosen, merge
from workers.steps.collect import collect as collect_chosen
from workers.steps.step import StepFailed

HEADER = "station_id,lat,lon,time,variable,value,kind\n"


@pytest.fixture
def batches(services: Services, tmp_path: Path) -> Services:
    """`day17`: three stations, one on either side of the date line; `day18` repeats one report."""
    rows = {
        "day17": "A,55,0,2019-02-17T12:00Z,msl,101000,SYNOP\nB,10,179,2019-02-17T12:00Z,msl,101100,SHIP\n"
        "C,10,-179,2019-02-17T13:00Z,2t,290,SHIP\n",
        "day18": "A,55,0,2019-02-17T12:00Z,msl,101000,SYNOP\nA,55,0,2019-02-18T12:00Z,msl,101200,SYNOP\n",
        "nothing": "A,55,0,2019-02-17T12:00Z,msl,1,SYNOP\n",
    }
    for name, text in rows.items():
        send(services, tmp_path, name, text)
    return services


def send(services: Services, folder: Path, name: str, text: str) -> bool:
    return send_text(services, folder, name, HEADER + text)


def send_table(services: Services, folder: Path, name: str, frame: pd.DataFrame) -> bool:
    return send_text(services, folder, name, frame.to_csv(index=False))


def send_text(services: Services, folder: Path, name: str, text: str) -> bool:
    file = folder / f"{name}.csv"
    file.write_text(text)
    parameters: dict[str, Any] = {"kind": "", "columns": None, "prior": ""}
    return take_in(services, name, file, "text/csv", parameters, f"{hash(text):064x}"[-64:])[1]


def collect(services: Services, observations: dict[str, Any]) -> pd.DataFrame:
    return collect_chosen(services, chosen(services, observations), observations.get("query"))


def query(**more: Any) -> dict[str, Any]:
    times = {"start": "2019-02-17T00:00:00Z", "end": "2019-02-18T23:00:00Z"}
    return {"query": {**times, **more}}


def test_no_selection_means_no_observations(batches: Services) -> None:
    assert len(collect(batches, {})) == 0
    assert len(collect(batches, {"batches": []})) == 0
    assert len(collect(batches, {"batches": ["nothing"]})) == 0


def test_a_report_that_came_in_two_batches_counts_once(batches: Services) -> None:
    assert len(collect(batches, {"batches": ["day17", "day18"]})) == 4
    assert len(collect(batches, query())) == 4


def test_every_row_says_which_line_of_which_batch_it_is(batches: Services) -> None:
    found = collect(batches, query(bbox=[-10, 50, 10, 60]))
    assert found[["batch", "row"]].to_numpy().tolist() == [["day17", 1], ["day18", 2]]
    assert found["row"].dtype == collect(batches, {})["row"].dtype == "int64"


def test_a_query_names_the_batches_it_has_used(batches: Services) -> None:
    start = query(start="2019-02-18T00:00:00Z")
    assert [batch.id for batch in chosen(batches, start)] == ["day18"]


def test_a_query_selects_by_time_place_variable_and_kind(batches: Services) -> None:
    assert set(collect(batches, query(end="2019-02-17T12:00:00Z"))["station_id"]) == {"A", "B"}
    assert set(collect(batches, query(bbox=[-10, 50, 10, 60]))["station_id"]) == {"A"}
    assert set(collect(batches, query(variables=["2t"]))["station_id"]) == {"C"}
    assert set(collect(batches, query(kinds=["SHIP"]))["station_id"]) == {"B", "C"}


def test_a_box_may_cross_the_date_line(batches: Services) -> None:
    assert set(collect(batches, query(bbox=[170, 0, -170, 20]))["station_id"]) == {"B", "C"}
    assert set(collect(batches, query(bbox=[-170, 0, 170, 20]))["station_id"]) == set()


def test_a_box_that_ends_at_180_degrees_east_holds_the_date_line(services: Services, tmp_path: Path) -> None:
    send(services, tmp_path, "line", "D,10,180,2019-02-17T12:00Z,msl,101000,SHIP\n")
    assert collect(services, query(bbox=[170, 0, 180, 20]))["longitude"].tolist() == [-180.0]
    assert collect(services, query(bbox=[-180, -90, 180, 90]))["station_id"].tolist() == ["D"]
    assert len(collect(services, query(bbox=[170, 0, 179, 20]))) == 0


def test_the_same_rows_in_several_batches_under_any_ids_weigh_as_much_as_once(
    services: Services, tmp_path: Path
) -> None:
    prior = gaussian_prior(window=2)
    analysis = Analysis(prior, pd.date_range("2019-02-17T12:00Z", periods=2, freq="24h"))
    mean = prior.climatology.mean(analysis.year_fraction)
    table = observe(analysis, example_network(prior.card), prior.decode(mean)[-2:].numpy(), seed=0)
    rows = table[["station_id", "latitude", "longitude", "elevation", "time", "variable", "value", "kind"]]
    rows = rows.assign(pressure=table["pressure"])
    numbered = rows.assign(obs_id=[f"n{i}" for i in range(len(rows))])
    for name, frame in (("once", rows), ("again", rows), ("numbered", numbered)):
        send_table(services, tmp_path, name, frame)
    once = collect(services, {"batches": ["once"]})
    thrice = collect(services, {"batches": ["once", "again", "numbered"]})
    assert len(once) == len(rows) and (once["qc"] == 0).all()
    assert thrice["obs_id"].is_unique and len(thrice) == 2 * len(rows)
    assert thrice["qc"].value_counts().to_dict() == {Flag.PASS: len(rows), Flag.DUPLICATE: len(rows)}
    _, expected = prepare(analysis, once, withheld=0.3)
    _, superobs = prepare(analysis, thrice, withheld=0.3)
    names = ["station_id", "time", "latitude", "longitude", "pressure", "variable", "value", "error"]
    pd.testing.assert_frame_equal(canonical_order(superobs)[names], canonical_order(expected)[names])


def test_an_id_that_two_batches_use_for_different_observations_loses_neither(
    services: Services, tmp_path: Path
) -> None:
    row = {"station_id": "A", "lat": 55, "lon": 0, "time": "2019-02-17T12:00Z", "variable": "msl"}
    first = pd.DataFrame([{**row, "obs_id": "1", "value": 101_000}])
    send_table(services, tmp_path, "north", first)
    send_table(services, tmp_path, "south", first.assign(station_id="B", lat=45, value=101_500))
    send_table(services, tmp_path, "third", first.assign(obs_id="1@south", lat=50, station_id="C"))
    found = collect(services, {"batches": ["north", "south", "third"]})
    assert dict(zip(found["station_id"], found["value"], strict=True)) == {
        "A": 101000,
        "B": 101500,
        "C": 101000,
    }
    assert found["obs_id"].is_unique and (found["qc"] == 0).all()


def test_of_differing_reports_of_one_thing_the_others_come_back_flagged_with_a_reason(
    services: Services, tmp_path: Path
) -> None:
    row = "A,55,0,2019-02-17T12:00Z,msl,{},SYNOP\n"
    for i in range(3):
        send(services, tmp_path, f"b{i}", row.format(101_000 + i))
    found = collect(services, {"batches": ["b0", "b1", "b2"]})
    assert sorted(found["qc"]) == [Flag.PASS, Flag.DUPLICATE, Flag.DUPLICATE]
    assert found.loc[found["qc"] != 0, "reason"].str.contains("more than once").all()
    assert found.loc[found["qc"] == 0, "value"].tolist() == [101_002.0]  # the latest received


@given(order=st.permutations(range(4)))
def test_the_order_of_batches_does_not_matter(order: list[int]) -> None:
    base = {"time": pd.Timestamp("2019-02-17T12:00Z"), "latitude": 50.0, "longitude": 5.0, "variable": "msl"}
    contents = (("1", "A", 1e5), ("1", "B", 1e5), ("1", "B", 1.01e5), ("2", "A", 1e5))
    tables = {
        f"b{i}": conform(pd.DataFrame([{**base, "obs_id": name, "station_id": station, "value": value}]))
        for i, (name, station, value) in enumerate(contents)
    }
    merged = merge({f"b{i}": tables[f"b{i}"] for i in order})
    assert len(merged) == 4 and merged["obs_id"].is_unique
    pd.testing.assert_frame_equal(merged, merge(tables))


def test_the_same_rows_under_another_name_are_stored_once(services: Services, tmp_path: Path) -> None:
    row = "A,55,0,2019-02-17T12:00Z,msl,101000,SYNOP\n"
    send(services, tmp_path, "one", row)
    send(services, tmp_path, "two", row)
    one, two = services.batches.get("one"), services.batches.get("two")
    assert one is not None and two is not None and one.observations_key is not None
    assert one.observations_key == two.observations_key
    assert len(collect(services, query())) == 1


def test_batches_are_found_by_what_they_cover(batches: Services) -> None:
    start, end = datetime(2019, 2, 18, tzinfo=UTC), datetime(2019, 2, 19, tzinfo=UTC)
    assert [batch.id for batch in batches.batches.overlapping(start, end)] == ["day18"]
    everything = datetime(2019, 2, 1, tzinfo=UTC), end
    south = (-180.0, -90.0, 180.0, 0.0)
    assert batches.batches.overlapping(*everything, south) == []


def test_a_batch_that_is_gone_ends_the_job_with_its_name(batches: Services) -> None:
    with pytest.raises(StepFailed, match="gone17"):
        collect(batches, {"batches": ["gone17"]})


def test_two_different_batches_sent_under_one_name_at_once_cannot_both_be_kept(
    services: Services, tmp_path: Path
) -> None:
    row = "A,55,0,2019-02-17T12:00Z,msl,{},SYNOP\n"
    assert send(services, tmp_path, "x", row.format(101000))
    assert not send(services, tmp_path, "x", row.format(101000))
    with pytest.raises(BatchConflict):
        send(services, tmp_path, "x", row.format(102000))
