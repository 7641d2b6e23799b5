"""Training can be killed and goes on as if it had not been."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from models.training.loop import train


def regression(folder: Path, steps: int, stop_after: int | None = None) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nn.Linear(3, 1)
    truth = torch.tensor([1.0, -2.0, 0.5])

    def loss_of(module: nn.Module, generator: torch.Generator) -> Tensor:
        x = torch.randn(16, 3, generator=generator)
        return (module(x)[:, 0] - x @ truth).square().mean()

    def validate(module: nn.Module) -> dict[str, float]:
        return {"loss": float((module.weight[0] - truth).square().sum())}  # type: ignore[operator, index]

    def tick(step: int) -> None:
        if step == stop_after:
            raise KeyboardInterrupt

    return train(
        module, loss_of, validate, folder, steps=steps, learning_rate=0.1, ema=0.9, every=10, tick=tick
    )


def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    whole = regression(tmp_path / "whole", 60)
    with pytest.raises(KeyboardInterrupt):
        regression(tmp_path / "broken", 60, stop_after=37)
    resumed = regression(tmp_path / "broken", 60)
    assert torch.equal(whole.weight, resumed.weight)  # type: ignore[arg-type]
    logs = [(tmp_path / name / "log.jsonl").read_text().count("\n") for name in ("whole", "broken")]
    assert logs == [6, 6]


def test_it_learns(tmp_path: Path) -> None:
    module = regression(tmp_path, 200)
    assert torch.allclose(module.weight[0], torch.tensor([1.0, -2.0, 0.5]), atol=0.02)  # type: ignore[index]


def test_a_diverging_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match="learning rate"):
        train(
            nn.Linear(1, 1),
            lambda module, generator: sum(p.sum() for p in module.parameters()) * torch.nan,
            lambda module: {"loss": 0.0},
            tmp_path,
            steps=3,
            learning_rate=1.0,
            every=3,
        )
