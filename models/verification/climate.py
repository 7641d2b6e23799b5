"""What weather looks like on average: spectra along latitude circles, memory, and the tracks of storms."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def zonal_spectrum(fields: ArrayLike, latitude: ArrayLike) -> Array:
    """Variance per zonal wavenumber between 20 and 70 degrees, both hemispheres, by area: (..., W/2 + 1).

    Arguments:
        fields: anomalies, (..., H, W).
        latitude: degrees, (H,).
    """
    x, phi = np.asarray(fields, dtype=np.float64), np.asarray(latitude, dtype=np.float64)
    rows = (np.abs(phi) > 20) & (np.abs(phi) < 70)
    power = np.abs(np.fft.rfft(x[..., rows, :], axis=-1) / x.shape[-1]) ** 2
    power[..., 1:] *= 2
    if x.shape[-1] % 2 == 0:
        power[..., -1] /= 2
    weight = np.cos(np.deg2rad(phi[rows]))
    return np.asarray((power * weight[:, None]).sum(-2) / weight.sum())


def lag_correlations(anomalies: ArrayLike, weights: ArrayLike) -> Array:
    """Correlation of states with the first, over trajectories and area: (T,).

    Arguments:
        anomalies: trajectories, (N, T, H, W).
        weights: cell areas, (H, 1).
    """
    x = np.asarray(anomalies, dtype=np.float64) * np.sqrt(np.asarray(weights))
    own = np.sqrt((x**2).sum((0, 2, 3)))
    return np.asarray((x * x[:, :1]).sum((0, 2, 3)) / (own * own[0]))


def storm_tracks(fields: ArrayLike) -> Array:
    """Standard deviation of the change in a day, (H, W): a filter for weather systems (Wallace et al. 1988).

    Arguments:
        fields: states a day apart, two at a time, (N, 2, H, W).
    """
    x = np.asarray(fields, dtype=np.float64)
    return np.asarray((x[:, 1] - x[:, 0]).std(axis=0))
