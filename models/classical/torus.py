r"""The Climatology of a stationary process on the torus that only knows how far apart things are.

As `models.classical.stationary`, in two directions: c(tau, k, l, d) = E[z_k(t, i) z_l(t + tau, i + d)] with
places i and distances d in both. Waves are the modes: for every wavenumber q the covariance of a window is a
Hermitian matrix (L K, L K),

    M(q)[(t, k), (s, l)] = sum_d c(s - t, k, l, d) exp(i q d),

and with its eigenvectors b the modes are the real and the imaginary part of b exp(i q x). Of these the
Climatology keeps the largest; what is left is its floor.
"""

import torch
from torch import Tensor

from models.prior.climatology import Climatology

LEAST = 1e-6  # variance of the floor
RANK = 768


def autocovariance(z: Tensor, lags: int, chunk: int = 8) -> Tensor:
    """c (lags, K, K, h, w), float64, of trajectories of standardised states (N, S, K, h, w), S >= lags."""
    number, states, _, height, width = z.shape
    out: Tensor | float = 0.0
    for part in z.split(chunk):
        spectrum = torch.fft.rfft2(part.double())
        out = out + torch.stack(
            [
                torch.einsum("nskfg,nslfg->klfg", spectrum[:, : states - tau].conj(), spectrum[:, tau:])
                / (number * (states - tau) * height * width)
                for tau in range(lags)
            ]
        )
    return torch.fft.irfft2(torch.as_tensor(out), s=(height, width))


def spectra(c: Tensor, window: int) -> Tensor:
    """M of all wavenumbers, (h, w, L K, L K), complex128, from c (lags, K, K, h, w), lags >= L."""
    lags, channels, _, height, width = c.shape
    if window > lags:
        raise ValueError(f"a window of {window} states needs covariances of as many lags; there are {lags}")
    ahead = torch.fft.fft2(c.double()).conj()
    time = torch.arange(window)
    tau = time[None, :] - time[:, None]  # s - t
    m = torch.where(tau[..., None, None, None, None] >= 0, ahead[tau.clamp_min(0)], 0)
    back = ahead[(-tau).clamp_min(0)].conj().transpose(2, 3)
    m = torch.where(tau[..., None, None, None, None] < 0, back, m)
    return m.permute(4, 5, 0, 2, 1, 3).reshape(height, width, window * channels, -1)


def climatology(c: Tensor, window: int, rank: int = RANK) -> Climatology:
    """N(0, C) over windows of L states (K, h, w), C of the largest modes; no mean, no shortest waves."""
    _, channels, _, height, width = c.shape
    half = [(ky, kx) for ky in range(height) for kx in range(width // 2) if _counted(ky, kx, height)]
    ky, kx = torch.tensor(half).T
    values, vectors = torch.linalg.eigh(spectra(c, window)[ky, kx])
    size, rank = window * channels * height * width, rank - rank % 2
    top = values.flatten().argsort(descending=True)[: rank // 2]
    which, mode = top // values.shape[1], top % values.shape[1]
    y, x = torch.arange(height).double(), torch.arange(width).double()
    rows = 2 * torch.pi / height * ky[which, None] * y
    columns = 2 * torch.pi / width * kx[which, None] * x
    wave = torch.polar(torch.ones(1, dtype=torch.float64), rows[:, :, None] + columns[:, None, :])
    wave = wave.to(torch.complex64) * (2 / (height * width)) ** 0.5
    modes = vectors[which, :, mode].to(torch.complex64)[:, :, None, None] * wave[:, None]
    out = Climatology(window, (channels, height, width), len(top) * 2)
    out.modes.copy_(torch.stack([modes.real, modes.imag], dim=1).reshape(-1, size))
    out.variances.copy_(values.flatten()[top].repeat_interleave(2))
    left = 2 * (values.sum() - values.flatten()[top].sum())
    out.floor.copy_((left / (size - 2 * len(top))).clamp_min(LEAST))
    return out


def _counted(ky: int, kx: int, height: int) -> bool:
    """Whether (ky, kx) stands for itself and its opposite."""
    return ky != height // 2 and (kx > 0 or 0 < ky < height // 2)
