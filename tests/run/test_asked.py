"""What runs again: what has other versions, settings, data or tables, and nothing else."""

import dataclasses
import json
import os
from pathlib import Path

import pytest

from fer_lib import config, report
from fer_lib.run import asked, chapters
from fer_lib.run.chapters import CHAPTERS, WINGS
from fer_lib.tools import weights

RUN = "orl-smoke"
DATA = {"name": "orl", "checksum": "0" * 64}
EVERY = [chapter.number for chapter in CHAPTERS]
USE_METHODS = [chapter.number for chapter in CHAPTERS if "methods" in chapter.trainings]


@pytest.fixture
def run(tmp_path, monkeypatch) -> Path:
    """The folder of a run that is finished: every chapter made, every network trained."""
    for module in (asked, weights):
        monkeypatch.setattr(module, "WORK", tmp_path / "work")
        monkeypatch.setattr(module, "REPORTS", tmp_path / "reports")
    monkeypatch.setattr(weights, "finished", lambda key: True)
    notebooks = tmp_path / "notebooks"
    monkeypatch.setattr(chapters, "NOTEBOOKS", notebooks)
    notebooks.mkdir()
    tables = tmp_path / "reports" / RUN / "tables"
    tables.mkdir(parents=True)
    for chapter in CHAPTERS:
        chapter.source.write_text(f"the notebook {chapter.name}")
        (tables.parent / f"{chapter.name}.html").write_text(chapter.title)
        for name in chapter.writes:
            (tables / f"{name}.csv").write_text(name)
    for name in ("index.html", "run.json", "figures/losses.png", "viewer/1_0_clean.png"):
        (tables.parent / name).parent.mkdir(exist_ok=True)
        (tables.parent / name).write_text(name)
    prepare()
    for chapter in CHAPTERS:
        note = {"metadata": {"fer_lib": {"state": asked.state(RUN, chapter)}}}
        (tmp_path / "work" / RUN / f"{chapter.name}.ipynb").write_text(json.dumps(note))
        asked.mark(RUN, chapter)
    asked.seal(RUN)
    return tmp_path / "work" / RUN


def prepare(data: dict = DATA, **changes) -> dict[str, str]:
    return asked.prepare(RUN, dataclasses.replace(config.load("smoke"), **changes), data)


def left(run: Path) -> list[str]:
    """The chapters that are to be executed; or "report" where only the pages are to be made."""
    marks = {path.stem for path in (run / "made").iterdir()}
    chapters = [c.number for c in CHAPTERS if not asked.is_made(RUN, c)]
    assert marks.isdisjoint([*chapters, *(["report"] if chapters else [])])
    return chapters or [name for name in ("report",) if name not in marks]


def test_nothing_is_made_again_when_nothing_has_changed(run):
    files = {path: path.stat().st_mtime_ns for path in run.rglob("*.json")}
    prepare()
    assert left(run) == []
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*.json")} == files


def test_what_never_ran_is_to_be_made(tmp_path, run):
    for chapter in CHAPTERS:
        (run / f"{chapter.name}.ipynb").unlink()
    prepare()
    assert left(run) == EVERY


def test_a_raised_version_runs_the_chapters_that_use_it(run, monkeypatch):
    monkeypatch.setattr(WINGS["methods"], "VERSION", 10**6)
    prepare()
    assert left(run) == USE_METHODS != []


def test_a_raised_version_of_the_core_runs_every_chapter(run, monkeypatch):
    monkeypatch.setattr(config, "VERSION", 10**6)
    prepare()
    assert left(run) == EVERY


@pytest.mark.parametrize(
    "changes", [{"seed": 1}, {"resamples": 7}, {"data": {"name": "orl", "checksum": "1" * 64}}]
)
def test_other_settings_or_data_run_every_chapter(run, changes):
    prepare(**changes)
    assert left(run) == EVERY


def test_settings_of_a_wing_run_the_chapters_that_use_it(run, monkeypatch):
    plan = dataclasses.replace(WINGS["methods"].PLANS["smoke"], other_images=3)
    monkeypatch.setitem(WINGS["methods"].PLANS, "smoke", plan)
    prepare()
    assert left(run) == USE_METHODS


def test_a_changed_notebook_runs_that_chapter(run):
    chapters.find("03").source.write_text("other prose")
    prepare()
    assert left(run) == ["03"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"metadata": {}}', '{"metadata": null}'])
def test_an_executed_notebook_that_is_damaged_is_made_again(run, content):
    (run / f"{chapters.find('03').name}.ipynb").write_text(content)
    prepare()
    assert left(run) == ["03"]


def test_the_source_code_decides_nothing(run):
    """A comment must not cost a night. What decides instead is declared."""
    text = "".join(path.read_text() for path in (run / "asked").iterdir())
    assert ".py" not in text


@pytest.mark.parametrize("change", ["", None, "other numbers"], ids=["empty", "gone", "other"])
def test_a_changed_table_runs_who_wrote_it_and_who_reads_it(run, tmp_path, change):
    table = tmp_path / "reports" / RUN / "tables" / "references.csv"
    table.unlink() if change is None else table.write_text(change)
    prepare()
    assert left(run) == [c.number for c in CHAPTERS if "references" in c.reads + c.writes]


def test_what_comes_after_an_unmade_chapter_gets_its_turn(run):
    """Snakemake makes no missing mark again while one that depends on it is there."""
    (run / f"{chapters.find('02').name}.ipynb").unlink()
    prepare()
    assert left(run) == ["02"]
    unmarked = set(EVERY) - {path.stem for path in (run / "made").iterdir()}
    after = {c.number for c in CHAPTERS if "02" in c.after}
    assert unmarked >= {"02"} | after
    assert "01" not in unmarked


def test_a_table_that_comes_out_the_same_runs_nothing(run, tmp_path):
    table = tmp_path / "reports" / RUN / "tables" / "split.csv"
    table.write_text(table.read_text())
    os.utime(table)
    prepare()
    assert left(run) == []


@pytest.mark.parametrize("change", [None, "", "<html>cut"], ids=["gone", "empty", "other"])
@pytest.mark.parametrize(
    "name", ["index.html", "run.json", f"{CHAPTERS[2].name}.html", "figures/losses.png"]
)
def test_a_page_or_figure_that_is_gone_or_damaged_is_written_again(run, tmp_path, name, change):
    path = tmp_path / "reports" / RUN / name
    path.unlink() if change is None else path.write_text(change)
    prepare()
    assert left(run) == ["report"]


def test_files_of_others_in_a_report_change_nothing(run, tmp_path):
    (tmp_path / "reports" / RUN / "my notes.txt").write_text("mine")
    (tmp_path / "reports" / RUN / "networks").mkdir()
    (tmp_path / "reports" / RUN / "networks" / "mine.txt").write_text("mine")
    prepare()
    assert left(run) == []


def test_a_picture_of_the_viewer_that_is_gone_runs_its_chapter(run, tmp_path):
    (tmp_path / "reports" / RUN / "viewer" / "1_0_clean.png").unlink()
    prepare()
    assert left(run) == [c.number for c in CHAPTERS if "viewer" in c.writes]


def test_pages_go_by_their_version(run, monkeypatch):
    before = (run / "asked" / "report.json").read_text()
    monkeypatch.setattr(report, "VERSION", 10**6)
    prepare()
    assert (run / "asked" / "report.json").read_text() != before


def test_a_finished_training_is_marked_and_one_that_is_gone_is_not(run, monkeypatch):
    recipes = WINGS["methods"].recipes(config.load("smoke"), DATA["checksum"])
    marks = {path.name for path in (run / "trained").iterdir()}
    assert {recipe.key for recipe in recipes} <= marks
    monkeypatch.setattr(weights, "finished", lambda key: key != recipes[0].key)
    prepare()
    assert {path.name for path in (run / "trained").iterdir()} == marks - {recipes[0].key}
    monkeypatch.setattr(weights, "index", lambda: {recipes[0].key: Path("published")})
    prepare()
    assert {path.name for path in (run / "trained").iterdir()} == marks


def test_every_training_is_written_down_with_its_start_and_threads(run):
    for chapter in CHAPTERS:
        trainings = json.loads((run / "asked" / f"{chapter.number}.json").read_text())["trainings"]
        assert bool(trainings) == bool(chapter.trainings)
        for key in trainings:
            facts = json.loads((run / "trainings" / f"{key}.json").read_text())
            assert facts["threads"] == facts["recipe"]["training"]["threads"]
            if facts["start"]:
                assert (run / "trainings" / f"{facts['start']}.json").exists()


def test_every_step_has_a_title_for_people(run):
    titles = prepare()
    steps = [path.stem for path in (run / "asked").iterdir()]
    steps += [path.stem for path in (run / "trainings").iterdir()]
    assert set(titles) == set(steps)
    assert titles["02"] == "02 Training"
    trained = [titles[name] for name in steps if name.startswith("as-run-")]
    assert trained
    assert any(title.startswith("as-run, width 0.03125, ") for title in trained)
    assert all(", width 0.03125, " in title for title in trained)


def test_a_chapter_comes_after_those_whose_tables_it_reads():
    for chapter in CHAPTERS:
        assert all(number < chapter.number for number in chapter.after)
    assert chapters.find("01").after == []
    assert "01" in chapters.find("02").after


def test_every_wing_has_a_plan_for_every_profile():
    for name, wing in WINGS.items():
        assert wing.VERSION >= 1
        assert name == "core" or set(wing.PLANS) == set(config.PROFILES)
