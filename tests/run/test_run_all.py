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
if [ "$3" = uv ]; then
    if [ -e "$(dirname "$0")/no uv" ]; then exit 2; fi
    cat >"$(dirname "$(dirname "$0")")/lock"
fi
"""
PIP = ["-P", "-m", "pip", "install", "-q", "--disable-pip-version-check"]


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


def calls(root: Path, *words: str, script: str = "", **environment: str) -> list[list[str]]:
    """Where and how Python is called by `run_all.sh WORDS` in the active environment root/env."""
    log = root / "calls"
    log.unlink(missing_ok=True)
    places = {"VIRTUAL_ENV": str(root / "env"), "CALLS": str(log), "PATH": os.environ["PATH"]}
    places |= {"FER_TORCH": "cuda"}
    command = ["bash", script or str(root / "run_all.sh"), *words]
    options = {"check": True, "capture_output": True}
    subprocess.run(command, cwd=root.parent, env=places | environment, **options)
    return [line.split("|")[:-1] for line in log.read_text().splitlines()]


def test_it_installs_once_and_hands_words_on(root):
    words = ["--data", "My Documents/f (1).zip", "--", "a'b", "{c}"]
    lock, project, cli = calls(root, *words)
    assert lock[1:] == [*PIP, "-r", str(root / "requirements.lock")]
    assert project[0] == str(root)
    assert project[-2:] == ["-e", "."]  # as a path, pip would take brackets for extras
    assert cli == [str(root.parent), "-P", "-m", "fer_lib.run.cli", *words]
    assert calls(root, "test") == [[str(root.parent), "-P", "-m", "fer_lib.run.cli", "test"]]


def test_another_lock_file_is_installed(root):
    calls(root)
    (root / "requirements.lock").write_text("numpy==2.4.6\n")
    assert len(calls(root)) == 3


def test_the_cpu_build_leaves_cudas_packages_out(root):
    uv, lock, project, _ = calls(root, FER_TORCH="cpu")
    assert uv[1:-1] == PIP
    assert uv[-1].startswith("uv==")
    options = ["--python", str(root / "env" / "bin" / "python"), "--torch-backend", "cpu"]
    assert lock[1:] == ["-P", "-m", "uv", "pip", "install", "-q", *options, "-r", "-"]
    left = (root / "env" / "lock").read_text().splitlines()
    whole = (root / "requirements.lock").read_text().splitlines()
    dropped = [line.split("==")[0] for line in whole if line not in left]
    assert [line for line in whole if line in left] == left  # all else is the same
    assert all(name.startswith(("nvidia-", "cuda-")) or name == "triton" for name in dropped)
    assert len(dropped) > 10
    assert "torch" in {line.split("==")[0] for line in left}
    assert project[-2:] == ["-e", "."]
    assert len(calls(root, FER_TORCH="cpu")) == 1


def test_without_the_cpu_build_the_full_one_is_taken(root):
    (root / "env" / "bin" / "no uv").touch()
    _, failed, lock, _, _ = calls(root, FER_TORCH="cpu")
    assert "uv" in failed
    assert lock[1:] == [*PIP, "-r", str(root / "requirements.lock")]


def test_another_build_takes_the_place_of_the_first(root):
    calls(root, FER_TORCH="cpu")
    removed, lock, _, _ = calls(root, FER_TORCH="cuda")
    assert removed[1:] == ["-P", "-m", "pip", "uninstall", "-q", "-y", "torch", "torchvision"]
    assert lock[1:] == [*PIP, "-r", str(root / "requirements.lock")]


def test_an_unknown_build_is_refused(root):
    with pytest.raises(subprocess.CalledProcessError) as error:
        calls(root, FER_TORCH="rocm")
    message = b"error: FER_TORCH is 'rocm': give auto, cpu or cuda\n"
    assert error.value.stderr == message


@pytest.mark.parametrize("hops", [1, 2])
def test_a_link_to_it_is_as_good(root, hops):
    (root / "bin").mkdir()
    (root / "bin" / "fer").symlink_to("../run_all.sh")
    link = root / "bin" / "fer"
    if hops == 2:
        link = root / "fer"
        link.symlink_to(root / "bin" / "fer")
    lock, *_ = calls(root, script=str(link))
    assert lock[-1] == str(root / "requirements.lock")


def test_cdpath_leads_nowhere_else(root):
    inside = f"{root.name}/run_all.sh"
    (lock, project, _) = calls(root, script=inside, CDPATH=f"{root.parent}:/")
    assert lock[-1] == str(root / "requirements.lock")
    assert project[0] == str(root)


#: A Python that makes environments: the first time it is interrupted before pip is in it.
MAKER = """#!/bin/bash
if [ "$1" = -c ]; then exit 0; fi
if [ "$2" = venv ]; then
    mkdir -p "$3/bin"
    cp "$0" "$3/bin/python"
    if [ -e "$HALF" ]; then rm "$HALF"; exit 1; fi
    touch "$3/pip"
    exit 0
fi
if [ "$4" = --version ]; then [ -e "$(dirname "$(dirname "$0")")/pip" ]; exit; fi
echo "$PIP_USER $PIP_TARGET $*" >>"$CALLS"
"""


def test_half_an_environment_is_made_whole(root, tmp_path):
    home, half = tmp_path / "home", tmp_path / "half"
    (home / "bin").mkdir(parents=True)
    maker = home / "bin" / "python3.11"
    maker.write_text(MAKER)
    maker.chmod(0o755)
    half.write_text("")
    environment = {"PATH": f"{home / 'bin'}:/usr/bin:/bin", "HOME": str(home), "HALF": str(half)}
    environment |= {"CALLS": str(root / "calls"), "PIP_USER": "1", "PIP_TARGET": "/elsewhere"}
    environment |= {"FER_TORCH": "cuda"}
    command = ["bash", str(root / "run_all.sh"), "--list"]
    options = {"env": environment, "capture_output": True, "text": True, "check": False}
    first = subprocess.run(command, **options)
    assert first.returncode == 1
    assert "python3-venv" in first.stderr.splitlines()[-1]
    again = subprocess.run(command, **options)
    assert again.returncode == 0, again.stderr
    called = (root / "calls").read_text().splitlines()
    assert [line.split(" -P -m ")[0] for line in called] == ["0 "] * 3
    assert called[-1] == "0  -P -m fer_lib.run.cli --list"
