"""A training loop that can be killed at any moment and goes on where it was.

Batch and noise of a step are drawn from a generator of its own, and a checkpoint holds all else that decides
the next: weights, their moving average, optimiser and step. Several processes may share each batch, and each
may take its share in parts: see `models.training.processes`.
"""

import json
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from models.training.accelerator import Machine
from models.training.ahead import ahead
from models.training.processes import Share
from models.whole_files import written_whole

Report = Callable[[dict[str, float]], None]


def train(
    module: nn.Module,
    loss_of: Callable[[nn.Module, Any], Tensor],
    validate: Callable[[nn.Module], dict[str, float]],
    folder: Path,
    *,
    steps: int,
    learning_rate: float,
    weight_decay: float = 0.0,
    ema: float = 0.0,
    muon: bool = False,
    seed: int = 0,
    every: int = 250,
    batch_of: Callable[[torch.Generator, Share], Any] = lambda generator, share: generator,
    machine: Machine = Machine(),  # noqa: B008, for it cannot be changed
    report: Report = lambda row: None,
    tick: Callable[[int], None] = lambda step: None,
) -> nn.Module:
    """Minimises `loss_of(module, batch)` with linear warm-up and cosine decay.

    Arguments:
        validate: scores of the averaged module; the average with the lowest `loss` is kept.
        folder: where `checkpoint.pt` and `log.jsonl` go; an existing checkpoint is resumed.
        ema: decay of the moving average of the weights (its start is shortened); 0 keeps the last weights.
        muon: see `optimisers_of`.
        every: steps between validations and checkpoints.
        batch_of: draws a step's batch from the generator, and loads the share of it that is asked for; in a
            thread, a share ahead. Without it the batch is the generator, and one process takes it whole.
        report: called with each row of the log.
        tick: called with the number of steps done, after each.

    Returns:
        The best averaged module, in evaluation mode.
    """
    folder.mkdir(parents=True, exist_ok=True)
    first, shares = machine.processes.first, machine.shares
    machine.processes.from_first(list(module.state_dict().values()))
    loss_module = parallel = _Loss(module, loss_of)
    if machine.processes.world > 1:
        parallel = DistributedDataParallel(loss_module, forward_sync_buffers=False)  # type: ignore[assignment]
    average, best, best_loss = deepcopy(module).eval(), deepcopy(module.state_dict()), math.inf
    optimisers = optimisers_of(module, learning_rate, weight_decay, muon=muon)
    schedules = [torch.optim.lr_scheduler.LambdaLR(o, lambda i: _rate(i, steps)) for o in optimisers]
    start, path = 0, folder / "checkpoint.pt"
    if path.exists():
        state = torch.load(path, map_location="cpu", weights_only=True)
        module.load_state_dict(state["module"])
        average.load_state_dict(state["average"])
        if len(optimisers) != len(state["optimisers"]):
            raise ValueError(f"{path}: from a run with other optimisers (muon): give another --out")
        for optimiser, kept in zip(optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(kept)
        for schedule, kept in zip(schedules, state["schedules"], strict=True):
            schedule.load_state_dict(kept)
        start, best, best_loss = state["step"], state["best"], state["best_loss"]
    total, count, clock = 0.0, 0, time.monotonic()
    batches = ahead(
        lambda at: batch_of(_generator(seed, at[0]), at[1]),
        ((step, share) for step in range(start, steps) for share in shares),
    )
    for step in range(start, steps):
        module.train()
        module.zero_grad()
        for share in shares:
            whole = share is shares[-1] or parallel is loss_module
            with nullcontext() if whole else parallel.no_sync():  # type: ignore[operator]
                loss = parallel(next(batches)) / len(shares)
                loss.backward()
            total += loss.item()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        for optimiser, schedule in zip(optimisers, schedules, strict=True):
            optimiser.step()
            schedule.step()
        _average(average, module, min(ema, (1 + step) / (10 + step)) if ema else 0.0)
        count += 1
        tick(step + 1)
        if (step + 1) % every == 0 or step + 1 == steps:
            mean = machine.processes.mean(total / count, loss.device)
            if not math.isfinite(mean):
                raise FloatingPointError(f"the loss is {mean} at step {step + 1}: lower the learning rate")
            if first:
                with torch.no_grad():
                    scores = validate(average)
                row = {"step": step + 1, "train": mean, **scores, "seconds": time.monotonic() - clock}
                if scores["loss"] < best_loss:
                    best, best_loss = deepcopy(average.state_dict()), scores["loss"]
                state = {
                    "module": module.state_dict(),
                    "average": average.state_dict(),
                    "optimisers": [o.state_dict() for o in optimisers],
                    "schedules": [s.state_dict() for s in schedules],
                    "step": step + 1,
                    "best": best,
                    "best_loss": best_loss,
                }
                with written_whole(path) as aside:
                    torch.save(state, aside)
                with (folder / "log.jsonl").open("a") as log:
                    log.write(json.dumps(row) + "\n")
                report(row)
            total, count, clock = 0.0, 0, time.monotonic()
    average.load_state_dict(best)
    machine.processes.from_first(list(average.state_dict().values()))
    return average


def optimisers_of(
    module: nn.Module, learning_rate: float, weight_decay: float, *, muon: bool
) -> list[torch.optim.Optimizer]:
    """AdamW; with `muon`, for what is no matrix only, and Muon for matrices (Jordan et al. 2024).

    Steps of Muon are scaled to the size of AdamW's (Liu et al. 2025), so that one learning rate serves both.
    """
    weights = list(module.parameters())
    if not muon:
        return [torch.optim.AdamW(weights, lr=learning_rate, weight_decay=weight_decay)]
    matrices, others = [w for w in weights if w.ndim == 2], [w for w in weights if w.ndim != 2]
    return [
        torch.optim.Muon(
            matrices, lr=learning_rate, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
        ),
        torch.optim.AdamW(others, lr=learning_rate, weight_decay=0.0),
    ]


class _Loss(nn.Module):
    """A loss as a module, for what computes it in parallel wants to call one."""

    def __init__(self, module: nn.Module, loss_of: Callable[[nn.Module, Any], Tensor]) -> None:
        super().__init__()
        self.module = module
        self.loss_of = loss_of

    def forward(self, batch: Any) -> Tensor:
        return self.loss_of(self.module, batch)


def _generator(seed: int, step: int) -> torch.Generator:
    """Of all that is drawn for a step."""
    return torch.Generator().manual_seed(seed * 2**32 + step)


def _rate(step: int, steps: int) -> float:
    warm = max(1, min(200, steps // 20))
    return min(1.0, (step + 1) / warm) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))


def _average(average: nn.Module, module: nn.Module, decay: float) -> None:
    with torch.no_grad():
        for a, b in zip(average.parameters(), module.parameters(), strict=True):
            a.lerp_(b, 1 - decay)
