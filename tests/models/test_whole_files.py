"""A file is there as a whole or not at all."""

from pathlib import Path

import pytest

from models.whole_files import written_whole


def test_a_file_half_written_is_not_there(tmp_path: Path):
    path = tmp_path / "a.json"
    with pytest.raises(KeyboardInterrupt), written_whole(path) as aside:
        aside.write_text("half")
        raise KeyboardInterrupt
    assert not path.exists()
    with written_whole(path) as aside:
        aside.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole" and list(tmp_path.iterdir()) == [path]
