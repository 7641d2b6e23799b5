"""An analysis without science: two blocks, each writing one object; slow enough to be killed in the middle.

In `home/toy.json` a test can say how long a block takes and that something goes wrong; `toy_worker` runs it
in a real worker.
"""

import json
import time

from workers.database.rows import NewStep
from workers.products.commit import commit, manifest
from workers.steps.step import Step, StepFailed
from workers.store.objects import put_json


def prepare(step: Step) -> list[NewStep]:
    return [NewStep(f"sample-{i:03d}", "sample", {"first": i}) for i in range(2)]


def sample(step: Step) -> list[NewStep]:
    settings = step.services.settings
    path = settings.home / "toy.json"
    options = json.loads(path.read_text()) if path.exists() else {}
    with (settings.home / "log").open("a") as log:
        log.write(f"{step.job_id} {step.claim.attempt} {step.claim.name} {step.claim.owner}\n")
    if options.get("error") == "data":
        raise StepFailed("Nothing to do", "there is nothing here; send something")
    if options.get("error") == "bug":
        raise ZeroDivisionError("a bug")
    if options.get("error") == "store" and step.claim.attempt == 1:
        raise OSError("the store was away")
    end = time.monotonic() + options.get("seconds", 0.0)
    while time.monotonic() < end:
        step.report(0.5, stage="sampling")
        time.sleep(0.02)
    step.lease.check()
    put_json(step.store, step.key(f"{step.claim.name}.json"), {"attempt": step.claim.attempt})
    return []


def publish(step: Step) -> list[NewStep]:
    entries = manifest(step.store, step.job_id, step.claim.attempt)
    step.lease.check()
    commit(step.store, step.job_id, step.claim.attempt, entries)
    return []


STEPS = {kind: f"{__name__}:{kind}" for kind in ("prepare", "sample", "publish")}
