"""The shell script finds its Python, installs once, and hands every word on as it is."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fer_lib.config import ROOT

#: Stands for the Python of an environment: says how it was called and where.
PYTHON = """#!/bin/bash
if [ "$1" = -c ]; then exit 0; fi
printf '%s|' "$PWD" "$@" >>"$CALLS"
echo >>"$CALLS"
"""
PIP = ["-m", "pip", "install", "-q", "--disable-pip-version-check"]


@pytest.fixture(params=["plain", "it's My Documents/fer-main (1) {x} [2]", 'a "b" $HOME `c`'])
def root(request, tmp_path) -> Path:
    root = tmp_path / request.param
    (root / "env" / "bin").mkdir(parents=True)
    for name in ("run_all.sh", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    python = root / "env" / "bin" / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    return root


def calls(root: Path, *words: str) -> list[list[str]]:
    """Where and how Python is called by `run_all.sh WORDS` in the active environment root/env."""
    log = root / "calls"
    log.unlink(missing_ok=True)
    places = {"VIRTUAL_ENV": str(root / "env"), "CALLS": str(log), "PATH": os.environ["PATH"]}
    command = [str(root / "run_all.sh"), *words]
    subprocess.run(command, cwd=root.parent, env=places, check=True, capture_output=True)
    return [line.split("|")[:-1] for line in log.read_text().splitlines()]


def test_it_installs_once_and_hands_words_on(root):
    words = ["--data", "My Documents/f (1).zip", "--", "a'b", "{c}"]
    lock, project, cli = calls(root, *words)
    assert lock[1:] == [*PIP, "-r", str(root / "requirements.lock")]
    assert project[0] == str(root)
    assert project[-2:] == ["-e", "."]  # as a path, pip would take brackets for extras
    assert cli == [str(root.parent), "-m", "fer_lib.run.cli", *words]
    assert calls(root, "test") == [[str(root.parent), "-m", "fer_lib.run.cli", "test"]]


def test_another_lock_file_is_installed(root):
    calls(root)
    (root / "requirements.lock").write_text("numpy==2.4.6\n")
    assert len(calls(root)) == 3
