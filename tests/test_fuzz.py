"""A sample of what `python -m tests.fuzz` and `python -m tests.faults` try."""

import os
import shutil
import subprocess
import sys

import pytest

from fer_lib.config import ROOT
from tests import faults


@pytest.mark.slow
def test_damaged_and_hostile_input_is_read_or_refused_in_one_line():
    """In a process of its own: its audit hook cannot be taken away."""
    command = [sys.executable, "-m", "tests.fuzz", "--count", "2000", "--seed", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-500:]
    assert "| **all** | 2000 | 0 |" in done.stdout


def traces() -> bool:
    """Whether strace is here and may trace; in some containers it may not."""
    command = ["strace", "-o", os.devnull, "-e", "inject=mkdir:error=EIO:when=9", "true"]
    return bool(shutil.which("strace")) and not subprocess.run(command, check=False).returncode


@pytest.mark.slow
@pytest.mark.skipif(not traces(), reason="strace is not here, or may not trace")
def test_no_fault_at_a_write_loses_anything():
    found, total = faults.sweep(12, 0)
    assert 8 <= sum(map(len, found.values())) <= 12 < total
    assert not any(any(outcomes) for outcomes in found.values()), faults.table(found)
