"""Trains the prior of a classical problem on simulations: python -m models.training.classical NAME RUN.

Data are unlimited: a pool of trajectories is simulated, windows are drawn from it anywhere, and shifted round
the circle. The training resumes (see `models.training.loop`).
"""

import dataclasses
import math
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from models.classical import stationary, torus
from models.classical.prior import HALF, ClassicalPrior, build, load, save
from models.classical.problem import PROBLEMS, Problem
from models.prior.climatology import Climatology
from models.prior.convolution import ConvolutionalNetwork
from models.prior.denoiser import Denoiser, relative_loss
from models.prior.parameter import WithParameter
from models.prior.parameter_unet import ParameterRemainderDenoiser
from models.training.loop import Report, train

VALIDATION = 256  # windows
VALUES = 2**20  # in them, at most
PARAMETER_WEIGHT = 0.2  # of the loss of a parameter beside that of all the states
NEAR = 0.1  # noise level below which a denoiser does not depend on how often what is near occurs
CROWD = 16  # windows of which the rarest is taken
BRIEF = 0.25  # of the batches, windows of which are shorter (`Problem.brief`)
FADE = 2.0  # states over which the weight of the last ones falls by a factor of e
LAGS = 64  # of the autocovariance: the longest window, at the longest time step


def train_classical(problem: Problem, folder: Path, report: Report = lambda row: None) -> ClassicalPrior:
    """Trains on what `problem` simulates; writes the prior to `folder`/prior."""
    generator = torch.Generator().manual_seed(0)
    x = _pool(problem, folder, generator)
    mean = x.mean((0, 1, 3, 4)) if problem.mean is None else problem.mean(x)
    std = (x - mean.to(x).reshape(len(mean), -1, 1)).square().mean((0, 1, 3, 4)).sqrt().double()
    if problem.amplitude:
        std[-1] /= problem.amplitude
    z = (x - mean.to(x).reshape(len(mean), -1, 1)) / std.to(x)[:, None, None]
    if problem.wave:
        states = z[:, :, :-1] if problem.amplitude else z
        autocovariance = torus.autocovariance(states, 2 * problem.window - 1)
    else:
        autocovariance = stationary.autocovariance(z, LAGS << (problem.paces - 1))
    architecture = problem.architecture
    network = build(architecture)
    if problem.start:
        known = network.load_state_dict(load(problem.start).network.state_dict(), strict=False)
        assert not known.unexpected_keys  # noqa: S101, an entry of `PROBLEMS` that makes no sense
    prior = ClassicalPrior(problem.spacing, mean, std, autocovariance, network, architecture)
    gaussians = {
        (length, pace): prior.climatology(length, pace)
        for length in (problem.window, *problem.brief)
        for pace in range(problem.paces)
    }
    z = z.float()
    z, unseen = z[: len(z) - problem.held_out], z[-problem.held_out :]
    number = min(VALIDATION, VALUES // (problem.window * z[0, 0].numel()))
    validation = [
        _windows(unseen[:: max(1, len(unseen) // 64)], problem, number // problem.paces, generator, pace)
        for pace in range(problem.paces)
    ]
    low, high = torch.tensor(problem.sigma).log().tolist()

    done = problem.half_steps

    def tick(step: int) -> None:
        nonlocal done
        done = step

    def loss_of(module: nn.Module, generator: torch.Generator) -> Tensor:
        pace = int(torch.randint(problem.paces, (), generator=generator)) if problem.paces > 1 else 0
        clean = _windows(z, problem, problem.batch, generator, pace)
        sigma = torch.empty(problem.batch).uniform_(low, high, generator=generator).exp()
        if problem.rare is not None:
            half = problem.batch // 2
            clean[:half] = _rarest(z, problem, half, generator, pace)
            sigma[:half] = torch.empty(half).uniform_(low, math.log(NEAR), generator=generator).exp()
        length = _length(problem, generator)
        if length < problem.window:
            module, clean = _of_length(prior, module, length, pace), clean[:, -length:]
        with torch.autocast("cpu", torch.bfloat16, enabled=HALF and done < problem.half_steps):
            return _loss(module, clean, sigma, generator, gaussians[length, pace], pace, problem.last).mean()

    def validate(module: nn.Module) -> dict[str, float]:
        own, scores = torch.Generator().manual_seed(1), {}
        for pace, clean in enumerate(validation):
            for s in torch.linspace(low, high, 7).exp():
                loss = _loss(module, clean, s.expand(len(clean)), own, gaussians[problem.window, pace], pace)
                scores[f"sigma {s:.2g}" + (f", pace {pace}" if pace else "")] = float(loss.mean())
        return {"loss": sum(scores.values()) / len(scores), **scores}

    best = train(
        prior.denoiser(problem.window),
        loss_of,
        validate,
        folder,
        every=problem.every,
        steps=problem.steps,
        learning_rate=problem.learning_rate,
        weight_decay=0.01,
        ema=0.999,
        report=report,
        tick=tick,
    )
    prior.network.load_state_dict(best.network.state_dict())  # type: ignore[union-attr]
    large = problem.wave > 0  # half precision costs a U-Net nothing
    save(prior, folder / "prior", torch.float16 if large else torch.float32)
    return dataclasses.replace(prior, network=prior.network.eval().requires_grad_(False))


def _pool(problem: Problem, folder: Path, generator: torch.Generator) -> Tensor:
    """Trajectories (N, S, K, h, w), simulated once and kept with the run."""
    path = folder / "pool.pt"
    if path.exists():
        kept = torch.load(path, weights_only=True)
        generator.set_state(kept["generator"])
        return kept["pool"]
    pool = problem.trajectories(*problem.pool, generator)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"pool": pool, "generator": generator.get_state()}, path)
    return pool


def _windows(z: Tensor, problem: Problem, number: int, generator: torch.Generator, pace: int = 0) -> Tensor:
    """Windows (number, L, K, h, w) from anywhere in trajectories (N, S, K, h, w), and shifted."""
    states = torch.arange(problem.window) << pace
    rows = torch.randint(len(z), (number, 1), generator=generator)
    first = torch.randint(z.shape[1] - int(states[-1]), (number, 1), generator=generator)
    out = z[rows, first + states]
    shift = int(torch.randint(z.shape[-1], (), generator=generator))
    out = out.roll(shift, dims=-1)
    return out if problem.vary is None else problem.vary(out, generator)


def _rarest(z: Tensor, problem: Problem, number: int, generator: torch.Generator, pace: int) -> Tensor:
    """Windows (number, L, K, h, w), each the rarest of `CROWD`."""
    assert problem.rare is not None  # noqa: S101, for the type checker
    crowd = _windows(z, problem, CROWD * number, generator, pace).unflatten(0, (CROWD, number))
    return crowd[problem.rare(crowd).argmax(0), torch.arange(number)]


def _length(problem: Problem, generator: torch.Generator) -> int:
    """States of the windows of a batch."""
    if not problem.brief or torch.rand((), generator=generator) > BRIEF:
        return problem.window
    return problem.brief[int(torch.randint(len(problem.brief), (), generator=generator))]


def _of_length(prior: ClassicalPrior, module: nn.Module, length: int, pace: int) -> Denoiser:
    """The denoiser, by the same weights, of windows of so many states."""
    assert isinstance(module, Denoiser)  # noqa: S101, for the type checker
    return dataclasses.replace(prior, network=module.network).denoiser(length, pace)  # type: ignore[arg-type]


def _loss(
    module: nn.Module,
    clean: Tensor,
    sigma: Tensor,
    generator: torch.Generator,
    climatology: Climatology,
    pace: int = 0,
    last: float = 0.0,
) -> Tensor:
    """Per window (N,), in units of what the Gaussian denoiser of the Climatology would expect.

    `last`: how much more the last state counts than those far from it (`Problem.last`).
    """
    assert isinstance(module, Denoiser)  # noqa: S101, for the type checker
    if isinstance(module.network, ConvolutionalNetwork):
        module.network.pace = pace
    noise = torch.randn(clean.shape, generator=generator)
    season = torch.zeros(clean.shape[:2])
    denoised = module(clean + sigma[:, None, None, None, None] * noise, sigma, season)
    states = torch.arange(clean.shape[1])
    weight = 1 + last * torch.exp((states - states[-1]) / FADE)
    error = (denoised - clean) * weight.sqrt()[:, None, None, None]
    if isinstance(module, ParameterRemainderDenoiser):
        loss = relative_loss(error[:, :, :-1], sigma, module.climatology)
    else:
        loss = relative_loss(error, sigma, climatology)
    if isinstance(module, WithParameter):
        loss = loss + PARAMETER_WEIGHT * module.parameter_loss(denoised, clean, sigma)
    return loss


if __name__ == "__main__":
    torch.set_num_threads(1)
    train_classical(
        PROBLEMS[sys.argv[1]],
        Path(sys.argv[2]),
        lambda row: print({k: round(v, 4) for k, v in row.items()}, flush=True),  # noqa: T201
    )
