"""First step: observations collected and checked, an empty ensemble laid out, members dealt out in blocks."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from models import analysis
from models.prior.card import PriorCard
from workers.database.batch_book import Batch
from workers.database.rows import NewStep
from workers.products.ensemble import create_ensemble
from workers.steps.analysis import the_analysis
from workers.steps.collect import chosen, collect
from workers.steps.step import Step
from workers.store.objects import put_parquet
from workers.version import __version__


def prepare(step: Step) -> list[NewStep]:
    """Write the prepared observations and the empty ensemble; sampling comes next, block by block."""
    request = step.request
    step.report(0.0, stage="loading the prior")
    job = the_analysis(request)
    step.report(0.3, stage="collecting observations")
    batches = chosen(step.services, request["observations"])
    frame = collect(step.services, batches, request["observations"].get("query"))
    step.report(0.5, stage="quality control")
    rows, superobs = analysis.prepare(
        job,
        frame,
        withheld=request["withheld"],
        stations=request["stations"],
        check=lambda: step.report(0.5, stage="quality control"),
    )
    put_parquet(step.store, step.key("prepared.parquet"), rows)
    put_parquet(step.store, step.key("superobs.parquet"), superobs)
    card, members = job.prior.card, request["members"]
    times = job.times.to_pydatetime()
    attributes = provenance(step, card, batches)
    create_ensemble(step.store, step.key("ensemble.zarr"), card.state, members, times, attributes)
    block = step.services.settings.block_members
    blocks = [
        NewStep(f"sample-{i:03d}", "sample", {"first": first, "stop": min(first + block, members)})
        for i, first in enumerate(range(0, members, block))
    ]
    return [NewStep("follow", "follow", {}), *blocks] if request.get("following") else blocks


def provenance(step: Step, card: PriorCard, batches: Sequence[Batch]) -> dict[str, Any]:
    """Where the ensemble comes from, so that it could be made again, and what is owed to whom."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "institution": "produced with Serein",
        "source": f"score-based data assimilation, prior {card.name}, Serein {__version__}",
        "history": f"{now} analysed by Serein {__version__}",
        "serein_version": __version__,
        "job_id": step.job_id,
        "prior": card.name,
        "prior_weights_sha256": card.weights_sha256,
        "license": card.data.get("licence", ""),
        "acknowledgement": card.data.get("attribution", ""),
        "observation_batches": json.dumps({batch.id: batch.content_hash for batch in batches}),
        "seed": step.request["seed"],
        "preset": step.request["preset"],
        "likelihood": step.request.get("likelihood", "gaussian"),
        "following": step.request.get("following", 0),
        "request": json.dumps(step.request, sort_keys=True),
    }
