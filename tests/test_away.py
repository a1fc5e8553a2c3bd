"""docs/away.py: what is trained and scored on another machine is what is trained here."""

import csv
import os
import subprocess
import sys
import tarfile

import pytest

from docs import away
from fer_lib import config
from fer_lib.audit import plan
from fer_lib.study import open_study


def there(folder, *options: str) -> subprocess.CompletedProcess:
    """A call of the unpacked pack in a folder of its own, without this project's settings."""
    given = {k: v for k, v in os.environ.items() if not k.startswith(("FER_", "PYTHONPATH"))}
    command = [sys.executable, f"{away.NAME}/docs/away.py", *options]
    return subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True)


@pytest.mark.slow
def test_a_pack_trains_in_steps_what_is_trained_here(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_DATA", "")
    away.main(["pack", str(tmp_path / "pack.tar.gz"), "--profile", "smoke"])
    assert (tmp_path / "pack.tar.gz").stat().st_size < 64e6
    with tarfile.open(tmp_path / "pack.tar.gz") as pack:
        pack.extractall(tmp_path, filter="data")
        names = pack.getnames()
    assert not [name for name in names if name.endswith((".csv", ".png", ".zip"))]
    stopped = there(tmp_path, "--minutes", "0.02")
    assert (stopped.returncode, stopped.stderr) == (3, "")
    assert stopped.stdout.endswith("time is up: the same command goes on\n")
    done = there(tmp_path, "--minutes", "20", "--weights")
    assert done.returncode == 0, done.stderr
    out = tmp_path / away.NAME / "out"
    study = open_study("smoke")
    arms = plan.PLANS["smoke"].tables
    recipes = [r for arm in arms for r in plan.trainings(study.settings, study.faces.checksum, arm)]
    kinds = ("losses", "gradients", "as_run", "honest")
    expected = {f"{kind}_{recipe.key}.csv" for kind in kinds for recipe in recipes}
    expected |= {f"{recipe.key}.safetensors" for recipe in recipes} | {"ladder.csv"}
    assert {path.name for path in out.iterdir()} == expected
    for recipe in recipes:
        with (out / f"losses_{recipe.key}.csv").open() as file:
            losses = [float(row["train_loss"]) for row in csv.DictReader(file)]
        assert losses == [epoch["train_loss"] for epoch in study.reconstruct(recipe).history]


def test_what_is_no_pack_says_so(capsys):
    with pytest.raises(SystemExit):
        away.main([])
    assert "this is no pack" in capsys.readouterr().err
    assert config.PROFILES["paper"].width == 1  # what is packed unless another profile is named
