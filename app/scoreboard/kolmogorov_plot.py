"""A picture of Kolmogorov flow: the truth, what was observed of it, and two members, as vorticity."""

from pathlib import Path

import numpy as np

from app.scoreboard.kolmogorov import Picture

LIMIT = 10.0  # of vorticity in colours


def draw(pictures: list[Picture], path: Path) -> None:
    """One block of rows per experiment; a column per observed state, of eight at most.

    Raises:
        ModuleNotFoundError: matplotlib is not installed (extra `train`).
    """
    from matplotlib.figure import Figure

    columns = max(min(8, len(p.truth[:: p.every])) for p in pictures)
    figure = Figure(figsize=(1.5 * columns + 1, 6.2 * len(pictures)), layout="constrained")
    axes = np.atleast_2d(figure.subplots(4 * len(pictures), columns))
    for ax in axes.flat:
        ax.set_axis_off()
    for block, picture in enumerate(pictures):
        rows = axes[4 * block : 4 * block + 4]
        fields = [picture.truth, None, picture.members[0], picture.members[1]]
        for ax, field, name in zip(rows, fields, ("truth", "observed", "a member", "another"), strict=True):
            ax[0].set_title(f"{picture.experiment}: {name}", loc="left", fontsize=9)
            for column, t in enumerate(range(0, len(picture.truth), picture.every)):
                if column == columns:
                    break
                if field is not None:
                    ax[column].imshow(field[t], cmap="RdBu_r", vmin=-LIMIT, vmax=LIMIT, origin="lower")
                else:
                    side = observed(picture.values[column])
                    ax[column].imshow(side, cmap="viridis", origin="lower")
    figure.savefig(path, dpi=110)


def observed(values: np.ndarray) -> np.ndarray:
    """One state's observations as a square: of two components, the speed."""
    side = int(np.sqrt(values.size))
    if side * side == values.size:
        return values.reshape(side, side)
    side = int(np.sqrt(values.size // 2))
    return np.hypot(*values.reshape(2, side, side))
