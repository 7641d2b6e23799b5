"""Keeping a step: a thread renews the lease while the work runs, and the work hears of bad news.

A thread cannot interrupt a sampler, so cancellation is cooperative: `check`, called with every report of
progress, raises `Cancelled` or `LeaseLost` in the working thread. After a long standstill of the whole
process (SIGSTOP, a laptop's lid) the clock alone says that the lease is gone.
"""

import logging
import threading
import time
from types import TracebackType
from typing import Any, Self

from workers.database.rows import Cancelled, Claim, LeaseLost
from workers.database.step_book import StepBook

REPORT_SECONDS = 0.25  # progress within a stage is told at most so often

log = logging.getLogger(__name__)


class Lease:
    """The lease of a claimed step, renewed in the background between `with` and its end."""

    def __init__(self, book: StepBook, claim: Claim) -> None:
        self.book = book
        self.claim = claim
        self._seconds = book.lease.total_seconds()
        self._renewed = time.monotonic()
        self._reported: tuple[Any, float] = (None, -REPORT_SECONDS)  # the last stage told of, and when
        self._bad_news: Cancelled | LeaseLost | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"lease of {claim.name}", daemon=True)

    def __enter__(self) -> Self:
        """Begin to renew."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        """Renew no more."""
        self._done.set()
        self._thread.join()

    def check(self) -> None:
        """Go on only if the step is still ours and still wanted.

        Raises:
            LeaseLost: it is not ours any more; nothing may be written.
            Cancelled: somebody asked for the job to be dismissed.
        """
        if self._bad_news is not None:
            raise self._bad_news
        if time.monotonic() - self._renewed > self._seconds:
            raise LeaseLost(f"the lease of {self.claim.name} could not be renewed in time")

    def report(self, fraction: float, **data: Any) -> None:
        """Check, then tell those who watch how far the step is (0 to 1): every new stage, and a few times a
        second at most how it goes on.
        """
        self.check()
        now, (stage, told) = time.monotonic(), self._reported
        if data.get("stage") != stage or now - told >= REPORT_SECONDS:
            self._reported = (data.get("stage"), now)
            self.book.progress(self.claim, fraction, data)

    def _renew(self) -> None:
        while not self._done.wait(self._seconds / 3):
            before = time.monotonic()
            try:
                self.book.renew(self.claim)
                self._renewed = before
            except (Cancelled, LeaseLost) as news:
                self._bad_news = news
                if isinstance(news, LeaseLost):
                    return
                self._renewed = before  # cancelled but still ours until the work confirms
            except Exception:  # the database is away; if it stays away the clock decides
                log.warning("could not renew the lease of %s", self.claim.name, exc_info=True)
