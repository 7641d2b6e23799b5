"""`serein osse`: what it refuses, in a line, and when it gives no verdict."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.cli.osse import _table

Serein = Callable[..., object]
NETWORK = "station_id,latitude,longitude,elevation,channel,error,kind\n"


@pytest.mark.parametrize(
    ("arguments", "network", "words"),
    [
        (["--preset", "foo"], "", "no preset 'foo': the prior europe has fast, balanced, careful"),
        (["--network", "gone.csv"], "", "gone.csv"),
        (["--network", "n.csv"], "\n", "n.csv cannot be read as CSV"),
        (
            ["--network", "n.csv"],
            NETWORK + "A,50,5,9,msl,,X\nA,50,5,9,t700,,X\n",
            "row 2 of the network, channel",
        ),
        (["--network", "n.csv"], NETWORK + "A,x,5,9,msl,,X\n", "row 1 of the network, latitude: 'x'"),
        (["--network", "n.csv"], NETWORK + "A,50,50,9,msl,,X\n", "row 1 of the network, latitude and long"),
        (["--time", "garbage"], "", "no times: garbage; write 2019"),
        (["--time", "1600-02-17T12:00Z"], "", "no times: 1600"),
        (["--time", "2019-02-17T06:00Z"], "", "states at 12:00 UTC"),
        (["--time", "2019-02-17T12:00Z", "--time", "2019-02-19T12:00Z"], "", "3 states in a row, 24 h"),
        (["--out", "nowhere/x.csv"], "", "nowhere"),
        (["--weather"], "", "say where, with --out"),
        (["--weather", "--out", "x.csv"], "", "the prior europe brings no weather"),
        (
            ["--prior", "earth-t21", "--weather", "--out", "x.csv", "--time", "2019-02-17T12:00Z"],
            "",
            "the weather of earth-t21 is of 2002-02-25T12:00Z to 2002-03-07T12:00Z",
        ),
    ],
)
def test_what_cannot_be_simulated_is_said_in_a_line(
    serein: Serein, tmp_path: Path, monkeypatch, arguments: list[str], network: str, words: str
):
    monkeypatch.chdir(tmp_path)
    Path("n.csv").write_text(network)
    said = serein("osse", *arguments)
    assert said.code == 1 and words in said.err and said.err.count("\n") == 1


def test_few_draws_give_no_verdict():
    scores = {"msl": dict.fromkeys(("rmse", "oi_rmse", "climatology_rmse", "spread_skill"), 1.0)}
    scores["msl"] |= {"coverage50": 0.5, "coverage90": 0.9}
    assert [next(iter(_table(scores, draws).columns[-1].cells)) for draws in (1, 4)] == [
        "more draws",
        "[green]honest[/green]",
    ]
