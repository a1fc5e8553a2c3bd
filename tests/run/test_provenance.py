"""A result says from which commit it is, and whether that commit is all that made it."""

import json
import subprocess
from pathlib import Path

import pytest

from fer_lib.run import provenance
from fer_lib.run.chapters import CHAPTERS

RUN = "orl-smoke"


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A small project in git with everything committed."""
    for name in (*provenance.INGREDIENTS, "README.md"):
        path = tmp_path / name if "." in name or name == "Snakefile" else tmp_path / name / "x.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("first\n")
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):  # set where a hook runs the tests
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    git(tmp_path, "init", "-q")
    commit(tmp_path)
    return tmp_path


def git(folder: Path, *words: str) -> str:
    settings = ["-c", "user.name=Someone", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    options = {"cwd": folder, "check": True, "capture_output": True, "text": True}
    return subprocess.run(["git", *settings, *words], **options).stdout.strip()


def commit(folder: Path) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "-q", "-m", "a change")
    return git(folder, "rev-parse", "HEAD")


def origin() -> tuple[str, bool]:
    note = provenance.note()
    return note["commit"], note["clean"]


def test_a_checkout_as_committed_is_clean(project):
    assert origin() == (git(project, "rev-parse", "HEAD"), True)


@pytest.mark.parametrize("name", ["fer_lib/x.py", "notebooks/new.ipynb", "Snakefile"])
def test_a_changed_or_new_ingredient_is_not_clean_until_it_is_committed(project, name):
    before, _ = origin()
    (project / name).write_text("other\n")
    assert origin() == (before, False)
    after = commit(project)
    assert origin() == (after, True)
    assert after != before


def test_what_makes_no_results_changes_neither_commit_nor_cleanness(project):
    before = origin()
    (project / "README.md").write_text("other\n")
    assert origin() == before
    assert commit(project) != before[0]
    assert origin() == before


def test_without_git_the_commit_is_unknown_and_nothing_is_clean(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert origin() == ("unknown", False)


def test_a_note_has_the_command_the_packages_and_the_hardware_but_no_path(project, monkeypatch):
    monkeypatch.setenv("FER_COMMAND", "./run_all.sh --profile cpu")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    note = provenance.note()
    assert note["command"] == "./run_all.sh --profile cpu"
    assert set(note["packages"]) == {*provenance.PACKAGES, "python"}
    assert note["hardware"]["cpu"]
    assert note["hardware"]["threads"] == 3
    assert str(project) not in json.dumps(note)


@pytest.mark.parametrize("commits", [["a"], ["a", "b"]], ids=["one commit", "several"])
def test_a_record_joins_what_the_notebooks_noted(tmp_path, monkeypatch, commits):
    monkeypatch.setattr(provenance, "WORK", tmp_path)
    core = {"profile": "smoke", "seed": 4, "seeds": 2}
    wanted = {"settings": {"core": core, "audit": {}}, "versions": {"core": 1}, "data": {}}
    (tmp_path / RUN / "asked").mkdir(parents=True)
    (tmp_path / RUN / "asked" / "report.json").write_text(json.dumps(wanted))
    for number, chapter in enumerate(CHAPTERS):
        note = {"commit": commits[number % len(commits)], "clean": number > 0, "hardware": {}}
        note |= {"packages": {}, "command": chapter.number}
        ran = {"duration": number + 0.26, "end_time": f"2026-11-{28 - number}T01:02:03"}
        metadata = {"fer_lib": note, "papermill": ran}
        (tmp_path / RUN / f"{chapter.name}.ipynb").write_text(json.dumps({"metadata": metadata}))
    record = provenance.record(RUN)
    assert record["commit"] == ("a" if len(commits) == 1 else "several, see notebooks")
    assert not record["clean"]
    assert record["date"] == "2026-11-28"
    assert record["command"] == CHAPTERS[-1].number
    assert record["seeds"] == [4, 5]
    assert record["config"] == core | {"audit": {}}
    assert list(record["notebooks"].values())[:2] == [commits[0], commits[-1]]
    assert record["seconds"][CHAPTERS[1].name] == 1.3
