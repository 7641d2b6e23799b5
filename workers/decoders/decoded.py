"""What a decoder returns, and how it refuses."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Decoded:
    """Observations read from a file, before quality control.

    `frame` has columns of the observation table plus `row`, the 1-based data row of a table or message of a
    BUFR file. Rows that could not be read are in it as well, with `qc` and `reason` set. `notes` are plain
    sentences on what was passed over without being an observation.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()


class MalformedBatch(Exception):
    """A file that cannot be read as a whole; `row` (1-based data row) and `field` say where, if known."""

    def __init__(self, detail: str, row: int | None = None, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail, self.row, self.field = detail, row, field


class TooLarge(MalformedBatch):
    """More than may be read at once."""
