"""Second step, once per block: members are sampled and written to their places in the ensemble.

A member depends on the job's seed and its own number alone, so it does not matter which worker samples it, or
with which others.
"""

from models import analysis
from models.posterior.sampler import Progress
from workers.database.rows import NewStep
from workers.products.ensemble import write_members
from workers.steps.analysis import the_analysis
from workers.steps.step import Step
from workers.store.objects import get_parquet


def sample(step: Step) -> list[NewStep]:
    """Sample the members from `first` up to `stop` and write them into `ensemble.zarr`."""
    step.report(0.0, stage="loading the prior")
    job, request = the_analysis(step.request), step.request
    members = range(step.claim.arguments["first"], step.claim.arguments["stop"])

    def told(now: Progress) -> None:
        fraction = now.level / max(now.levels, 1)
        step.report(
            fraction, stage="sampling", level=now.level, levels=now.levels, sigma=now.sigma, chi2=now.chi2
        )

    fields = analysis.sample(
        job,
        get_parquet(step.store, step.key("superobs.parquet")),
        members=members,
        seed=request["seed"],
        preset=request["preset"],
        likelihood=request.get("likelihood", "gaussian"),
        progress=told,
    )
    write_members(step.store, step.key("ensemble.zarr"), job.prior.card.state, members, fields)
    return []
