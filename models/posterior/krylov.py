r"""The linear system of moment matching, A v = d with A = J V J^T + R, member by member.

Generalised conjugate residuals (Eisenstat, Elman & Schultz 1983; in exact arithmetic GMRES): each direction
costs one application of A, and v is the combination of all directions with the smallest whitened residual
|W (d - A v)|. The next direction is S^-1 times what is left, S being the Gaussian's bracket: where the prior
is its Climatology one direction is exact. The first may be the solution at the last noise level ("warm
start"): it is scaled to fit, so that a stale one does no harm. Not conjugate gradients: the Jacobian of a
learned denoiser is not symmetric, and they blow up.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.posterior.bracket import Bracket


@dataclass(frozen=True, eq=False)
class Solution:
    """v (N, p), V J^T v (N, size), and |W (d - A v)| / |W d| per member (N,)."""

    weights: Tensor
    correction: Tensor
    residual: Tensor


def solve(
    misfit: Tensor,
    pull: Callable[[Tensor], Tensor],
    push: Callable[[Tensor], Tensor],
    noise: Callable[[Tensor], Tensor],
    bracket: Bracket,
    iterations: int,
    start: Tensor | None = None,
    tolerance: float = 0.0,
) -> Solution:
    """Solves (J V J^T + R) v = d.

    Arguments:
        misfit: d, (N, p).
        pull: V J^T, (N, p) -> (N, size).
        push: J, (N, size) -> (N, p).
        noise: R, (N, p) -> (N, p).
        bracket: S, near A.
        iterations: directions besides `start`, each one `pull` and one `push`.
        start: a guess of v, (N, p); costs one more of each.
        tolerance: a member goes no further once its residual is so small.
    """
    target = bracket.whiten(misfit)
    size = target.norm(dim=-1).clamp_min(torch.finfo(target.dtype).tiny)
    left, directions, pulled, images = target, [], [], []
    shares = target.new_zeros(len(target), 0)
    going = torch.ones(len(target), dtype=torch.bool)
    for k in range(iterations + (start is not None)):
        v = start if k == 0 and start is not None else bracket.unwhiten(left)
        directions.append(v)
        pulled.append(pull(v))
        images.append(bracket.whiten(push(pulled[-1]) + noise(v)))
        share = _least_squares(torch.stack(images, dim=-1), target)
        shares = torch.where(going[:, None], share, torch.nn.functional.pad(shares, (0, 1)))
        left = target - torch.einsum("nk,knp->np", shares, torch.stack(images))
        going = left.norm(dim=-1) > tolerance * size
        if not going.any():
            break
    return Solution(
        torch.einsum("nk,knp->np", shares, torch.stack(directions)),
        torch.einsum("nk,knd->nd", shares, torch.stack(pulled)),
        left.norm(dim=-1) / size,
    )


def _least_squares(columns: Tensor, target: Tensor) -> Tensor:
    """x (N, k) with least |columns x - target|, for columns (N, p, k) that may depend on each other."""
    size = columns.norm(dim=1).clamp_min(torch.finfo(columns.dtype).tiny)
    scaled = columns / size[:, None]
    gram, right = scaled.mT @ scaled, (scaled.mT @ target[..., None])[..., 0]
    return (torch.linalg.pinv(gram.double(), hermitian=True, rtol=1e-10) @ right[..., None].double())[
        ..., 0
    ].to(size) / size
