"""Scores of one method on the simulated Earth: a case each, and what all of them took."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.verification.field_scores import FieldScores, summary


@dataclass(eq=False)
class Tally:
    """Cases, and CPU seconds."""

    cases: list[FieldScores] = field(default_factory=list)
    cpu: float = 0.0

    def add(self, make: Callable[[], np.ndarray], truth: np.ndarray, weights: np.ndarray) -> None:
        """One case: the ensemble is made, (N, C, H, W), and compared."""
        since = time.process_time()
        ensemble = make()
        self.cpu += time.process_time() - since
        self.cases.append(FieldScores.of(ensemble, truth, weights))

    def row(self, channels: Sequence[str]) -> dict[str, Any]:
        """Scores per channel, and CPU seconds per analysis."""
        cpu = round(self.cpu / len(self.cases), 1)
        return {"cases": len(self.cases), "cpu_seconds": cpu, "channels": summary(self.cases, channels)}
