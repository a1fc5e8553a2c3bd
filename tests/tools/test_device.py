"""What is said of the hardware is so."""

import os
import subprocess
import sys

import pytest
import torch

from fer_lib.config import ROOT
from fer_lib.tools import device

ASK = (
    "import torch; from fer_lib.tools import device; print(device.can_compile(torch.device('cpu')))"
)
#: Compilers as people have them: none, one that torch does not look for, one without OpenMP.
COMPILERS = {"none": {}, "c++ alone": {"c++": "exec {real} $@"}, "no OpenMP": {"g++": "exit 1"}}


@pytest.mark.slow
@pytest.mark.parametrize("case", COMPILERS)
def test_a_cpu_compiles_only_where_torch_can(tmp_path, case):
    for name, body in COMPILERS[case].items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body.format(real='/usr/bin/g++')}\n")
        (tmp_path / name).chmod(0o755)
    places = {"PATH": str(tmp_path), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-c", ASK]
    known = {name: value for name, value in os.environ.items() if name != "CXX"}
    done = subprocess.run(
        command, cwd=ROOT, env=known | places, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_it_is_torch_that_is_asked(monkeypatch):
    for answer in (torch.sin, None):
        device.can_compile.cache_clear()
        monkeypatch.setattr(torch, "compile", lambda function, answer=answer: answer)
        assert device.can_compile(torch.device("cpu")) is bool(answer)
    device.can_compile.cache_clear()
    assert not device.can_compile(torch.device("mps"))
    device.can_compile.cache_clear()
