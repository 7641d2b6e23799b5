"""The prior `europe` on real reports, and on states it has not seen where the truth is known everywhere.

*Real*: SYNOP mean sea level pressure and TEMP z500 and t850, sent as the files are to a service of our own,
for several networks; a share of the stations is withheld and verifies ensemble and baselines.
*Twin*: states of the test year observed by the example network with noise; compared at every grid point.
"""

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from app.cli.client import Service, ServiceError
from app.cli.demo import running_service
from app.scoreboard.report import Criterion, at_most, report, within

COLUMNS = {
    "SYNOP": {"PS": {"variable": "msl", "unit": "hPa"}},
    "TEMP": {
        "PP": {"coordinate": "pressure", "unit": "hPa"},
        "FI": {"variable": "z", "unit": "gpm"},
        "TT": {"variable": "t", "unit": "K"},
    },
}
TWIN_NETWORKS = ((150, 30), (20, 10))  # surface stations, soundings
Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What is scored: folder of the data, days (12 UTC), SYNOPs kept, and how; number of test states."""

    data: Path
    dates: Sequence[str] = ("2019-02-17", "2019-02-18")
    networks: Sequence[int] = (500, 50, 20, 10)
    members: int = 32
    preset: str = "balanced"
    twin_dates: int = 12
    prior: str = "europe"
    seeds: Sequence[int] = (0,)


def score(options: Options, say: Say = lambda line: None) -> dict[str, Any]:
    """The scoreboard, as JSON."""
    start = time.monotonic()
    real, twin = real_reports(options, say), twins(options, say)
    criteria = _criteria(real, twin)
    return report("europe", criteria, {"real": real, "twin": twin}, time.monotonic() - start)


def real_reports(options: Options, say: Say) -> list[dict[str, Any]]:
    """Per network, the certificate of an analysis by a service that runs for this purpose."""
    rows = []
    with tempfile.TemporaryDirectory() as home, running_service(Path(home)) as service:
        batches = [_send(service, options.data, day, kind) for day in options.dates for kind in COLUMNS]
        for synops in options.networks:
            for seed in options.seeds:
                say(f"real reports, {synops} SYNOPs")
                certificate, seconds = _analyse(service, options, batches, synops, seed)
                rows.append(
                    {"synops": synops, "seed": seed, "seconds": seconds}
                    | {name: _scores(part) for name, part in certificate["channels"].items()}
                    | {"overall": _scores(certificate["overall"])}
                )
    return rows


def _send(service: Service, data: Path, day: str, kind: str) -> str:
    name = f"{kind.lower()}_{day.replace('-', '')}"
    found = sorted(data.glob(f"**/{name}.csv*"))
    if not found:
        raise ServiceError(f"no file {name}.csv or {name}.csv.gz in {data}")
    with found[0].open("rb") as content:
        service.put_batch(
            name, content, content_type="text/csv", kind=kind, columns=json.dumps(COLUMNS[kind])
        )
    return name


def _analyse(
    service: Service, options: Options, batches: list[str], synops: int, seed: int
) -> tuple[dict[str, Any], float]:
    start = time.monotonic()
    job = service.execute(
        {
            "prior": options.prior,
            "window": {"start": f"{options.dates[0]}T12:00:00Z", "end": f"{options.dates[-1]}T12:00:00Z"},
            "observations": {"batches": batches},
            "members": options.members,
            "preset": options.preset,
            "seed": seed,
            "withheld": 0.3,
            "stations": {"SYNOP": synops},
        }
    )["jobID"]
    while (status := service.job(job))["status"] in ("accepted", "running"):
        time.sleep(0.5)
    if status["status"] != "successful":
        raise ServiceError(f"the analysis {job} {status['status']}: {status.get('message')}")
    return service.get(f"/ensembles/{job}/certificate.json"), round(time.monotonic() - start, 1)


def _scores(part: dict[str, Any]) -> dict[str, Any]:
    return {key: part[key] for key in ("unit", "n", "scores", "relative_to")}


def twins(options: Options, say: Say) -> list[dict[str, Any]]:
    """Per network, scores per channel at every grid point over states of the prior's test years."""
    from models import osse
    from models.analysis import Analysis
    from models.prior.card import load_card
    from models.prior.prior import load_prior
    from models.training.data import open_states

    if not options.twin_dates:
        return []
    prior = load_prior(load_card(options.prior))
    try:
        states = open_states(test_states(options.data), prior.card.state.names)
    except FileNotFoundError as missing:
        raise ServiceError(f"{missing}; --twin-dates 0 does without") from None
    test = np.flatnonzero(states.of_years(prior.card.data["years"]["test"]))[:-1]
    chosen = test[np.linspace(0, len(test) - 1, options.twin_dates).astype(int)]
    network = osse.example_network(prior.card)
    rows = []
    for surface, soundings in TWIN_NETWORKS:
        part = thinned(network, surface, soundings)
        trials = []
        for i in chosen:
            say(f"states of the test year, {surface} stations, {states.times[i]:%Y-%m-%d}")
            analysis = Analysis(prior, states.times[i : i + 2].tz_localize("UTC"))
            truth = states.values[i : i + 2]
            table = osse.observe(analysis, part, truth, int(i))
            trials.append(
                osse.compare(
                    analysis, table, truth, members=options.members, preset=options.preset, seed=int(i)
                )
            )
        rows.append({"stations": surface, "soundings": soundings, **osse.summary(prior.card.state, trials)})
    return rows


def test_states(data: Path) -> Path:
    """The file in `data`.

    Raises:
        FileNotFoundError: there is none.
    """
    found = sorted(data.glob("**/era_interim_europe_daily.nc"))
    if not found:
        raise FileNotFoundError(f"no era_interim_europe_daily.nc in {data}")
    return found[0]


def thinned(network: pd.DataFrame, surface: int, soundings: int) -> pd.DataFrame:
    """The first stations of the example network, per channel."""
    most = np.where(network["kind"] == "SYNOP", surface, soundings)
    return network[network.groupby("channel").cumcount().to_numpy() < most]


def _criteria(real: list[dict[str, Any]], twin: list[dict[str, Any]]) -> list[Criterion]:
    return _judge_real(pd.DataFrame(_flat(real)), _fields(real)) + [
        c for row in twin for c in _judge_twin(row)
    ]


def _fields(real: list[dict[str, Any]]) -> list[str]:
    """Channels, and "overall" last."""
    return [name for name, part in real[0].items() if isinstance(part, dict)] if real else []


def _flat(real: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per network, seed and field: ratios to optimal interpolation, and coverages."""
    rows = []
    for row in real:
        for name in _fields(real):
            ours, oi = (row[name]["scores"][m] for m in ("ensemble", "optimal_interpolation"))
            rows.append(
                {"synops": row["synops"], "field": name}
                | {key: ours[key] / oi[key] for key in ("rmse", "crps")}
                | {key: ours[key] for key in ("coverage50", "coverage90")}
            )
    return rows


def _judge_real(table: pd.DataFrame, fields: list[str]) -> list[Criterion]:
    """Every field in every network (mean over seeds), and the mean of networks."""
    out = []
    for name in fields:
        networks = table[table["field"] == name].groupby("synops", sort=False).mean(numeric_only=True)
        for synops, row in networks.iterrows():
            where = f"real, {synops} SYNOPs, {name}"
            out.append(at_most(f"{where}: RMSE / OI", row["rmse"], 1.0))
            out.append(within(f"{where}: 50 % coverage", row["coverage50"], 0.5, 0.05))
            out.append(within(f"{where}: 90 % coverage", row["coverage90"], 0.9, 0.05))
        for key in ("rmse", "crps"):
            mean = float(networks[key].mean())
            out.append(at_most(f"real, mean of networks, {name}: {key.upper()} / OI", mean, 0.95))
    return out


def _judge_twin(row: dict[str, Any]) -> list[Criterion]:
    out = []
    for channel, scores in row.items():
        if isinstance(scores, dict):
            where = f"twin, {row['stations']} stations, {channel}"
            out.append(at_most(f"{where}: RMSE / OI", scores["rmse"] / scores["oi_rmse"], 0.95))
            out.append(at_most(f"{where}: CRPS / OI", scores["crps"] / scores["oi_crps"], 0.95))
            out.append(within(f"{where}: 50 % coverage", scores["coverage50"], 0.5, 0.05))
            out.append(within(f"{where}: 90 % coverage", scores["coverage90"], 0.9, 0.05))
    return out
