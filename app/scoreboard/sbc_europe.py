"""Simulation-based calibration of the prior `europe`: three days, of which its example network sees two.

Truths are drawn from the prior, or are states of the test year. Members have even numbers, so that none is
another's mirror image.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from app.cli.client import ServiceError
from app.scoreboard.europe import test_states
from models import osse
from models.analysis import Analysis
from models.observations.table import empty
from models.posterior.noise import CounterNoise
from models.posterior.sampler import Preset, sample
from models.prior.card import load_card
from models.prior.prior import Prior, load_prior
from models.training.data import open_states
from models.verification.sbc import Array, Compared, stacked
from models.verification.scores import area_mean

Say = Callable[[str], None]
TRUTH = Preset(96, 10.0, 0.015, stochastic=True)  # ends where the presets do: what is left out is alike
NAME = "europe"


def compared(
    preset: str, windows: int, members: int, seed: int, data: Path | None, say: Say = lambda line: None
) -> Compared:
    """Test functions of `windows` trials: members (N, M) and truths (N,).

    Arguments:
        data: folder of the test year; None to draw truths from the prior.
    """
    prior = load_prior(load_card(NAME))
    network = osse.example_network(prior.card)
    rows = []
    for number, (times, given) in enumerate(_truths(prior, windows, data)):
        say(f"{number} of {windows}")
        analysis, own = Analysis(prior, times), seed * 100_003 + number
        states = _drawn(analysis, own) if given is None else given
        table = osse.observe(analysis, network, states, own)
        table = table[table["time"] < times[-1]].sort_values("obs_id", ignore_index=True)
        noise = CounterNoise(own, range(0, 2 * members, 2), analysis.window)
        settings = Preset(**prior.card.presets[preset])
        drawn = sample(analysis.posterior(table), settings, noise)
        with torch.no_grad():
            fields = prior.decode(drawn).double().numpy()
        rows.append(_functions(analysis, table, np.concatenate([states[None], fields])))
    return stacked(rows)


def _truths(prior: Prior, windows: int, data: Path | None) -> list[tuple[pd.DatetimeIndex, Array | None]]:
    """Times of the windows, spread over the year, and their states where these are given."""
    length, step = prior.card.window, f"{prior.card.state.step_hours}h"
    if data is None:
        days = pd.date_range("2010-01-01T12:00", "2010-12-28T12:00", periods=windows, tz="UTC").round("D")
        starts = days + pd.Timedelta(hours=12)
        return [(pd.date_range(s, periods=length, freq=step), None) for s in starts]
    try:
        states = open_states(test_states(data), prior.card.state.names)
    except FileNotFoundError as missing:
        raise ServiceError(f"{missing}; without --data, truths are drawn from the prior only") from None
    test = np.flatnonzero(states.of_years(prior.card.data["years"]["test"]))[: 1 - length]
    chosen = test[np.linspace(0, len(test) - 1, windows).astype(int)]
    return [
        (states.times[i : i + length].tz_localize("UTC"), np.asarray(states.values[i : i + length]))
        for i in chosen
    ]


def _drawn(analysis: Analysis, seed: int) -> Array:
    """A draw of the prior, SI units, (T, C, H, W)."""
    noise = CounterNoise(seed, [osse.TRUTH], analysis.window)
    z = sample(analysis.posterior(empty()), TRUTH, noise)
    with torch.no_grad():
        return analysis.prior.decode(z)[0].double().numpy()


def _functions(analysis: Analysis, table: pd.DataFrame, x: Array) -> dict[str, Array]:
    """What is compared of states (1 + M, T, C, H, W): in units of the climatology, (1 + M,) each."""
    state = analysis.prior.card.state
    anomaly = (x - state.mean[:, None, None]) / state.std[:, None, None]
    names, (rows, columns) = list(state.names), state.grid.shape
    weight = state.grid.area_weights
    operator = analysis.operator(table)
    misfit = operator(torch.from_numpy(x)).numpy() - table["value"].to_numpy()
    middle, corner = (rows // 2, columns // 2), (-1, 0)  # the south-west corner is open ocean
    return {
        "observed": anomaly[:, 1, names.index("msl"), *middle],
        "unobserved": anomaly[:, 1, names.index("t850"), *corner],
        "last state": anomaly[:, -1, names.index("z500"), *middle],
        "mean": area_mean(anomaly, weight).mean((1, 2)),
        "energy": area_mean(anomaly**2, weight).mean((1, 2)),
        "likelihood": -0.5 * ((misfit / table["error"].to_numpy()) ** 2).sum(-1),
    }
