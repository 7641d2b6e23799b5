"""From a table of any shape to observations: what CSV, Parquet and JSON rows have in common.

Every cell that holds a value of a variable becomes one row, readable or not: an empty cell is no observation,
a cell that is not a number is a rejected one (flag PREQC) that says so.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from models.observations.flags import Flag
from models.observations.table import USES
from models.observations.variables import to_si
from workers.decoders.column_map import ColumnMap, Layout, layout
from workers.decoders.decoded import Decoded, MalformedBatch

_EMPTY = ("", "nan", "na", "n/a", "null", "none")
_TEXT = ("obs_id", "station_id", "variable", "kind", "platform", "use", "unit")
_YEARS = (pd.Timestamp("1678-01-01", tz="UTC"), pd.Timestamp("2262-01-01", tz="UTC"))


def observations(
    table: pd.DataFrame, columns: ColumnMap | None = None, unread: Mapping[int, str] | None = None
) -> Decoded:
    """Observations of `table`, whose index is the data row in the file.

    Args:
        table: cells as text or numbers, empty ones NaN or blank.
        columns: the user's column map, see `column_map`.
        unread: rows the file's parser could not split into cells, with the reason.

    Raises:
        MalformedBatch: a needed column is absent, or the column map names what is unknown.
    """
    where = layout([str(name) for name in table.columns], columns)
    table = table.set_axis([str(name) for name in table.columns], axis=1)
    reports, reasons = _coordinates(table, where)
    frame = _wide(table, where, reports, reasons) if where.variables else _long(reports, reasons)
    lost = pd.DataFrame({"row": list(unread or {}), "reason": list((unread or {}).values())})
    frame = pd.concat([frame, lost], ignore_index=True) if len(lost) else frame.reset_index(drop=True)
    frame["reason"] = frame["reason"].astype("str")
    frame["qc"] = np.where(frame["reason"] == "", Flag.PASS, Flag.PREQC)
    return Decoded(frame, tuple(_notes(table, where, frame)))


def _coordinates(table: pd.DataFrame, where: Layout) -> tuple[pd.DataFrame, pd.Series]:
    """What a row says of when and where, and per row why that cannot be read ('' if it can)."""
    out = pd.DataFrame({"row": table.index.to_numpy()}, index=table.index)
    reasons = pd.Series("", index=table.index, dtype=object)
    for name, column in where.coordinates.items():
        cells = table[column]
        if name in _TEXT:
            out[name] = _text(cells)
            continue
        if name in ("time", "received_at"):
            out[name], wrong = _times(cells, column)
            complaint = " is not a time such as 2019-02-17T12:00:00Z, in the years 1678 to 2261: "
        else:
            scale, offset = where.units.get(name, (1.0, 0.0))
            numbers, wrong = _numbers(cells)
            out[name] = scale * numbers + offset
            complaint = " is not a number: "
            if name == "longitude":
                beyond = (numbers < -180) | (numbers > 360)
                wrong, complaint = wrong | beyond, " is not a number from -180 to 360: "
        if wrong.any():
            text = column + complaint + cells[wrong].astype(str).str.slice(0, 40)
            reasons[wrong] = np.where(reasons[wrong] == "", text, reasons[wrong])
    if "use" in out:
        unknown = ~out["use"].isin(["", *USES])
        reasons[unknown & (reasons == "")] = "use must be one of " + ", ".join(USES)
        out["use"] = out["use"].where(out["use"].isin(USES), "active")
    return out, reasons


def _wide(table: pd.DataFrame, where: Layout, reports: pd.DataFrame, reasons: pd.Series) -> pd.DataFrame:
    parts = []
    for mapped in where.variables:
        numbers, wrong = _numbers(table[mapped.column])
        filled = numbers.notna() | wrong
        part = reports[filled].copy()
        scale, offset = mapped.to_si
        part["variable"], part["value"] = mapped.variable, scale * numbers[filled] + offset
        part["error"] = np.nan if mapped.error is None else mapped.error
        text = (
            mapped.column + " is not a number: " + table[mapped.column][filled].astype(str).str.slice(0, 40)
        )
        why = reasons[filled]
        part["reason"] = np.where((why == "") & wrong[filled], text, why)
        parts.append(part)
    return pd.concat(parts)


def _long(reports: pd.DataFrame, reasons: pd.Series) -> pd.DataFrame:
    out = reports.assign(reason=reasons)
    units = out.pop("unit") if "unit" in out else pd.Series("", index=out.index)
    pairs = pd.DataFrame({"variable": out["variable"], "unit": units})
    scale, offset = np.ones(len(out)), np.zeros(len(out))
    for (variable, unit), rows in pairs.groupby(["variable", "unit"]).indices.items():
        if variable == "":
            continue
        try:
            scale[rows], offset[rows] = to_si(variable, unit)
        except ValueError as error:
            why = out["reason"].iloc[rows]
            out.iloc[rows, out.columns.get_loc("reason")] = why.where(why != "", str(error))
    out["value"] = scale * out["value"].to_numpy() + offset
    if "error" in out:
        out["error"] = np.abs(scale) * out["error"].to_numpy()
    return out


def _text(cells: pd.Series) -> pd.Series:
    text = cells.astype("str").str.strip()
    return text.where(cells.notna() & ~text.str.lower().isin(_EMPTY), "").astype("str")


def _numbers(cells: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Cells as float64, and which of them are neither numbers nor empty."""
    if pd.api.types.is_numeric_dtype(cells) and not pd.api.types.is_bool_dtype(cells):
        return cells.astype("float64"), pd.Series(False, index=cells.index)
    numbers = pd.to_numeric(cells, errors="coerce").astype("float64")
    unread = numbers.isna() & cells.notna()
    unread[unread] = ~cells[unread].astype(str).str.strip().str.lower().isin(_EMPTY)
    return numbers, unread


def _times(cells: pd.Series, column: str) -> tuple[pd.Series, pd.Series]:
    """Cells as UTC times, and which of them are neither times nor empty; naive times are UTC."""
    if pd.api.types.is_datetime64_any_dtype(cells):
        times, unread = pd.to_datetime(cells, utc=True), pd.Series(False, index=cells.index)
    else:
        text = _text(cells)
        number = pd.to_numeric(text, errors="coerce").notna()
        if number.any() and number[text != ""].all():
            first = number.idxmax()
            raise MalformedBatch(
                f"{column} holds numbers such as {text[first]}, which could count from any epoch; "
                "write times as 2019-02-17T12:00:00Z",
                row=int(first),
                field=column,
            )
        times = pd.to_datetime(text.mask((text == "") | number), utc=True, format="ISO8601", errors="coerce")
        unread = times.isna() & (text != "")
    low, high = _YEARS
    beyond = (times < low) | (times >= high)
    return times.mask(beyond).dt.as_unit("ns"), unread | beyond


def _notes(table: pd.DataFrame, where: Layout, frame: pd.DataFrame) -> list[str]:
    notes = []
    ignored = [name for name in table.columns if name not in where.used]
    if ignored:
        notes.append(f"columns not used: {', '.join(ignored)}")
    silent = len(table) - table.index.isin(frame["row"]).sum()
    if silent:
        notes.append(f"{silent} of {len(table)} rows hold no value of a mapped column")
    return notes
