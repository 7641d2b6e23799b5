"""Whatever workers, watchers and sweepers do, a job ends once and nobody holds a step twice."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from sqlalchemy import select, update

from workers.database.engine import clock, reading
from workers.database.rows import FINISHED, AlreadyFinished, Cancelled, Claim, LeaseLost, NewStep, StepRef
from workers.database.tables import jobs, steps
from workers.services import open_services
from workers.settings import Settings

WORKERS = st.sampled_from(["w1", "w2", "w3"])


class JobBookMachine(RuleBasedStateMachine):
    """Three workers, some of them zombies, on jobs that anybody may dismiss at any time."""

    submitted: Bundle[str] = Bundle("submitted")
    held: Bundle[Claim] = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="serein-book-"))
        self.services = open_services(Settings(home=self.home, lease_seconds=3600))
        self.ended: dict[str, str] = {}
        self.finished: set[StepRef] = set()

    def teardown(self) -> None:
        self.services.close()
        shutil.rmtree(self.home)

    @rule(target=submitted)
    def submit(self) -> str:
        return self.services.jobs.submit("assimilate", {}, "sha")[0].id

    @rule(target=held, worker=WORKERS)
    def claim_what_is_offered(self, worker: str) -> Claim | None:
        for ref in self.services.sweeps.to_ring(after_seconds=0):
            claim = self.services.steps.claim(ref, worker)
            if claim is not None:
                assert ref not in self.finished
                return claim
        return None

    @rule(claim=consumes(held), blocks=st.integers(1, 3))
    def finish(self, claim: Claim | None, blocks: int) -> None:
        if claim is None:
            return
        ours = self._is_ours(claim)
        if claim.kind == "publish":
            self.services.sweeps.succeed(
                claim.job_id, claim.attempt
            )  # the marker lies in the store: this counts
            return
        new = [NewStep(f"sample-{i}", "sample", {}) for i in range(blocks if claim.kind == "prepare" else 0)]
        try:
            self.services.steps.finish(claim, new)
            assert ours
            self.finished.add(StepRef(claim.job_id, claim.attempt, claim.name))
        except LeaseLost:
            assert not ours

    @rule(claim=held)
    def renew(self, claim: Claim | None) -> None:
        if claim is None:
            return
        ours = self._is_ours(claim)
        try:
            self.services.steps.renew(claim)
            assert ours
        except Cancelled:
            assert ours
            self.services.steps.stop(claim)
        except LeaseLost:
            assert not ours

    @rule(claim=consumes(held), how=st.sampled_from(["fail", "give up"]))
    def come_to_grief(self, claim: Claim | None, how: str) -> None:
        if claim is not None:
            ours = self._is_ours(claim)
            book = self.services.steps
            did = book.fail(claim, {"title": "x"}) if how == "fail" else book.give_up(claim, "x")
            assert did == ours

    @rule(worker=WORKERS)
    def fall_silent(self, worker: str) -> None:
        with self.services.jobs.engine.begin() as c:
            c.execute(update(steps).where(steps.c.owner == worker).values(lease_until=clock(c)))

    @rule()
    def sweep(self) -> None:
        self.services.sweeps.expire()
        self.services.sweeps.settle_dismissals()
        assert self.services.sweeps.expire() == 0
        assert self.services.sweeps.settle_dismissals() == 0

    @rule(job_id=submitted)
    def dismiss(self, job_id: str) -> None:
        try:
            self.services.jobs.dismiss(job_id)
        except AlreadyFinished as ended:
            assert self.ended[job_id] == ended.status

    @invariant()
    def a_job_ends_once_and_then_nothing_of_it_is_open(self) -> None:
        with reading(self.services.jobs.engine) as c:
            rows = {row.id: row for row in c.execute(select(jobs))}
            open_steps = list(c.execute(select(steps).where(steps.c.state.in_(("pending", "running")))))
        for job_id, status in self.ended.items():
            assert rows[job_id].status == status
        self.ended.update({i: row.status for i, row in rows.items() if row.status in FINISHED})
        for step in open_steps:
            assert rows[step.job_id].status not in FINISHED
            assert rows[step.job_id].attempt == step.attempt
        busy = {step.job_id for step in open_steps}
        assert busy == {i for i, row in rows.items() if row.status not in FINISHED}  # never stuck

    def _is_ours(self, claim: Claim) -> bool:
        with reading(self.services.jobs.engine) as c:
            return c.execute(select(steps.c.name).where(claim.where)).first() is not None


TestJobBook = JobBookMachine.TestCase
TestJobBook.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
