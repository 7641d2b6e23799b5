"""`serein score earth`, the short form: the days that the prior brings, no LETKF."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from app.cli import app
from app.scoreboard import earth_after, earth_board
from app.scoreboard.earth import SHOWN
from models.ensemble.follower import Follower
from models.hybrid import Hybrid
from models.posterior.sampler import Preset
from models.prior.card import load_card
from models.prior.prior import load_prior
from models.simulation import networks
from models.simulation.truth import Truth
from models.windows import Windows

runner = CliRunner()


def test_the_short_form_compares_with_optimal_interpolation_and_climatology():
    result = runner.invoke(app, ["score", "earth", "--quick", "--json"])
    assert result.exit_code == 0, result.output
    board = json.loads(result.stdout)
    (row,) = board["detail"]["cold"]
    assert row["network"] == "surface" and set(row) == {"network", "serein", "posterior", "oi", "climatology"}
    for channel in ("sp", "z500"):
        crps = {name: row[name]["channels"][channel]["crps"] for name in ("serein", "oi", "climatology")}
        assert crps["serein"] < crps["climatology"] > crps["oi"]
    ids = {c["id"] for c in board["criteria"]}
    assert all(f"cold, surface, {channel}: CRPS / oi" in ids for channel in SHOWN)
    assert not any("letkf" in name for name in ids)
    assert row["serein"]["cpu_seconds"] > row["posterior"]["cpu_seconds"] > 0 and row["oi"]["cpu_seconds"] > 0
    assert all(0.3 < ratio < 2 for ratio in row["serein"]["channels"]["u510"]["spectrum"])
    assert 0.5 < row["serein"]["balance"]["ageostrophic"] < 2
    assert row["serein"]["balance"]["unhydrostatic"] < row["climatology"]["balance"]["unhydrostatic"]


def test_windows_in_a_row_are_filtered_and_smoothed_and_go_on_to_a_forecast(monkeypatch):
    monkeypatch.setattr(earth_after, "LEADS", 1)
    monkeypatch.setattr(networks, "STATIONS", 200)
    monkeypatch.setattr(earth_board, "Preset", lambda **_: Preset(4, 2.0, 0.1, stochastic=True, iterations=0))
    arguments = "--networks surface --modes smoother,forecast --days 3 --spin-up 0 --members 4 --following 8"
    result = runner.invoke(app, ["score", "earth", *arguments.split(), "--json"])
    assert result.exit_code == 0, result.output
    detail = json.loads(result.stdout)["detail"]
    (back,), (ahead,), (cycled,) = (detail[mode] for mode in ("smoother", "forecast", "cycled"))
    assert set(back) == {"network", "serein", "filter"} and set(cycled) == {"network", "serein"}
    assert back["serein"]["cases"] == back["filter"]["cases"] == 2  # the ends of two days
    assert cycled["serein"]["cases"] == 3
    rmse = {name: part["channels"]["u510"]["rmse"] for name, part in back.items() if name != "network"}
    assert rmse["serein"] != rmse["filter"] and rmse["serein"] < 1.5 * rmse["filter"]
    assert (ahead["lead_days"], ahead["cases"]) == (1, 2)
    assert set(ahead) > {"serein", "persistence", "climatology"}
    assert ahead["serein"]["z500"]["crps"] < ahead["climatology"]["z500"]["crps"]


def test_windows_in_a_row_go_on_from_each_other_and_draw_each_posterior_once(monkeypatch):
    given, drawn = [], []
    prior = load_prior(load_card("earth-t21"))
    shape, truth = prior.climatology.shape, list(Truth.brought(prior.card).times)

    def analysed(kind):
        def analysis(self, times, reported, before, posterior):
            seen = (truth.index(times[0]), all(r is not None for r in reported))
            given.append((kind, *seen, float(before.mean()), posterior is drawn[-1]))
            members = torch.full((self.size, *prior.card.state.shape), 2.0)
            return members, members

        return analysis

    def sample(self, times, reported):
        seen, since = torch.Generator().manual_seed(self.seed), time.process_time()
        while time.process_time() < since + 0.3:
            pass
        drawn.append(torch.randn(4, *shape, generator=seen))
        return drawn[-1]

    monkeypatch.setattr(
        Hybrid, "beginning", lambda self, time: torch.ones(self.size, *prior.card.state.shape)
    )
    monkeypatch.setattr(Hybrid, "first", analysed("first"))
    monkeypatch.setattr(Hybrid, "window", analysed("window"))
    monkeypatch.setattr(Windows, "sample", sample)
    arguments = (
        "--networks surface --modes cycled --first-day 1 --days 2 --spin-up 0 --members 4 --following 3"
    )
    result = runner.invoke(app, ["score", "earth", *arguments.split(), "--json"])
    assert result.exit_code == 0, result.output
    assert given == [("first", 4, True, 1.0, True), ("window", 8, True, 2.0, True)] and len(drawn) == 2
    (row,) = json.loads(result.stdout)["detail"]["cycled"]
    ranks = {name: len(row[name]["channels"]["sp"]["ranks"]) for name in ("serein", "posterior")}
    assert ranks == {"serein": 3 + 1, "posterior": 4 // 2 + 1}
    assert all(row[name]["cpu_seconds"] >= 0.3 for name in ("serein", "posterior"))


def test_an_letkf_with_another_model_has_a_tuning_of_its_own(monkeypatch):
    pytest.importorskip("jcm")
    from app.scoreboard.earth_peers import Peer

    def at(cls, truth, state, position, members, tuning, another=False):
        return tuning.relaxation, another

    monkeypatch.setattr(Peer, "at", classmethod(at))
    board = earth_board.Board.of(earth_board.Options(days=3, spin_up=0), print)
    board = replace(board, truth=replace(board.truth, leaves={"of": "a run"}))
    assert board.peers(0) == {"letkf": (0.6, False)}
    assert board.peers(0, another=True)["letkf, another model"] == (0.9, True)


def test_an_letkf_has_the_model_of_the_run(monkeypatch):
    pytest.importorskip("jcm")
    from app.scoreboard import earth_peers

    made = []
    monkeypatch.setattr(earth_peers, "model", lambda **settings: made.append(settings))
    monkeypatch.setattr(earth_peers, "climatological", lambda *_: None)
    board = earth_board.Board.of(earth_board.Options(days=3, spin_up=0), print)
    weak = {"truncation": 21, "diffusion": "weak", "step_minutes": 20}
    run = replace(board.truth, leaves=[np.zeros(1)], settings=weak)
    monkeypatch.setattr(Truth, "another_year", lambda self, position, count: None)
    replace(board, truth=run).peers(0, another=True)
    assert made == [weak, weak | {"diffusion": "default", "step_minutes": 60}]
    run = replace(run, settings=made[1])
    with pytest.raises(ValueError, match="the run has the model that another is to be"):
        replace(board, truth=run).peers(0, another=True)


class Clairvoyant:
    """A peer that knows the truth from where it is on, and says how far its copies have come."""

    def __init__(self, board, position):
        self.board, self.position = board, position

    def copy(self):
        return Clairvoyant(self.board, self.position)

    def go(self, reported):
        self.position += len(reported) - 1
        return np.stack([self.board.truth.states(self.position)[0]] * 3)


def test_forecasts_are_compared_with_the_truth_of_their_day_and_leave_the_peer_where_it_was(monkeypatch):
    monkeypatch.setattr(earth_after, "LEADS", 2)
    board = earth_board.Board.of(earth_board.Options(days=3, spin_up=0), print)
    first, std = 8, torch.as_tensor(np.asarray(board.state.std))[:, None, None]

    def forecast(self, times, reported, start):
        assert not any(reported)
        there = [board.truth.states(list(board.truth.times).index(time))[0] for time in times]
        off = torch.tensor([-0.01, 0.02, 0.03]).reshape(3, 1, 1, 1, 1) * std
        return (torch.from_numpy(np.stack(there)) + off).float()

    monkeypatch.setattr(Follower, "follow", forecast)
    start, peer = forecast(None, board.truth.times[[first]], [None], None)[:, 0], Clairvoyant(board, first)
    ahead = earth_after.Forecasts(board)
    ahead.add(start, first, peer)
    assert peer.position == first
    one, two = ahead.rows()
    assert [row["lead_days"] for row in (one, two)] == [1, 2] and one["cases"] == 1
    for row in (one, two):
        rmse = {name: row[name]["z500"]["rmse"] for name in set(row) - {"lead_days", "cases"}}
        assert rmse["jcm from letkf"] < 1e-9 < 5 * rmse["serein"] < rmse["persistence"]
        assert rmse["persistence"] < 2 * rmse["climatology"]
    assert one["persistence"]["z500"]["rmse"] < two["persistence"]["z500"]["rmse"]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--networks", "ships", "no network ships: there is"),
        ("--modes", "warm", "no mode warm: there is"),
        ("--members", "5", "--members 5: they come in pairs"),
        ("--days", "9", "--days 9: from day 0 on the truth is long enough for 5"),
        ("--first-day", "6", "--days 5: from day 6 on the truth is long enough for 0"),
        ("--spin-up", "5", "--spin-up 5: of 5 days none is left to be scored"),
        ("--spin-up", "4", "--days 5: a smoother needs two days that are scored"),
    ],
)
def test_what_there_is_none_of_is_an_error(option, value, message):
    result = runner.invoke(app, ["score", "earth", option, value])
    assert result.exit_code and message in str(result.exception)


def test_a_run_that_is_not_there_is_an_error(tmp_path):
    result = runner.invoke(app, ["score", "earth", "--data", str(tmp_path), "--networks", "all"])
    assert result.exit_code and "serein simulate earth" in str(result.exception)
