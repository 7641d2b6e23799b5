"""A training loop that can be killed at any moment and goes on where it was.

A checkpoint holds everything that decides the next step: weights, their moving average, optimiser, the step
and the generator that draws batches and noise. It is written aside and renamed, so it is never half.
"""

import json
import math
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor, nn

Report = Callable[[dict[str, float]], None]


def train(
    module: nn.Module,
    loss_of: Callable[[nn.Module, torch.Generator], Tensor],
    validate: Callable[[nn.Module], dict[str, float]],
    folder: Path,
    *,
    steps: int,
    learning_rate: float,
    weight_decay: float = 0.0,
    ema: float = 0.0,
    seed: int = 0,
    every: int = 250,
    report: Report = lambda row: None,
    tick: Callable[[int], None] = lambda step: None,
) -> nn.Module:
    """Minimises `loss_of(module, generator)` with AdamW, linear warm-up and cosine decay.

    Arguments:
        validate: scores of the averaged module; the average with the lowest `loss` is kept.
        folder: where `checkpoint.pt` and `log.jsonl` go; an existing checkpoint is resumed.
        ema: decay of the moving average of the weights (its start is shortened); 0 keeps the last weights.
        every: steps between validations and checkpoints.
        report: called with each row of the log.
        tick: called with the number of steps done, after each.

    Returns:
        The best averaged module, in evaluation mode.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    average, best, best_loss = deepcopy(module).eval(), deepcopy(module.state_dict()), math.inf
    optimiser = torch.optim.AdamW(module.parameters(), lr=learning_rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda i: _rate(i, steps))
    start, path = 0, folder / "checkpoint.pt"
    if path.exists():
        state = torch.load(path, weights_only=True)
        module.load_state_dict(state["module"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        generator.set_state(state["generator"])
        start, best, best_loss = state["step"], state["best"], state["best_loss"]
    total, count, clock = 0.0, 0, time.monotonic()
    for step in range(start, steps):
        module.train()
        loss = loss_of(module, generator)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        _average(average, module, min(ema, (1 + step) / (10 + step)) if ema else 0.0)
        total, count = total + loss.item(), count + 1
        tick(step + 1)
        if (step + 1) % every == 0 or step + 1 == steps:
            with torch.no_grad():
                scores = validate(average)
            row = {"step": step + 1, "train": total / count, **scores, "seconds": time.monotonic() - clock}
            if not math.isfinite(row["train"]):
                raise FloatingPointError(
                    f"the loss is {row['train']} at step {step + 1}: lower the learning rate"
                )
            if scores["loss"] < best_loss:
                best, best_loss = deepcopy(average.state_dict()), scores["loss"]
            _save(
                path,
                module=module.state_dict(),
                average=average.state_dict(),
                optimiser=optimiser.state_dict(),
                schedule=schedule.state_dict(),
                generator=generator.get_state(),
                step=step + 1,
                best=best,
                best_loss=best_loss,
            )
            with (folder / "log.jsonl").open("a") as log:
                log.write(json.dumps(row) + "\n")
            report(row)
            total, count, clock = 0.0, 0, time.monotonic()
    average.load_state_dict(best)
    return average


def _rate(step: int, steps: int) -> float:
    warm = max(1, min(200, steps // 20))
    return min(1.0, (step + 1) / warm) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))


def _average(average: nn.Module, module: nn.Module, decay: float) -> None:
    with torch.no_grad():
        for a, b in zip(average.parameters(), module.parameters(), strict=True):
            a.lerp_(b, 1 - decay)


def _save(path: Path, **state: object) -> None:
    aside = path.with_suffix(".tmp")
    torch.save(state, aside)
    aside.replace(path)
