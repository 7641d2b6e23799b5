"""One analysis: what is assimilated, what is kept back, and what comes back for each observation."""

import numpy as np
import pandas as pd
import pytest

from models.analysis import Analysis, prepare, sample
from models.observations.flags import Flag
from models.osse import example_network, observe
from models.posterior import linearise
from models.testing.toy import gaussian_prior
from models.verify import verify

TIMES = pd.date_range("2019-02-17T12:00Z", periods=2, freq="24h")


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return Analysis(gaussian_prior(window=3), TIMES)


@pytest.fixture(scope="module")
def table(analysis: Analysis) -> pd.DataFrame:
    mean = analysis.prior.climatology.mean(analysis.year_fraction)
    states = analysis.prior.decode(mean)[-2:].numpy()
    return observe(analysis, example_network(analysis.prior.card), states, seed=0)


def test_a_shorter_analysis_ends_with_the_window(analysis: Analysis) -> None:
    assert analysis.window.tolist() == pd.date_range("2019-02-16T12:00Z", periods=3, freq="24h").tolist()


def test_withheld_observations_do_not_touch_what_is_assimilated(
    analysis: Analysis, table: pd.DataFrame
) -> None:
    rows, superobs = prepare(analysis, table, withheld=0.4)
    kept = set(rows.loc[rows["use"] == "withheld", "station_id"])
    assert 0 < len(kept) < rows["station_id"].nunique()
    assert not kept & {s for names in superobs["station_id"] for s in names.split("+")}
    spoiled = table.assign(value=table["value"].where(~table["station_id"].isin(kept), table["value"] * 1.01))
    again, superobs_again = prepare(analysis, spoiled, withheld=0.4)
    assert superobs.equals(superobs_again)
    active = rows["use"] == "active"
    assert rows.loc[active, "qc"].tolist() == again.loc[active, "qc"].tolist()


def test_very_many_reports_are_judged_as_few_are(
    analysis: Analysis, table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a row of the Jacobian for each; between states as well as at them."""
    between = pd.to_timedelta(np.arange(len(table)) % 3 * 10, "min")
    wild = table["value"] + table["error"] * np.where(np.arange(len(table)) % 7 == 3, 8.0, 0.0)
    wrong = table.assign(time=table["time"] - between, value=wild)
    rows, superobs = prepare(analysis, wrong)
    assert {Flag.PASS, Flag.BUDDY} <= set(rows["qc"])
    monkeypatch.setattr(linearise, "MANY", 0)
    many, of_many = prepare(analysis, wrong)
    assert many["qc"].tolist() == rows["qc"].tolist()
    pd.testing.assert_frame_equal(superobs, of_many)


def test_a_report_sent_twice_counts_once(analysis: Analysis, table: pd.DataFrame) -> None:
    from models.observations.quality.duplicates import duplicates

    twice = duplicates(pd.concat([table, table], ignore_index=True))
    _, once = prepare(analysis, table)
    _, doubled = prepare(analysis, twice)
    assert np.allclose(once["value"], doubled["value"]) and np.allclose(once["error"], doubled["error"])


def test_every_row_comes_back_with_what_became_of_it(analysis: Analysis, table: pd.DataFrame) -> None:
    far = table.iloc[:4].copy()
    far["obs_id"] = ["north", "late", "alien", "wild"]
    far.loc[far.index[0], "latitude"] = 70.0
    far.loc[far.index[1], "time"] += pd.Timedelta(hours=5)
    far.loc[far.index[2], "variable"] = "2t"
    far.loc[far.index[3], "value"] = 87_000.0
    far["station_id"] = far["obs_id"]
    rows, superobs = prepare(analysis, pd.concat([table, far], ignore_index=True), withheld=0.3)
    members = sample(analysis, superobs, members=range(6), seed=0, preset="fast")
    certificate, receipts = verify(analysis, rows, superobs, members, seed=0)
    assert len(receipts) == len(table) + 4
    fate = receipts.set_index("obs_id")["qc"]
    assert fate["north"] == Flag.DOMAIN and fate["late"] == Flag.DOMAIN
    assert fate["alien"] == Flag.EXCLUDED and fate["wild"] == Flag.FIRST_GUESS
    assert (receipts.loc[receipts["qc"] != 0, "reason"] != "").all()
    used = receipts[receipts["qc"] == 0]
    assert np.isfinite(used[["o_minus_b", "o_minus_a", "spread"]]).all(axis=None)
    judged = (receipts["qc"] == 0) & (receipts["use"] == "active")
    assert 0 < judged.sum() < len(used) and receipts["gross_error"].notna().equals(judged)
    assert certificate["mirrored"] and np.allclose(certificate["consistency"]["not_finite"], 0)
    baselines = set(certificate["channels"]["msl"]["scores"])
    assert baselines == {"ensemble", "climatology", "nearest_station", "optimal_interpolation"}


def test_without_observations_there_is_still_an_ensemble(analysis: Analysis, table: pd.DataFrame) -> None:
    rows, superobs = prepare(analysis, table.iloc[:0], withheld=0.3)
    members = sample(analysis, superobs, members=[0, 1], seed=0, preset="fast")
    certificate, receipts = verify(analysis, rows, superobs, members, seed=0)
    assert members.shape == (2, 2, 3, 6, 8) and len(receipts) == 0
    assert certificate["notes"]


def test_one_mirrored_pair_is_not_verified(analysis: Analysis, table: pd.DataFrame) -> None:
    rows, superobs = prepare(analysis, table, withheld=0.3)
    members = sample(analysis, superobs, members=[0, 1], seed=0, preset="fast")
    certificate, receipts = verify(analysis, rows, superobs, members, seed=0)
    assert (certificate["members"], certificate["assimilated"]) == (2, len(superobs))
    assert certificate["withheld"] > 0 == certificate["withheld_stations"] and not certificate["channels"]
    assert "mirrored pair" in certificate["notes"][0] and certificate["consistency"]["not_finite"] == 0
    assert np.isfinite(receipts.loc[receipts["qc"] == 0, "spread"]).all()


def test_errors_asked_for_are_kept_and_the_priors_own_error_is_added(
    analysis: Analysis, table: pd.DataFrame
) -> None:
    rows, _ = prepare(analysis, table.assign(error=[np.nan, *[50.0] * (len(table) - 1)]))
    assert rows["error"].iloc[0] == analysis.prior.card.observation_error[rows["variable"].iloc[0]]
    assert (rows["error"].iloc[1:] == 50.0).all()


def test_a_report_that_does_not_fit_is_told_so_and_believed_less_if_asked(
    analysis: Analysis, table: pd.DataFrame
) -> None:
    wrong = table.index[(table["variable"] == "msl").to_numpy()][0]
    spoiled = table.assign(value=table["value"].where(table.index != wrong, table["value"] + 1500.0))
    rows = spoiled.assign(use="active")
    told = {}
    for likelihood in ("gaussian", "varqc"):
        members = sample(analysis, rows, members=range(4), seed=0, preset="fast", likelihood=likelihood)
        told[likelihood] = verify(analysis, rows, rows, members, seed=0)[1]
    gross = told["gaussian"]["gross_error"]
    assert gross.idxmax() == wrong and gross[wrong] > 0.9 and gross.median() < 0.05
    trusting, doubting = (abs(told[name].loc[wrong, "o_minus_a"]) for name in told)
    assert doubting > 1.5 * trusting and doubting > 1200
