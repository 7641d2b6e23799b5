"""A classical problem runs, and a network observes it: reports to analyse, and the truth to compare with."""

import pandas as pd
import xarray as xr

from models import osse
from models.classical.problem import PROBLEMS, Problem
from models.prior.card import PriorCard


def the_problem(card: PriorCard) -> Problem:
    """The problem that a prior was trained on.

    Raises:
        ValueError: it is none of these.
    """
    if card.name not in PROBLEMS:
        raise ValueError(f"{card.name} cannot be simulated, but {', '.join(PROBLEMS)} can")
    return PROBLEMS[card.name]


def simulate(
    card: PriorCard, network: pd.DataFrame, times: pd.DatetimeIndex, seed: int
) -> tuple[pd.DataFrame, xr.Dataset]:
    """Observations with noise of a trajectory of the model itself, not of the prior; and that trajectory.

    Arguments:
        network: as `models.osse.example_network` gives.
        times: of the states, consecutive, UTC, (T,).
        seed: of trajectory and noise.

    Returns:
        (observation table, truth), the truth with dimensions time, latitude, longitude as in an ensemble.
    """
    states = the_problem(card).unseen(1, len(times), seed)[0].double().numpy()
    axes = {
        "time": times.tz_localize(None),
        "latitude": card.state.grid.latitude,
        "longitude": card.state.grid.longitude,
    }
    truth = {name: (tuple(axes), states[:, k]) for k, name in enumerate(card.state.names)}
    return osse.reports(card, times, network, states, seed), xr.Dataset(truth, axes)
