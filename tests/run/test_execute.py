"""A notebook is executed whole or leaves no result but what ran before the failure."""

import json
from pathlib import Path

import nbformat
import papermill
import pytest
from papermill.exceptions import PapermillExecutionError

from fer_lib.config import UserError
from fer_lib.run import asked, chapters, execute


@pytest.fixture
def source(tmp_path) -> Path:
    """A notebook that fails unless its parameter is positive, in a path that a person may have."""
    new = nbformat.v4
    parameters = new.new_code_cell("number = 1", metadata={"tags": ["parameters"]})
    check = 'print("before")\nassert number > 0, "not positive"'
    cells = [new.new_markdown_cell("# Tiny"), parameters, new.new_code_cell(check)]
    metadata = {"kernelspec": {"name": "python3", "display_name": "x", "language": "python"}}
    path = tmp_path / "it's {x} [2]" / "tiny.ipynb"
    path.parent.mkdir()
    nbformat.write(new.new_notebook(cells=cells, metadata=metadata), path)
    return path


def test_a_failure_of_several_lines_is_told_in_one(source, tmp_path, monkeypatch):
    def failing(*paths, **options):
        raise PapermillExecutionError(2, 2, "", "ValueError", "first line\n\nsecond line", [])

    monkeypatch.setattr(papermill, "execute_notebook", failing)
    with pytest.raises(UserError) as error:
        execute.execute(source, tmp_path / "out" / "tiny.ipynb", {}, note=dict)
    assert "ValueError: first line" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", [None, "", "{", "[1]", '{"cells": 1}', '{"nbformat": 4}'])
def test_a_notebook_that_is_none_is_named(source, tmp_path, text):
    source.unlink() if text is None else source.write_text(text)
    with pytest.raises(UserError, match=r"^cannot read .*tiny\.ipynb.*`git checkout notebooks`"):
        execute.execute(source, tmp_path / "out" / "tiny.ipynb", {}, note=dict)


@pytest.mark.slow
def test_a_kernel_that_was_killed_is_told_in_one_line(source, tmp_path):
    notebook = nbformat.read(source, as_version=4)
    notebook.cells[-1].source = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    nbformat.write(notebook, source)
    with pytest.raises(
        UserError, match=r"^tiny\.ipynb was killed, mostly for want of memory: close"
    ):
        execute.execute(source, tmp_path / "out" / "tiny.ipynb", {}, note=dict)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.slow
def test_a_foreign_kernel_of_the_same_name_is_not_taken(source, tmp_path, monkeypatch):
    kernel = tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    foreign = {"argv": ["/nowhere/python"], "display_name": "x", "language": "python"}
    kernel.write_text(json.dumps(foreign))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    execute.execute(source, tmp_path / "out" / "tiny.ipynb", {"number": 2}, note=dict)
    assert "before" in (tmp_path / "out" / "tiny.ipynb").read_text()


@pytest.mark.slow
def test_a_failing_notebook_leaves_no_result_but_what_ran_before_it(source):
    target = source.parent / "out" / "tiny.ipynb"
    with pytest.raises(UserError) as error:
        execute.execute(source, target, {"number": -1}, note=dict)
    (left,) = target.parent.iterdir()
    assert left.name == "tiny.failed.ipynb"
    assert "before" in left.read_text()
    message = str(error.value)
    assert message.startswith("tiny.ipynb, cell ")
    assert all(word in message for word in ("AssertionError", "not positive", left.name))

    execute.execute(source, target, {"number": 2}, note=lambda: {"command": "./run_all.sh"})
    (left,) = target.parent.iterdir()  # the failure is forgotten
    assert left == target
    text = target.read_text()
    executed = json.loads(text)
    assert "number = 2" in "".join("".join(cell["source"]) for cell in executed["cells"])
    assert executed["metadata"]["fer_lib"] == {"command": "./run_all.sh"}
    assert executed["metadata"]["papermill"]["duration"] > 0
    assert source.parent.name not in text


@pytest.mark.parametrize("data", ["orl", "ferplus"])
@pytest.mark.parametrize("made", [False, True])
def test_a_chapter_is_executed_with_the_runs_settings_unless_it_would_come_out_the_same(
    monkeypatch, tmp_path, made, data
):
    calls, marks, parameters = [], [], {"profile": "smoke", "seed": 4, "seeds": 1}
    monkeypatch.setattr(execute, "WORK", tmp_path)
    monkeypatch.setattr(
        execute, "execute", lambda *words, note, **more: calls.append((words, more))
    )
    monkeypatch.setattr(asked, "facts", lambda run: {"name": data})
    monkeypatch.setattr(asked, "parameters", lambda run: parameters)
    monkeypatch.setattr(asked, "is_made", lambda run, chapter: made)
    monkeypatch.setattr(asked, "mark", lambda run, chapter: marks.append(chapter.number))
    execute.make("orl-smoke", "02")
    source, target = chapters.find("02").source, tmp_path / "orl-smoke" / "02_training.ipynb"
    more = {"without": ("votes",) if data == "orl" else ()}
    assert calls == ([] if made else [((source, target, parameters), more)])
    assert marks == ["02"]


@pytest.mark.slow
def test_cells_that_the_data_cannot_serve_are_left_out(source, tmp_path):
    notebook = nbformat.read(source, as_version=4)
    notebook.cells[-1].metadata["tags"] = ["votes"]
    nbformat.write(notebook, source)
    target = tmp_path / "tiny.ipynb"
    execute.execute(source, target, {"number": -1}, without=("votes",), note=dict)
    assert "not positive" not in target.read_text()
    assert "# Tiny" in target.read_text()
