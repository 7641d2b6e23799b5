"""Calibration where the posterior is known: it passes for exact draws, and for no others."""

import dataclasses

import numpy as np
import torch

from models.posterior.presets import PRESETS
from models.testing import trials
from models.testing.linear import ring
from models.verification.sbc import calibration


def test_exact_draws_pass_and_draws_of_four_fifths_the_spread_do_not() -> None:
    oracle, generator = ring(3, 24, rank=40), torch.Generator().manual_seed(0)
    truth, values = trials.truths(oracle, 300, generator)
    found = [
        calibration(
            trials.compared(oracle, truth, values, trials.exact(oracle, values, 5, generator, spread)),
            np.random.default_rng(0),
        )
        for spread in (1.0, 0.8)
    ]
    assert found[0]["p"] > 0.01
    assert found[1]["p"] < 1e-6
    assert 0.7 < found[1]["functions"]["unobserved"]["spread"] < 0.9


def test_the_sampler_passes_where_its_levels_go_below_the_errors() -> None:
    oracle, generator = ring(3, 24, rank=40), torch.Generator().manual_seed(0)
    truth, values = trials.truths(oracle, 200, generator)

    def found(sigma_stop: float) -> dict[str, dict[str, float]]:
        drawn = trials.sampled(
            oracle, values, 5, dataclasses.replace(PRESETS["balanced"], sigma_stop=sigma_stop), seed=1
        )
        compared = trials.compared(oracle, truth, values, drawn)
        return calibration(compared, np.random.default_rng(0))["functions"]

    fine = found(PRESETS["balanced"].sigma_stop)
    assert min(f["p"] for f in fine.values()) > 0.01 / len(fine)
    coarse = found(0.03)  # stations err by 0.01: what is left unknown at the last level is not drawn
    assert coarse["observed"]["spread"] < 0.6
    assert coarse["unobserved"]["p"] > 0.001
