"""Simulation-based calibration of the Reynolds number of Kolmogorov flow, and of the flow with it.

Three of the five states of a window are seen, at every fourth point (`models.classical.reynolds_seen`).
Truths are drawn from the prior, or simulated, each with a Reynolds number of its own.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from models.classical import reynolds_seen
from models.classical.kolmogorov import vorticity
from models.classical.prior import ClassicalPrior, load
from models.classical.problem import PROBLEMS
from models.classical.stitching import Windows, unobserved
from models.posterior.noise import SeededNoise
from models.posterior.sampler import Preset, sample
from models.verification.sbc import Array, Compared, stacked

Say = Callable[[str], None]
NAME = "kolmogorov-reynolds"
PRESETS = {
    "fast": Preset(12, 5.0, 0.03, stochastic=True, iterations=1),
    "balanced": Preset(24, 5.0, 0.02, stochastic=True, iterations=1, warm=True),
    "careful": Preset(32, 10.0, 0.02, stochastic=True, iterations=2, warm=True, corrections=1),
}
LEVELS = 64  # of truths from the prior
ROWS = 16  # windows times members sampled together, about


def compared(
    preset: str, windows: int, members: int, seed: int, source: str, say: Say = lambda line: None
) -> Compared:
    """Test functions of `windows` trials: members (N, M) and truths (N,)."""
    prior = load(NAME)
    look = reynolds_seen.windows(prior, PROBLEMS[NAME].window)
    truths = _truths(prior, look, windows, seed, source)
    generator = np.random.default_rng([seed, 1, 1])
    rows: list[dict[str, Array]] = []
    for number, some in enumerate(truths.split(max(1, ROWS // members))):
        say(f"{len(rows)} of {windows}")
        clear = reynolds_seen.SENSOR(prior.restore(some).float()).flatten(1)
        values = clear + reynolds_seen.SENSOR.error * torch.from_numpy(generator.standard_normal(clear.shape))
        each = values.repeat_interleave(members, dim=0)
        noise = SeededNoise(2 * seed * 100_003 + number, len(each))
        drawn = sample(reynolds_seen.posterior(look, each), PRESETS[preset], noise)
        both = torch.cat([some[:, None], drawn.unflatten(0, (len(some), members))], dim=1)
        rows += [functions(prior, z, y) for z, y in zip(both, values, strict=True)]
    return stacked(rows)


def _truths(prior: ClassicalPrior, look: Windows, number: int, seed: int, source: str) -> Tensor:
    """Standardised windows (number, L, K, h, w)."""
    if source != "prior":
        return prior.standardise(PROBLEMS[NAME].unseen(number, look.window, seed))
    low, high = PROBLEMS[NAME].sigma
    draw = partial(sample, unobserved(look.denoise, look.climatology.shape), Preset(LEVELS, high, low, True))
    sizes = [min(ROWS, number - done) for done in range(0, number, ROWS)]
    return torch.cat([draw(SeededNoise((2 * seed + 1) * 100_003 + i, n)) for i, n in enumerate(sizes)])


def functions(prior: ClassicalPrior, z: Tensor, values: Tensor) -> dict[str, Array]:
    """What is compared of windows z (M, L, K, h, w) that were seen as `values` (p,), (M,) each."""
    x = prior.restore(z)
    flow, seen = x[:, :, :2], reynolds_seen.EVERY // 2
    misfit = (reynolds_seen.SENSOR(x).flatten(1) - values) / reynolds_seen.SENSOR.error
    out = {
        "observed": flow[:, 2, 0, seen, seen],
        "unobserved": flow[:, 1, 0, 0, 0],
        "last state": flow[:, -1, 1, 0, 0],
        "energy": flow.square().mean((1, 2, 3, 4)),
        "enstrophy": vorticity(flow).square().mean((1, 2, 3)),
        "likelihood": -0.5 * misfit.square().sum(-1),
        "parameter": x[:, :, 2].mean((1, 2, 3)),
    }
    return {name: value.double().numpy() for name, value in out.items()}
