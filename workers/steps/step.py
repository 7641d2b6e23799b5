"""What a step is given: its job, its place in the store, and a way to say how far it is."""

from dataclasses import dataclass
from typing import Any

from obstore.store import ObjectStore

from workers.database.rows import Claim
from workers.lease import Lease
from workers.services import Services
from workers.store.objects import attempt_key


class StepFailed(Exception):
    """The job cannot be done, for a reason its owner should read and can act upon."""

    def __init__(self, title: str, detail: str) -> None:
        super().__init__(detail)
        self.title = title
        self.detail = detail


@dataclass(frozen=True)
class Step:
    """A claimed step at work."""

    claim: Claim
    services: Services
    lease: Lease

    @property
    def job_id(self) -> str:
        """The job it belongs to."""
        return self.claim.job_id

    @property
    def request(self) -> dict[str, Any]:
        """The inputs of the job, as checked by the API."""
        return self.claim.request

    @property
    def store(self) -> ObjectStore:
        """The object store."""
        return self.services.store

    def key(self, name: str = "") -> str:
        """Key of a product of this attempt."""
        return attempt_key(self.claim.job_id, self.claim.attempt, name)

    def report(self, fraction: float, **data: Any) -> None:
        """Say how far the step is (0 to 1); raises Cancelled or LeaseLost if it shall not go on."""
        self.lease.report(fraction, **data)
