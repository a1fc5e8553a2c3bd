"""The committed notebooks: stripped, short, and as `chapters` says; the environment."""

import ast
import importlib
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from fer_lib.config import NOTEBOOKS, ROOT
from fer_lib.run import chapters

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
PARAMETERS = {"profile": "quick", "data_path": "", "seed": 0, "seeds": 0}
CHAPTERS = {chapter.source: chapter for chapter in chapters.CHAPTERS}
#: A home, a temporary or a drive's folder, as they get into sources and outputs.
MACHINE = re.compile(r"(?<![\w./])/(?:home|root|Users|tmp|work|mnt|private|var)/|\b[A-Z]:\\\\?\w")
README = (ROOT / "README.md").read_text(encoding="utf-8")
CODE = re.compile(r"`(fer_lib/[\w/.]+)`")
TABLE = re.compile(r"`(?:tables/)?(\w+)\.csv`")
NUMBERED = [path for path in PATHS if path.name[0].isdigit()]
every_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
every_chapter = pytest.mark.parametrize("path", NUMBERED, ids=lambda path: path.stem)


def cells(path: Path, kind: str) -> list[nbformat.NotebookNode]:
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == kind]


def code(path: Path) -> str:
    return "\n\n".join(cell.source for cell in cells(path, "code"))


def tagged(path: Path, tag: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in cells(path, "code") if tag in cell.metadata.get("tags", ())]


def test_chapters_are_the_notebooks_on_disk():
    assert [chapter.source for chapter in chapters.CHAPTERS] == NUMBERED
    numbers = [chapter.number for chapter in chapters.CHAPTERS]
    assert numbers == [f"{number:02}" for number in range(1, len(NUMBERED) + 1)]


@every_notebook
def test_it_is_valid_and_stripped(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in cells(path, "code"):
        assert cell.outputs == []
        assert cell.execution_count is None
        assert set(cell.metadata) <= {"tags"}
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata.language_info) == {"name"}  # no version of somebody's Python
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)


@every_chapter
def test_it_opens_with_its_question_its_files_its_time_and_its_code(path):
    first, settings = nbformat.read(path, as_version=4).cells[:2]
    assert first.cell_type == settings.cell_type == "markdown"
    assert first.source.startswith(f"# {int(path.name[:2])} · ")
    headings = re.findall(r"\*\*(\w+)\.?\*\*", first.source + settings.source)
    assert headings == ["Question", "Reads", "Writes", "Takes", "Code"]
    read, written = settings.source.split("**Reads**")[1].split("**Writes**")
    assert TABLE.findall(read) == list(CHAPTERS[path].reads)
    assert TABLE.findall(written.split("**Takes**")[0]) == list(CHAPTERS[path].writes)


@every_chapter
def test_the_code_that_it_names_is_the_readmes(path):
    code_to_open = CODE.findall(nbformat.read(path, as_version=4).cells[1].source)
    (row,) = [line for line in README.splitlines() if f"(notebooks/{path.name})" in line]
    assert code_to_open
    assert code_to_open == CODE.findall(row)
    assert all((ROOT / name).exists() for name in code_to_open)


@every_chapter
def test_it_has_one_cell_of_literal_parameters(path):
    (cell,) = tagged(path, "parameters")
    values = {}
    for node in ast.parse(cell.source).body:
        assert isinstance(node, ast.Assign)
        values[node.targets[0].id] = ast.literal_eval(node.value)
    assert values == PARAMETERS
    assert [type(value) for value in values.values()] == [str, str, int, int]
    assert cell.id == cells(path, "code")[0].id


@every_notebook
def test_its_cells_are_few_and_short_and_hold_no_machinery(path):
    assert len(cells(path, "code")) <= 15
    for cell in cells(path, "code"):
        assert 0 < cell.source.count("\n") + 1 <= 25, cell.source
    nodes = list(ast.walk(ast.parse(code(path))))
    assert not [node for node in nodes if isinstance(node, ast.ClassDef)]
    assert not [word for word in ("sys.path", "filterwarnings", "import *") if word in code(path)]


@every_notebook
def test_no_cell_is_empty_or_commented_out(path):
    for cell in nbformat.read(path, as_version=4).cells:
        assert cell.source.strip()
        if cell.cell_type == "code":
            assert ast.parse(cell.source).body


@every_notebook
def test_every_code_cell_follows_prose_or_its_kin(path):
    """At most four code cells in a row: a sentence says why before what."""
    kinds = "".join(c.cell_type[0] for c in nbformat.read(path, as_version=4).cells)
    assert "ccccc" not in kinds


@every_notebook
def test_it_names_no_machine(path):
    assert not MACHINE.search(path.read_text(encoding="utf-8"))


def test_a_machines_path_would_be_seen():
    for text in ("'/home/ann/x'", '"/tmp/y"', "see /work/z", "C:\\Users", "C:\\\\data"):
        assert MACHINE.search(text)
    for text in ("tables/split.csv", "either/or/work/", "1. A: x", "and/tmp/"):
        assert not MACHINE.search(text)


def calls(path: Path, name: str) -> list[ast.Call]:
    """The calls of study.NAME(...)."""
    return [
        node
        for node in ast.walk(ast.parse(code(path)))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == name
        and getattr(node.func.value, "id", "") == "study"
    ]


def written(path: Path) -> list[str]:
    return [ast.literal_eval(node.args[1]) for node in calls(path, "write")]


@every_chapter
def test_it_writes_the_tables_that_its_chapter_says(path):
    assert sorted(written(path)) == sorted(CHAPTERS[path].writes)


@every_chapter
def test_it_reads_the_tables_that_its_chapter_says(path):
    """Sides come from `split`; the networks of chapter 2 from that, which writes `models`."""
    read = {ast.literal_eval(node.args[0]) for node in calls(path, "read")}
    if any(calls(path, name) for name in ("side", "trained")):
        read.add("split")
    if "core" in CHAPTERS[path].trainings:
        read.add("models")
    assert read - set(written(path)) == set(CHAPTERS[path].reads)


def test_a_table_is_written_once_and_before_it_is_read():
    there = []
    for chapter in chapters.CHAPTERS:
        assert set(chapter.reads) <= set(there)
        there += chapter.writes
    assert len(set(there)) == len(there)


@pytest.mark.parametrize("number", ["4", "04"])
def test_a_chapter_is_found_by_its_number(number):
    assert chapters.find(number).name == "04_noise_evaluation"


@every_notebook
def test_everything_it_imports_from_the_library_is_there(path):
    for node in ast.walk(ast.parse(code(path))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fer_lib"):
            for alias in node.names:
                if not hasattr(importlib.import_module(node.module), alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")


@every_chapter
def test_every_figure_has_a_text_for_those_who_cannot_see_it(path):
    shown = calls(path, "show")
    assert shown
    for call in shown:
        assert {keyword.arg for keyword in call.keywords} - {"table"} == {"alt", "caption"}


@every_chapter
def test_it_has_an_answer_and_every_figures_table_exists(path):
    assert tagged(path, "answer")
    assert all("Markdown(" in cell.source for cell in tagged(path, "answer"))
    tables = {k.value.value for c in calls(path, "show") for k in c.keywords if k.arg == "table"}
    assert tables <= {name for chapter in chapters.CHAPTERS for name in chapter.writes}


# --- the environment -----------------------------------------------------------------------------

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()
PYTHONS = ("3.11", "3.12", "3.13")


def locked(python: str) -> dict[str, str]:
    """Name -> version of what requirements.lock installs on Linux with `python`."""
    where = {"python_version": python, "python_full_version": f"{python}.1"}
    where |= {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
    where |= {"platform_machine": "x86_64", "implementation_name": "cpython"}
    versions = {}
    for line in LOCK.splitlines():
        if line.strip() and not line.startswith("#"):
            requirement = Requirement(line)
            (pin,) = requirement.specifier
            assert pin.operator == "==", line
            if requirement.marker is None or requirement.marker.evaluate(where):
                name = canonicalize_name(requirement.name)
                assert name not in versions, line
                versions[name] = pin.version
    return versions


@pytest.mark.parametrize("python", PYTHONS)
def test_every_dependency_is_locked_inside_its_range(python):
    versions = locked(python)
    assert python in SpecifierSet(PROJECT["requires-python"])
    for text in PROJECT["dependencies"]:
        wanted = Requirement(text)
        version = versions[canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(version), f"{text}: {version} is locked"


def test_the_lock_names_no_index_and_no_machine():
    for word in ("://", "--index", "--find-links", " @ ", "-e "):
        assert word not in LOCK
    assert not MACHINE.search(LOCK)


def test_the_conda_environment_is_the_lock_file():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    conda, pip = environment["dependencies"][:-1], environment["dependencies"][-1]["pip"]
    assert pip == ["-r requirements.lock", "-e ."]
    python = next(word.partition("=")[2] for word in conda if word.startswith("python="))
    assert python in PYTHONS
    assert "pip" in conda
    assert environment["channels"] == ["conda-forge"]


def imported(source: str) -> set[str]:
    """The packages that `source` imports, at its top or anywhere in it."""
    nodes, names = list(ast.walk(ast.parse(source))), []
    for node in nodes:
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
    return {name.split(".")[0] for name in names}


def test_whatever_is_imported_is_declared():
    """As a dependency or an extra of the project, or of something that the project declares."""
    extras = sum(PROJECT.get("optional-dependencies", {}).values(), [])
    declared = {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]}
    brought = {
        canonicalize_name(Requirement(text).name)
        for name in declared
        for text in importlib.metadata.requires(name) or ()
        if "extra ==" not in text
    }
    files = [*(ROOT / "fer_lib").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    names = set().union(
        *(imported(file.read_text()) for file in files), *map(imported, map(code, PATHS))
    )
    names -= {*sys.stdlib_module_names, "fer_lib", "tests", *(file.stem for file in files)}
    names -= {Requirement(text).name for text in extras}  # not installed, and said so where used
    owners = importlib.metadata.packages_distributions()
    assert {"torch", "numpy", "nbformat"} <= names
    for name in names:
        assert {canonicalize_name(owner) for owner in owners[name]} & (declared | brought), name


def test_hooks_run_what_the_lock_file_pins():
    (hooks,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert hooks["repo"] == "local"  # nothing is downloaded
    assert {hook["language"] for hook in hooks["hooks"]} == {"system"}
    assert {hook["entry"].split()[0] for hook in hooks["hooks"]} <= set(locked("3.11"))


def test_a_chapter_has_a_title_and_asks_a_question():
    for chapter in chapters.CHAPTERS:
        assert chapter.question.endswith("?")
        assert "?" not in chapter.title
