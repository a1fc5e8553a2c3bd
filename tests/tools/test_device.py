"""What is said of the hardware is so."""

import torch

from fer_lib.tools import device


def test_a_cpu_compiles_where_there_is_a_compiler(monkeypatch):
    for found in ("/usr/bin/c++", None):
        monkeypatch.setattr("shutil.which", lambda name, found=found: found)
        monkeypatch.setattr(device.shutil, "which", lambda name, found=found: found)
        assert device.can_compile(torch.device("cpu")) is bool(found)
