"""One run in several processes: torchrun starts them, and each takes its share of every batch.

All draw the same batch from the same generator and take every n-th of it, so that a step is the same, to
rounding, however many share it, and whether at once (processes) or one after another (accumulation).
"""

import datetime
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

PATIENCE = datetime.timedelta(days=3)  # one process may prepare data while the others wait
T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """The processes of a run, seen from number `rank` of `world`."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    def first_then_others(self, work: Callable[[], T]) -> T:
        """Work of which the first leaves something behind that the others find."""
        if not self.first:
            self.wait()
        done = work()
        if self.first:
            self.wait()
        return done

    def wait(self) -> None:
        """For all others to come here."""
        if self.world > 1:
            dist.barrier()

    def mean(self, value: float, device: torch.device) -> float:
        """Of all processes."""
        total = torch.tensor(value, dtype=torch.float64, device=device)
        self.total([total])
        return float(total) / self.world

    def total(self, tensors: list[Tensor]) -> None:
        """Gives them the sums over all processes."""
        if self.world > 1:
            for tensor in tensors:
                dist.all_reduce(tensor)

    def from_first(self, tensors: list[Tensor]) -> None:
        """Gives them the values that the first process has."""
        if self.world > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)


@dataclass(frozen=True)
class Share:
    """Part `index` of `of` equal parts of a batch."""

    index: int = 0
    of: int = 1

    def take(self, x: Tensor) -> Tensor:
        """Its rows of what was drawn for the whole batch."""
        return x[self.index :: self.of]


@contextmanager
def joined(device: str) -> Iterator[tuple[Processes, str]]:
    """The processes that torchrun started, if it did, and the device of this one."""
    if (world := int(os.environ.get("WORLD_SIZE", "1"))) == 1:
        yield Processes(), device
        return
    if device == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo", timeout=PATIENCE)
    try:
        yield Processes(dist.get_rank(), world), device
    finally:
        dist.destroy_process_group()
