"""Rank histograms as a picture."""

from pathlib import Path
from typing import Any

from scipy.stats import binom

BAND = 0.99


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """One row of histograms for each run, one column for each test function, with bands of chance of 99 %.

    Raises:
        ModuleNotFoundError: matplotlib is not installed (extra `train`).
    """
    from matplotlib.figure import Figure

    columns = max(len(row["functions"]) for row in rows)
    figure = Figure(figsize=(2.2 * columns, 1.9 * len(rows)), layout="constrained")
    for row, line in zip(rows, figure.subplots(len(rows), columns, squeeze=False), strict=True):
        for axes in line[len(row["functions"]) :]:
            axes.set_axis_off()
        for (name, found), axes in zip(row["functions"].items(), line, strict=False):
            bins, total = len(found["counts"]), sum(found["counts"])
            low, high = binom.interval(BAND, int(total), 1 / bins)
            axes.axhspan(low, high, color="0.88")
            axes.axhline(total / bins, color="0.5", lw=0.8)
            colour = "tab:red" if found["p"] * len(row["functions"]) <= 1 - BAND else "tab:blue"
            axes.bar(range(bins), found["counts"], width=0.9, color=colour)
            axes.set_title(f"{name}, p = {found['p']:.2g}", fontsize=8)
            axes.tick_params(labelsize=6)
            axes.set_xticks([])
        line[0].set_ylabel(f"{row['problem']}\n{row['preset']}\n{row['truth']}", fontsize=7)
    figure.savefig(path, dpi=110)
