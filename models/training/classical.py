"""Trains the prior of a classical problem on simulations: python -m models.training.classical NAME RUN.

Data are unlimited: a pool of trajectories is simulated, windows are drawn from it anywhere, and shifted round
the circle. The training resumes (see `models.training.loop`).
"""

import dataclasses
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from models.classical import stationary
from models.classical.prior import ClassicalPrior, build, save
from models.classical.problem import PROBLEMS, Problem
from models.prior.climatology import Climatology
from models.prior.denoiser import Denoiser, relative_loss
from models.training.loop import Report, train

VALIDATION = 256  # windows
LAGS = 64  # of the autocovariance: the longest window


def train_classical(problem: Problem, folder: Path, report: Report = lambda row: None) -> ClassicalPrior:
    """Trains on what `problem` simulates; writes the prior to `folder`/prior."""
    generator = torch.Generator().manual_seed(0)
    x = problem.trajectories(*problem.pool, generator)
    mean, std = x.mean((0, 1, 3, 4)), x.std((0, 1, 3, 4))
    z = (x - mean[:, None, None]) / std[:, None, None]
    architecture: dict[str, object] = {
        "latent_shape": problem.shape,
        "width": problem.width,
        "blocks": problem.blocks,
        "kernel": problem.kernel,
    }
    prior = ClassicalPrior(
        problem.spacing, mean, std, stationary.autocovariance(z, LAGS), build(architecture), architecture
    )
    climatology = prior.climatology(problem.window)
    z = z.float()
    validation = _windows(z[:: max(1, len(z) // 64)], problem.window, VALIDATION, generator)
    low, high = torch.tensor(problem.sigma).log().tolist()

    done = problem.half_steps

    def tick(step: int) -> None:
        nonlocal done
        done = step

    def loss_of(module: nn.Module, generator: torch.Generator) -> Tensor:
        clean = _windows(z, problem.window, problem.batch, generator)
        sigma = torch.empty(problem.batch).uniform_(low, high, generator=generator).exp()
        with torch.autocast("cpu", torch.bfloat16, enabled=done < problem.half_steps):
            return _loss(module, clean, sigma, generator, climatology).mean()

    def validate(module: nn.Module) -> dict[str, float]:
        own = torch.Generator().manual_seed(1)
        levels = torch.linspace(low, high, 7).exp()
        scores = {
            f"sigma {s:.2g}": float(
                _loss(module, validation, s.expand(len(validation)), own, climatology).mean()
            )
            for s in levels
        }
        return {"loss": sum(scores.values()) / len(scores), **scores}

    best = train(
        prior.denoiser(problem.window),
        loss_of,
        validate,
        folder,
        steps=problem.steps,
        learning_rate=problem.learning_rate,
        weight_decay=0.01,
        ema=0.999,
        report=report,
        tick=tick,
    )
    prior.network.load_state_dict(best.network.state_dict())  # type: ignore[union-attr]
    save(prior, folder / "prior")
    return dataclasses.replace(prior, network=prior.network.eval().requires_grad_(False))


def _windows(z: Tensor, window: int, number: int, generator: torch.Generator) -> Tensor:
    """Windows (number, L, K, h, w) from anywhere in trajectories (N, S, K, h, w), and shifted."""
    rows = torch.randint(len(z), (number, 1), generator=generator)
    first = torch.randint(z.shape[1] - window + 1, (number, 1), generator=generator)
    out = z[rows, first + torch.arange(window)]
    shift = int(torch.randint(z.shape[-1], (), generator=generator))
    return out.roll(shift, dims=-1)


def _loss(
    module: nn.Module, clean: Tensor, sigma: Tensor, generator: torch.Generator, climatology: Climatology
) -> Tensor:
    """Per window (N,), in units of what the Gaussian denoiser of the Climatology would expect."""
    assert isinstance(module, Denoiser)  # noqa: S101, for the type checker
    noise = torch.randn(clean.shape, generator=generator)
    season = torch.zeros(clean.shape[:2])
    denoised = module(clean + sigma[:, None, None, None, None] * noise, sigma, season)
    return relative_loss(denoised, clean, sigma, climatology)


if __name__ == "__main__":
    torch.set_num_threads(1)
    train_classical(
        PROBLEMS[sys.argv[1]],
        Path(sys.argv[2]),
        lambda row: print({k: round(v, 4) for k, v in row.items()}, flush=True),  # noqa: T201
    )
