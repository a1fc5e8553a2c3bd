"""Snakemake and the chapters together, in a copy of the project where paths have everything.

The notebooks of the copy are tiny: each writes its tables and reads one of those it depends on.
"""

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from fer_lib.config import ROOT
from fer_lib.run.chapters import CHAPTERS, Chapter

pytestmark = pytest.mark.slow

RUN = "orl-smoke"
#: Makes chapter 8 and what it needs; the networks are said to be trained, but for one of chapter 2.
MAKE = """
import sys
from fer_lib import config
from fer_lib.run import asked, cli, watch
from fer_lib.tools import weights

chosen = config.load("smoke")
first = config.recipes(chosen, cli._dataset()["checksum"])[0].key
there, weights.finished = weights.finished, lambda key: key != first or there(key)
titles = asked.prepare("orl-smoke", chosen, cli._dataset())
sys.exit(watch.follow(cli._snakemake("orl-smoke", "08.page", "local", []), "orl-smoke", titles))
"""


def tiny(chapter: Chapter) -> nbformat.NotebookNode:
    new = nbformat.v4
    values = 'profile = "quick"\nseed = 0\nseeds = 0'
    parameters = new.new_code_cell(values, metadata={"tags": ["parameters"]})
    code = f"""# Some prose
from fer_lib.config import REPORTS
tables = REPORTS / f"orl-{{profile}}" / "tables"
tables.mkdir(parents=True, exist_ok=True)
for name in {chapter.reads!r}:
    assert (tables / f"{{name}}.csv").exists()
for name in {chapter.writes!r}:
    (tables / f"{{name}}.csv").write_text(name)
"""
    metadata = {"kernelspec": {"name": "python3", "display_name": "x", "language": "python"}}
    return new.new_notebook(cells=[parameters, new.new_code_cell(code)], metadata=metadata)


class Project:
    """A copy of the project at a path as people have them."""

    def __init__(self, folder: Path):
        self.root = folder / "it's My Documents" / "fer-main (1) {x} [2]"
        self.work, self.reports = self.root / "wo{r}k", self.root / 'reports "of me"'
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "fer_lib", self.root / "fer_lib", ignore=ignore)
        shutil.copy(ROOT / "Snakefile", self.root)
        (self.root / "notebooks").mkdir()
        for chapter in CHAPTERS:
            nbformat.write(tiny(chapter), self.notebook(chapter.number))
        self.executed: dict[str, bytes] = {}

    def notebook(self, number: str) -> Path:
        (name,) = (c.name for c in CHAPTERS if c.number == number)
        return self.root / "notebooks" / f"{name}.ipynb"

    def replace(self, path: Path, old: str, new: str) -> None:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def killed(self, output: str) -> None:
        """Snakemake, when this was made and not yet noted in its own folder."""
        noted = base64.b64encode(output.encode()).decode()
        (self.work / RUN / ".snakemake" / "metadata" / noted).unlink()
        (self.work / RUN / ".snakemake" / "incomplete" / noted).write_text("{}")

    def make(self) -> subprocess.CompletedProcess:
        places = {"FER_WORK": str(self.work), "FER_REPORTS": str(self.reports)}
        known = {"PATH": "/usr/bin:/bin", "HOME": str(self.root), "PYTHONPATH": str(self.root)}
        command = [sys.executable, "-c", MAKE]
        options = {"capture_output": True, "text": True, "check": False}
        return subprocess.run(command, cwd=self.root, env=known | places, **options)

    def made_again(self) -> list[str]:
        """Make what is to be made; the chapters that were executed."""
        done = self.make()
        assert done.returncode == 0, done.stderr + (self.work / RUN / "log.txt").read_text()
        before = self.executed
        paths = sorted((self.work / RUN).glob("*.ipynb"))
        self.executed = {path.name[:2]: path.read_bytes() for path in paths}
        return [n for n, content in self.executed.items() if content != before.get(n)]


def test_what_runs_again_and_what_does_not(tmp_path):
    project = Project(tmp_path)
    assert project.made_again() == ["01", "02", "04", "06", "08"]
    trainings = [path.name for path in (project.work / "models").iterdir()]
    assert len(trainings) == 1  # the one that was not there
    assert [path.name for path in project.reports.rglob("*.html")] == ["08_noise_types.html"]

    assert project.made_again() == []
    project.killed(f"trained/{trainings[0]}")
    (project.work / RUN / "08_noise_types.ipynb").unlink()
    assert project.made_again() == ["08"]
    project.replace(project.root / "fer_lib" / "methods" / "table.py", "import", "# Why.\nimport")
    assert project.made_again() == []
    project.replace(project.root / "fer_lib" / "methods" / "plans.py", "VERSION = ", "VERSION = 9")
    assert project.made_again() == ["06", "08"]
    project.replace(project.notebook("01"), "Some prose", "Other prose")
    assert project.made_again() == ["01"]  # its tables came out the same
    (project.reports / RUN / "tables" / "references.csv").unlink()
    assert project.made_again() == ["06"]
    project.replace(project.notebook("04"), ".write_text(name)", ".write_text(name + '!')")
    assert project.made_again() == ["04", "08"]

    project.replace(project.notebook("04"), ".write_text(", ".no_such_thing(")
    done = project.make()
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "04_noise_evaluation.ipynb" in errors[0]
    assert "no_such_thing" in errors[0]
    metadata = json.loads((project.work / RUN / "08_noise_types.ipynb").read_text())["metadata"]
    assert str(tmp_path) not in json.dumps(metadata)
