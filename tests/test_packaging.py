"""What a newcomer runs first: make, the container files and the pins must hold together."""

import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
OURS = sorted(name for name, service in SERVICES.items() if service["image"] == "serein")


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True)


def dockerfile(instruction: str) -> str:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    return (
        [line for line in lines if line.startswith(instruction + " ")][-1].removeprefix(instruction).strip()
    )


def test_compose_runs_api_worker_and_beat_beside_three_servers():
    assert OURS == ["api", "beat", "worker"]
    assert {"postgres", "redis", "store"} <= set(SERVICES)


@pytest.mark.parametrize("name", OURS)
def test_the_command_of_each_of_our_services_exists(name):
    command = SERVICES[name].get("command") or yaml.safe_load(dockerfile("CMD"))
    program = shutil.which(command[0], path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert program, f"{command[0]} is not installed"
    flag = "-A" if "-A" in command else "--factory"
    module, _, attribute = command[command.index(flag) + 1].partition(":")
    assert hasattr(importlib.import_module(module), attribute or "celery")


@pytest.mark.parametrize("name", OURS)
def test_each_of_our_services_gets_the_three_urls(name):
    urls = {key for key in SERVICES[name]["environment"] if key.endswith("_URL")}
    assert urls == {"SEREIN_DATABASE_URL", "SEREIN_BROKER_URL", "SEREIN_STORE_URL"}


def test_what_a_service_waits_for_exists():
    waited_for = {other for service in SERVICES.values() for other in service.get("depends_on", {})}
    assert waited_for <= set(SERVICES)


def test_every_password_of_the_compose_file_is_asked_for_in_the_example():
    asked = set(re.findall(r"\$\{([A-Z_]+):\?", (ROOT / "docker-compose.yml").read_text()))
    offered = re.findall(r"^([A-Z_]+)=", (ROOT / "deploy/env.example").read_text(), re.MULTILINE)
    assert asked and asked <= set(offered)


def test_the_image_does_not_run_as_root():
    assert dockerfile("USER") not in ("", "root", "0")


def test_everything_the_image_copies_exists():
    copied = re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    missing = [name for line in copied for name in line.split() if not (ROOT / name).exists()]
    assert not missing


def test_the_pins_are_exact_and_portable():
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line) for line in pins)


def test_every_dependency_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [requirement for extra in project["optional-dependencies"].values() for requirement in extra]
    wanted = [*project["dependencies"], *extras]
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").open()}
    names = {re.split(r"[\[<>=!~; ]", requirement)[0].lower().replace("_", "-") for requirement in wanted}
    assert names <= pinned


def test_make_help_lists_the_commands_of_the_readme():
    shown = make("help").stdout
    assert all(f"make {target} " in shown for target in ("setup", "demo", "test", "check", "serve"))


def test_make_names_the_remedy_when_python_is_missing_or_old(tmp_path):
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    for python in ("no-such-python", str(old)):
        result = make("--always-make", "setup", f"PYTHON={python}", f"SETUP={tmp_path / 'stamp'}")
        assert result.returncode != 0
        assert "make setup PYTHON=" in result.stderr


def test_the_ci_script_is_valid_bash_and_runs_check_and_test():
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", script]).returncode == 0
    assert "make check\nmake test\n" in script.read_text()
