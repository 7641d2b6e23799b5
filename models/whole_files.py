"""Files that are there as a whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the name `path` once all is written, and never before."""
    aside = path.with_name(f"{path.name}.tmp")
    yield aside
    aside.replace(path)
