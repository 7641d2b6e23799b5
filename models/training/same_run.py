"""A run goes on only with the data and the settings that it began with."""

import json
from pathlib import Path
from typing import Any

from models.whole_files import written_whole


def same_run(folder: Path, made_from: dict[str, Any], begun: bool) -> None:
    """Notes in `folder`/run.json what a run is made from, or compares with what is noted there.

    Arguments:
        begun: whether there is anything yet that was made from what is noted.

    Raises:
        ValueError: the run in `folder` was made from something else; names what differs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, now = folder / "run.json", json.loads(json.dumps(made_from))
    if not begun or not path.exists():
        with written_whole(path) as aside:
            aside.write_text(json.dumps(now, indent=1))
        return
    was = json.loads(path.read_text())
    different = [name for name in sorted(was.keys() | now.keys()) if was.get(name) != now.get(name)]
    if different:
        raise ValueError(f"{folder} holds a run with another {', '.join(different)}: give another --out")
