"""Beside sampling, if asked for: an ensemble follows the same observations; publishing joins the two."""

from models import following
from workers.database.rows import NewStep
from workers.steps.analysis import the_analysis
from workers.steps.step import Step
from workers.store.objects import get_parquet, put_array

FOLLOWED = "followed.npy"


def follow(step: Step) -> list[NewStep]:
    """Write the means of the ensemble, and its spread."""
    step.report(0.0, stage="loading the prior")
    job, request = the_analysis(step.request), step.request
    found = following.follow(
        job,
        get_parquet(step.store, step.key("superobs.parquet")),
        size=request["following"],
        seed=request["seed"],
        likelihood=request["likelihood"],
        progress=lambda done: step.report(done, stage="following"),
    )
    put_array(step.store, step.key(FOLLOWED), found)
    return []
