"""What a computation would take, found by running it on tensors that have shapes but no values.

Operations and memory are counted as torch runs them eagerly: nothing is estimated from formulas, so what a
network really keeps, copies and computes again is in the count.
"""

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

ATEN = torch.ops.aten


@dataclass(frozen=True)
class Footprint:
    """Floating-point operations, and the most bytes that are held at once beside what was there before."""

    flop: int
    peak: int


class _Held(TorchDispatchMode):
    """Counts the bytes of all storages that operations make, until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.peak, self.sizes = 0, 0, dict[int, int]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        given = {t.untyped_storage()._cdata for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                key = storage._cdata
                if key not in self.sizes and key not in given:
                    self.sizes[key] = storage.nbytes()
                    self.now += storage.nbytes()
                    weakref.finalize(storage, self._let_go, key)
        self.peak = max(self.peak, self.now)
        return out

    def _let_go(self, key: int) -> None:
        self.now -= self.sizes.pop(key)


def _flash(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return sdpa_flop_count(query, key, value)


def _flash_backward(grad: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return sdpa_backward_flop_count(grad, query, key, value)


FLASH = {  # attention that never holds all its weights, as accelerators have it
    ATEN._scaled_dot_product_flash_attention_for_cpu: _flash,
    ATEN._scaled_dot_product_flash_attention_for_cpu_backward: _flash_backward,
}


def footprint(loss: Callable[[], Tensor]) -> Footprint:
    """Of a loss and its gradient, in bfloat16 where an accelerator is; to be called in fake mode."""
    counted, held = FlopCounterMode(display=False, custom_mapping=FLASH), _Held()
    for counter in (
        counted,
        held,
    ):  # one after the other, for the first keeps what the second would see let go
        with counter:
            with torch.autocast("cpu", torch.bfloat16):
                value = loss()
            value.backward()
    return Footprint(counted.get_total_flops(), held.peak)
