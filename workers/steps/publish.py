"""Last step: the ensemble is verified, described, and published by one marker that is written once."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models import analysis
from models.following import beside
from models.verify import verify
from workers.database.rows import NewStep
from workers.products.commit import commit, manifest, require
from workers.products.ensemble import (
    consolidate,
    expected_keys,
    mean_and_spread,
    read_members,
    write_members,
)
from workers.products.hovmoller import draw_hovmoller
from workers.products.maps import Quantity, draw_all
from workers.products.receipts import page_observations
from workers.steps.analysis import the_analysis
from workers.steps.follow import FOLLOWED
from workers.steps.step import Step
from workers.store.objects import get_array, get_parquet, put_bytes, put_json, put_parquet

PREPARED = ("prepared.parquet", "superobs.parquet")
UNPUBLISHED = (*PREPARED, FOLLOWED)


def publish(step: Step) -> list[NewStep]:
    """Write certificate, receipts and maps; then the marker. What is published is never changed again."""
    step.report(0.0, stage="verifying")
    job, zarr = the_analysis(step.request), step.key("ensemble.zarr")
    state = job.prior.card.state
    rows, superobs = (get_parquet(step.store, step.key(name)) for name in PREPARED)
    members = read_members(step.store, zarr, state)
    if step.request.get("following"):
        members = beside(job, members, get_array(step.store, step.key(FOLLOWED)))
        write_members(step.store, zarr, state, range(len(members)), members)
    certificate, receipts = verify(job, rows, superobs, members, step.request["seed"])
    put_json(step.store, step.key("certificate.json"), certificate)
    put_parquet(step.store, step.key("receipts.parquet"), receipts)
    put_json(step.store, step.key("observations.json"), page_observations(receipts))
    step.report(0.4, stage="drawing maps")
    mean, spread = mean_and_spread(step.store, zarr, state)
    for name, body in pictures(job, mean, spread).items():
        put_bytes(step.store, step.key(name), body)
    step.report(0.8, stage="publishing")
    consolidate(step.store, zarr)
    entries = manifest(step.store, step.job_id, step.claim.attempt, UNPUBLISHED)
    fields = expected_keys(state, len(members), len(job.times))
    require(entries, (step.key(f"ensemble.zarr/{key}") for key in fields))
    step.lease.check()
    commit(step.store, step.job_id, step.claim.attempt, entries)
    return []


def pictures(
    job: analysis.Analysis, mean: NDArray[np.float32], spread: NDArray[np.float32]
) -> dict[str, bytes]:
    """What the page shows of ensemble mean and spread (T, C, H, W), SI: object name -> content."""
    card = job.prior.card
    names, grid = card.maps or card.state.names, card.state.grid
    if card.departures:
        there = [card.state.names.index(name) for name in card.departures]
        mean = mean.copy()
        mean[:, there] -= analysis.season(job)[:, there]
    drawn = [card.state.names.index(name) for name in names]
    shown: dict[Quantity, ArrayLike] = {"mean": mean[:, drawn], "spread": spread[:, drawn]}
    if grid.latitude.size > 1:
        return draw_all(shown, job.times, names, grid.latitude, grid.longitude, card.departures)
    return draw_hovmoller(shown, job.times, names, grid.longitude)
