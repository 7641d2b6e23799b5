r"""The Climatology of a stationary process: a covariance that only knows how far apart things are.

For standardised states (K, 1, w) on the circle, c(tau, k, l, d) = E[z_k(t, i) z_l(t + tau, i + d)]. A window
of any length has the covariance C[(t, k, i), (s, l, j)] = c(s - t, k, l, j - i), where for tau < 0
c(tau, k, l, d) = c(-tau, l, k, -d). Estimated from simulations as long as one likes.
"""

import torch
from torch import Tensor

from models.prior.climatology import Climatology

LEAST = 1e-6  # variance; sampling error would leave some of the smallest negative


def autocovariance(z: Tensor, lags: int) -> Tensor:
    """c (lags, K, K, w), float64, of trajectories of standardised states (N, S, K, 1, w), S >= lags."""
    spectrum = torch.fft.rfft(z[:, :, :, 0].double(), dim=-1)
    width, states = z.shape[-1], z.shape[1]
    out = []
    for tau in range(lags):
        a, b = spectrum[:, : states - tau], spectrum[:, tau:]
        power = torch.einsum("nskf,nslf->klf", a.conj(), b) / (a.shape[0] * a.shape[1] * width)
        out.append(torch.fft.irfft(power, n=width, dim=-1))
    return torch.stack(out)


def covariance(c: Tensor, window: int) -> Tensor:
    """C of a window, (L K w, L K w), from c (lags, K, K, w), lags >= L."""
    lags, channels, _, width = c.shape
    if window > lags:
        raise ValueError(f"a window of {window} states needs covariances of as many lags; there are {lags}")
    backwards = torch.roll(c.flip(-1), 1, dims=-1).transpose(1, 2)
    both = torch.cat([backwards[1:window].flip(0), c[:window]])  # tau = 1 - L ... L - 1
    time, point = torch.arange(window), torch.arange(width)
    tau = time[None, :] - time[:, None] + window - 1  # (t, s)
    shift = (point[None, :] - point[:, None]) % width  # (i, j)
    full = both[tau][..., shift]  # (t, s, k, l, i, j)
    return full.permute(0, 2, 4, 1, 3, 5).reshape(window * channels * width, -1)


def climatology(c: Tensor, window: int) -> Climatology:
    """N(0, C) over windows of L states (K, 1, w)."""
    _, channels, _, width = c.shape
    values, vectors = torch.linalg.eigh(covariance(c, window))
    out = Climatology(window, (channels, 1, width), window * channels * width - 1)
    out.floor.copy_(values[0].clamp_min(LEAST))
    out.variances.copy_(values[1:].flip(0).clamp_min(LEAST))
    out.modes.copy_(vectors[:, 1:].flip(1).T)
    return out


def white(window: int, shape: tuple[int, int, int]) -> Climatology:
    """N(0, 1): with it the Climatology-preconditioned denoiser is EDM's, for unit variance."""
    return Climatology(window, shape, 0)
