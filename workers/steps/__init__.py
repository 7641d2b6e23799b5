"""The steps of an analysis: prepare -> sample, in blocks of members, and follow -> publish.

`STEPS` names the function of each kind; it is imported when first needed, since sampling needs torch and
neither the API nor a worker that waits should carry it.
"""

from collections.abc import Callable
from pkgutil import resolve_name

from workers.database.rows import NewStep
from workers.steps.step import Step

STEPS: dict[str, str] = {
    "prepare": "workers.steps.prepare:prepare",
    "sample": "workers.steps.sample:sample",
    "follow": "workers.steps.follow:follow",
    "publish": "workers.steps.publish:publish",
}


def run(step: Step) -> list[NewStep]:
    """Do the step; returns the steps that follow it."""
    function: Callable[[Step], list[NewStep]] = resolve_name(STEPS[step.claim.kind])
    return function(step)
