"""Receipts for the page: what became of each observation, column by column, small enough to draw at once."""

from typing import Any

import numpy as np
import pandas as pd

from models.observations.flags import Flag
from models.observations.variables import channel_names

WORDS = {
    Flag.PASS: "used",
    Flag.PASSIVE: "compared only",
    Flag.MISSING: "value missing",
    Flag.PREQC: "rejected by the provider",
    Flag.BOUNDS: "impossible value",
    Flag.DOMAIN: "outside the region or period",
    Flag.EXCLUDED: "not used by this prior",
    Flag.HX_FAILED: "no model equivalent",
    Flag.THINNED: "thinned out",
    Flag.FIRST_GUESS: "too far from the first guess",
    Flag.TRACK: "implausible track",
    Flag.BUDDY: "disagrees with its neighbours",
    Flag.DUPLICATE: "duplicate",
}
"""Each flag in plain words."""

COLUMNS = (
    "station_id",
    "kind",
    "latitude",
    "longitude",
    "elevation",
    "time",
    "channel",
    "value",
    "error",
    "use",
    "qc",
    "reason",
    "o_minus_b",
    "o_minus_a",
    "spread",
    "rank",
)
"""Columns of the page's observations; SI units, times as ISO 8601 in UTC, unknown numbers null."""


def page_observations(receipts: pd.DataFrame, limit: int = 20_000) -> dict[str, Any]:
    """The receipts as {"columns": {name: [...]}, "counts": [...], "flags": {"12": words}, "total", "shown"}.

    `counts` has {"qc", "use", "count"} of all rows. The columns leave out what has no place on a map: rows
    without a position and rows outside region or period; of more than `limit`, the rejected stay out, then
    every k-th row.
    """
    tally = (
        receipts.groupby(["qc", "use"]).size().reset_index(name="count").sort_values("count", ascending=False)
    )
    rows = receipts[
        receipts["latitude"].notna() & receipts["longitude"].notna() & (receipts["qc"] != Flag.DOMAIN)
    ]
    if len(rows) > limit:
        rows = rows[rows["qc"].isin([Flag.PASS, Flag.PASSIVE])]
        rows = rows.iloc[:: max(1, -(-len(rows) // limit))]
    if "channel" not in rows:
        rows = rows.assign(channel=channel_names(rows))
    columns = {name: _plain(rows[name]) if name in rows else [None] * len(rows) for name in COLUMNS}
    return {
        "columns": columns,
        "counts": tally.sort_values("count", ascending=False).to_dict("records"),
        "flags": {str(int(flag)): word for flag, word in WORDS.items()},
        "total": len(receipts),
        "shown": len(rows),
    }


def _plain(column: pd.Series) -> list[Any]:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return [None if pd.isna(t) else t.strftime("%Y-%m-%dT%H:%M:%SZ") for t in column]
    if pd.api.types.is_float_dtype(column.dtype):
        return [None if not np.isfinite(x) else float(f"{x:.6g}") for x in column]
    return column.where(column.notna(), None).tolist()
