"""The door is light: importing it brings no torch and writes no file."""

import subprocess
import sys
from pathlib import Path

import pytest

from app import supervisor
from workers.settings import Settings


def test_importing_the_application_never_imports_torch(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    code = "import sys, app.main, app.supervisor, app.cli; sys.exit('torch' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(root)}, check=False
    )
    assert run.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_elsewhere_than_on_linux_children_start_without_its_kernel_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_such_call() -> None:
        raise AttributeError("prctl")

    monkeypatch.setattr(supervisor, "_die_with_parent", no_such_call)
    monkeypatch.setattr(supervisor.sys, "platform", "darwin")
    child = supervisor.Child("child", [sys.executable, "-c", ""], {})
    child.start()
    assert child.process is not None and child.process.wait(20) == 0


def test_several_workers_have_names_of_their_own(tmp_path: Path) -> None:
    lines = supervisor.commands(Settings(home=tmp_path, workers=2))
    assert list(lines) == ["api", "worker 1", "worker 2", "beat"]
    names = [lines[worker][lines[worker].index("--hostname") + 1] for worker in ("worker 1", "worker 2")]
    assert len(set(names)) == 2
