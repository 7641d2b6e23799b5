"""Scores of one method on the simulated Earth: a case each, and what all of them took."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.state.spec import StateSpec
from models.verification.balance import Balance, balances
from models.verification.climate import zonal_spectrum
from models.verification.field_scores import FieldScores, summary

WAVES = ((1, 4), (5, 9), (10, 14))  # bands of zonal wavenumbers, to two thirds of those that T21 has


@dataclass(eq=False)
class Tally:
    """Cases of states like `state`, and CPU seconds."""

    state: StateSpec
    cases: list[FieldScores] = field(default_factory=list)
    balance: list[Balance] = field(default_factory=list)
    spectra: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    cpu: float = 0.0

    def add(
        self,
        make: Callable[[], np.ndarray],
        truth: np.ndarray,
        mirrored: bool = False,
        spent: float = 0.0,
    ) -> None:
        """One case: the ensemble is made, (N, C, H, W), and compared with the truth, (C, H, W).

        Arguments:
            mirrored: members are in pairs of opposite sign.
            spent: CPU seconds that this has taken before.
        """
        since = time.process_time()
        ensemble = make()
        self.cpu += spent + time.process_time() - since
        grid = self.state.grid
        self.cases.append(FieldScores.of(ensemble, truth, grid.area_weights, mirrored))
        ours, theirs = (zonal_spectrum(x, grid.latitude) for x in (ensemble, truth))
        self.spectra.append((ours.mean(0), theirs))
        if balance := Balance.of(ensemble, truth, self.state.names, grid):
            self.balance.append(balance)

    def row(self) -> dict[str, Any]:
        """Scores per channel, how balanced members are, and CPU seconds per analysis.

        Among the former is `spectrum`, the members' variance over the truth's in each band of `WAVES`.
        """
        channels = summary(self.cases, self.state.names)
        ours, theirs = (np.mean(parts, axis=0) for parts in zip(*self.spectra, strict=True))
        for k, name in enumerate(self.state.names):
            bands = [slice(first, last + 1) for first, last in WAVES]
            pairs = [(float(ours[k, band].sum()), float(theirs[k, band].sum())) for band in bands]
            channels[name]["spectrum"] = [round(own / true, 3) if true else None for own, true in pairs]
        found: dict[str, Any] = {
            "cases": len(self.cases),
            "cpu_seconds": round(self.cpu / len(self.cases), 1),
        }
        if self.balance:
            found["balance"] = balances(self.balance)
        return {**found, "channels": channels}
