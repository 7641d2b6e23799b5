"""A state as amplitudes of orthonormal modes of space, and what lies outside of them."""

from torch import Tensor


def parts(x: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Amplitudes, (..., r), and what is left, (..., n), of x (..., n) and directions (r, n)."""
    amplitudes = x @ directions.T
    return amplitudes, x - amplitudes @ directions


def joined(amplitudes: Tensor, rest: Tensor, directions: Tensor) -> Tensor:
    """The inverse, (..., n); of `rest`, what lies outside of the modes."""
    return rest + (amplitudes - rest @ directions.T) @ directions
