"""The losses of a run as a picture."""

import json
from pathlib import Path


def plot_losses(run: Path) -> Path | None:
    """Draws training and validation losses of every stage in `run` to losses.png.

    Returns:
        The picture's path; None where matplotlib is not installed (extra `train`) or nothing is logged yet.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return None
    logs = {p.parent.name: p.read_text().splitlines() for p in sorted(run.glob("*/log.jsonl"))}
    if not logs:
        return None
    figure = Figure(figsize=(5 * len(logs), 3.5), layout="constrained")
    for axes, (stage, lines) in zip(
        figure.subplots(1, len(logs), squeeze=False)[0], logs.items(), strict=True
    ):
        rows = [json.loads(line) for line in lines]
        steps = [row["step"] for row in rows]
        for name in [key for key in rows[0] if key not in ("step", "seconds")]:
            thin = name not in ("train", "loss")
            axes.plot(
                steps,
                [row[name] for row in rows],
                label=name,
                lw=0.8 if thin else 2,
                alpha=0.6 if thin else 1,
            )
        axes.set(title=stage, xlabel="step", ylabel="loss", yscale="log")
        axes.legend(fontsize=7)
    path = run / "losses.png"
    figure.savefig(path, dpi=110)
    return path
