"""The page of `serein score samples`: spectra, memory, and maps of samples beside those of the model."""

from pathlib import Path

import numpy as np

from app.scoreboard.samples import SHOWN, STEPS, Weather
from models.state.grid import Grid
from workers.products.coastlines import coastlines

MAPPED = {"z500": ("z500, gpm", 1 / 9.80665), "u510": ("wind to the east at 510 hPa, m/s", 1.0)}


def draw(found: dict[str, Weather], grid: Grid, path: Path) -> None:
    """PNG or SVG, by the name.

    Raises:
        ModuleNotFoundError: matplotlib is not installed (extra `train`).
    """
    from matplotlib.figure import Figure

    rows = 2 + 3 * len(MAPPED)
    figure = Figure(figsize=(15, 2.6 * rows), layout="constrained")
    axes = figure.subplots(rows, 4, squeeze=False)
    for column, name in enumerate(SHOWN):
        for source, weather in found.items():
            axes[0, column].loglog(weather.spectrum[name][1:22], label=source)
            hours = STEPS[0] * np.arange(len(weather.lags[name]))
            axes[1, column].plot(hours, weather.lags[name], label=source)
        axes[0, column].set(title=f"{name}: variance", xlabel="zonal wavenumber")
        axes[1, column].set(title=f"{name}: correlation with the first state", xlabel="hours")
    axes[0, 0].legend()
    row = 2
    for name, (title, unit) in MAPPED.items():
        for what in ("mean", "std", "storms"):
            _maps(axes[row], {s: unit * getattr(w, what)[name] for s, w in found.items()}, grid, what, title)
            row += 1
    figure.savefig(path, dpi=90)


TITLES = {"mean": "mean", "std": "departures from the season, std", "storms": "change in a day, std"}


def _maps(axes: np.ndarray, maps: dict[str, np.ndarray], grid: Grid, what: str, title: str) -> None:
    """Two maps side by side, each as wide as two columns, in the same colours."""
    low, high = min(m.min() for m in maps.values()), max(m.max() for m in maps.values())
    figure, spec = axes[0].figure, axes[0].get_gridspec()
    row = axes[0].get_subplotspec().rowspan.start
    for ax in axes:
        ax.remove()
    for k, (source, field) in enumerate(maps.items()):
        ax = figure.add_subplot(spec[row, 2 * k : 2 * k + 2])
        centred = np.roll(field, grid.shape[1] // 2, axis=1)
        extent = (-180, 180, -90, 90)
        image = ax.imshow(centred, extent=extent, aspect="auto", vmin=low, vmax=high, cmap="viridis")
        for line in coastlines(-180, -90, 180, 90):
            ax.plot(*np.asarray(line).T, color="white", linewidth=0.5)
        ax.set(xlim=(-180, 180), ylim=(-90, 90), title=f"{source}: {title}, {TITLES[what]}")
        figure.colorbar(image, ax=ax, shrink=0.9)
