"""A picture of `serein score cost`: CRPS over that of our best, against cost, every setting a dot."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

LOOKS = {"ours": ("Serein", "C0", "o"), "azula": ("azula, MMPS", "C1", "s"), "sda": ("SDA", "C2", "^")}
AXES = {"cost": "network evaluations per member (forward + 2 vjp)", "seconds": "seconds per member, one core"}

HIGHEST = 4.0  # what is worse is not drawn


def draw(board: dict[str, Any], path: Path) -> None:
    """Writes the picture, in the format of the suffix: a row of panels per problem, fronts as lines.

    Raises:
        ModuleNotFoundError: matplotlib is not installed (extra `train`).
    """
    from matplotlib.figure import Figure

    problems = board["detail"]["problems"]
    figure = Figure(figsize=(11, 4 * len(problems)), layout="constrained")
    panels = figure.subplots(len(problems), len(AXES), squeeze=False, sharey="row")
    for row, (name, found) in zip(panels, problems.items(), strict=True):
        points = [p for p in found["points"] if p["crps"] is not None]
        best = min(p["crps"] for p in points if p["family"] == "ours")
        for panel, (key, label) in zip(row, AXES.items(), strict=True):
            for family, (title, colour, marker) in LOOKS.items():
                own = [(p[key], p["crps"] / best) for p in points if p["family"] == family]
                if own:
                    panel.scatter(*zip(*own, strict=True), c=colour, marker=marker, s=22, label=title)
                    panel.step(*zip(*front(own), strict=True), c=colour, where="post", lw=1)
            panel.set(xscale="log", yscale="log", xlabel=label, title=name)
            panel.grid(alpha=0.3, which="both")
        row[0].set(ylabel="CRPS / our best", ylim=(0.9 * min(p["crps"] for p in points) / best, HIGHEST))
        row[0].legend()
    figure.savefig(path, dpi=120)


def front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those (cost, score) that nothing cheaper equals, cheapest first."""
    out: list[tuple[float, float]] = []
    for point in sorted(points):
        if not out or point[1] < out[-1][1]:
            out.append(point)
    return out
