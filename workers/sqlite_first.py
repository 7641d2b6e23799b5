"""Python's own SQLite, bound before any other can get in its way.

The wheel of eccodes brings an old SQLite (3.26) and loads it for the whole process. Whoever imports `sqlite3`
after that gets the old library under the new module, which fails at `RETURNING`. Here Python's library is
loaded first, for the whole process too and with all its symbols resolved; the old one finds its name taken.
"""

import contextlib
import ctypes
import os


def bind() -> None:
    """Load Python's SQLite for the whole process; a build that has it compiled in needs none of this."""
    import _sqlite3

    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(_sqlite3.__file__, mode=os.RTLD_NOW | os.RTLD_GLOBAL)
