"""How a step is computed, which does not change what it is: where, in what precision, in how many parts."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from models.training.processes import Processes, Share


@dataclass(frozen=True)
class Machine:
    """What a run has to run on.

    Attributes:
        device: of networks, such as "cuda"; there in bfloat16.
        bfloat16: so on a CPU as well, which pays where it has instructions for it.
        accumulate: parts in which each process takes its share of a batch, one after another.
        compile: whether blocks of networks are compiled; costs minutes at first.
        recompute: whether activations of blocks are computed again on the way back, not kept.
        processes: that share every batch.
    """

    device: str = "cpu"
    bfloat16: bool = False
    accumulate: int = 1
    compile: bool = False
    recompute: bool = False
    processes: Processes = field(default_factory=Processes)

    @property
    def shares(self) -> list[Share]:
        """Of a batch, those of this process."""
        of = self.processes.world * self.accumulate
        return [Share(self.processes.rank * self.accumulate + k, of) for k in range(self.accumulate)]

    def at_once(self, batch: int) -> int:
        """Samples of a batch that are computed at once.

        Raises:
            ValueError: a batch cannot be cut into equal parts.
        """
        parts = self.processes.world * self.accumulate
        if batch % parts:
            raise ValueError(
                f"a batch of {batch} cannot be cut into {parts} equal parts "
                f"({self.processes.world} processes, accumulating {self.accumulate})"
            )
        return batch // parts

    def ready(self, blocks: Sequence[nn.Module]) -> None:
        """Compiles blocks of a network, if asked to."""
        for block in blocks if self.compile else ():
            block.compile()


class Reduced(nn.Module):
    """A network evaluated in bfloat16 where `reduced` says so; what comes in and out is float32."""

    def __init__(self, network: nn.Module, bfloat16: bool = False) -> None:
        super().__init__()
        self.network = network
        self.on_cpu = bfloat16

    def forward(self, x: Tensor, log_sigma: Tensor, season: Tensor, *first: Tensor) -> Tensor:
        """As of the network."""
        with reduced(x.device, self.on_cpu):
            return self.network(x, log_sigma, season, *first).float()


def reduced(device: torch.device, bfloat16: bool = False) -> AbstractContextManager[None]:
    """A context in which matrices are multiplied in bfloat16 on an accelerator, and on a CPU if asked to."""
    wanted = device.type == "cuda" or (bfloat16 and device.type == "cpu")
    return torch.autocast(device.type, torch.bfloat16) if wanted else nullcontext()


def seeds(count: int, generator: torch.Generator) -> Tensor:
    """Of the noise of each sample, (count,) int64."""
    return torch.randint(2**62, (count,), generator=generator)


def normal(like: Tensor, seeds: list[int]) -> Tensor:
    """Standard normal numbers of that shape (n, ...) on that device; sample k's depend on seed k only."""
    out = torch.empty_like(like, dtype=torch.float32)
    for row, seed in zip(out, seeds, strict=True):
        row.normal_(generator=torch.Generator(like.device).manual_seed(seed))
    return out
