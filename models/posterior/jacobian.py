"""Products with the Jacobian of a function at one point, both ways, from one linearisation.

The transposed product J^T w is reverse differentiation; it is linear in w, so differentiating it again, with
respect to w, gives J u. Forward differentiation would be more direct, but fused attention has none, while
reverse differentiation goes through everything a network is made of.
"""

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor


class Jacobian:
    """J of `function` at x (N, ...), row by row: `function` must not mix the rows.

    Attributes:
        value: function(x).
    """

    def __init__(self, function: Callable[[Tensor], Tensor], x: Tensor) -> None:
        with torch.enable_grad():
            self._x = x.detach().requires_grad_()
            self._y = function(self._x)
        self.value = self._y.detach()

    @cached_property
    def _transposed(self) -> tuple[Tensor, Tensor]:
        """Some w, and J^T w as a function of it."""
        with torch.enable_grad():
            w = torch.zeros_like(self.value, requires_grad=True)
            return w, torch.autograd.grad(self._y, self._x, w, create_graph=True)[0]

    def push(self, u: Tensor) -> Tensor:
        """J u, for u like x."""
        w, back = self._transposed
        return torch.autograd.grad(back, w, u.to(back), retain_graph=True)[0]

    def pull(self, w: Tensor) -> Tensor:
        """J^T w, for w like function(x)."""
        return torch.autograd.grad(self._y, self._x, w.to(self._y), retain_graph=True)[0]
