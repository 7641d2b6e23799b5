"""The analysis a step belongs to: its prior, loaded, and the times of its states."""

from functools import lru_cache
from typing import Any

import pandas as pd

from models.analysis import Analysis
from models.prior.card import load_card
from models.prior.prior import Prior, load_prior
from models.state.time import analysis_times


@lru_cache(maxsize=1)
def the_prior(name: str) -> Prior:
    """The prior called `name`. Loading takes seconds, so a worker keeps the last for its next step."""
    return load_prior(load_card(name))


def the_analysis(request: dict[str, Any]) -> Analysis:
    """The analysis that the inputs of a job ask for."""
    prior = the_prior(request["prior"])
    start, end = (pd.Timestamp(request["window"][name]) for name in ("start", "end"))
    card = prior.card
    return Analysis(prior, analysis_times(start, end, card.state.step_hours, card.valid_hours))
