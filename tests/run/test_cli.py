"""A wrong word ends in one line before anything is made; a failing notebook leaves no result."""

import json
import os
import subprocess
import sys
from pathlib import Path

import filelock
import nbformat
import pytest
from papermill.exceptions import PapermillExecutionError

from fer_lib import config
from fer_lib.config import UserError
from fer_lib.run import chapters, cli, execute

NOWHERE = "no-such-place/ferplus.zip"


@pytest.fixture
def folders(tmp_path) -> dict[str, str]:
    """Work and reports of the command line, both empty and away from the project's own."""
    return {"FER_WORK": str(tmp_path / "work"), "FER_REPORTS": str(tmp_path / "reports")}


def run(*words: str, environment: dict[str, str]) -> subprocess.CompletedProcess:
    """What `./run_all.sh WORDS` starts, once the environment is there."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("FER_")}
    command = [sys.executable, "-m", "fer_lib.run.cli", *words]
    options = {"capture_output": True, "text": True, "check": False}
    return subprocess.run(command, cwd=config.ROOT, env=known | environment, **options)


def refusal(*words: str, environment: dict[str, str]) -> str:
    """The one line that a wrong word gets, once it is sure that nothing else happened."""
    done = run(*words, environment=environment)
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith("\n")
    assert not Path(environment["FER_REPORTS"]).exists()
    assert not Path(environment["FER_WORK"]).exists()
    return done.stderr


@pytest.mark.parametrize(
    ("words", "listed"),
    [
        (["rum"], ["rum", "run", "test", "lab", "--profile", "--data"]),
        (["--profil", "cpu"], ["--profile", "run", "test", "lab"]),
        (["--prof", "cpu"], ["--profile"]),
        (["--profile", "huge"], ["huge", *config.PROFILES]),
        (["--only", "09"], ["09", "01", "02", "03", "04"]),
        (["--from", "10"], ["10", "01", "02", "03", "04", "05"]),
        (["--only", "training"], ["training", "01", "02", "03", "04"]),
        (["--seed", "-1"], ["-1"]),
        (["--seed", "one"], ["one"]),
        (["--seeds", "-2"], ["-2"]),
        (["--data", NOWHERE], [NOWHERE.split("/")[-1], "zip", "folder"]),
        (["--profile"], ["--profile"]),
    ],
    ids=" ".join,
)
def test_a_wrong_word_gets_one_line_and_changes_nothing(folders, words, listed):
    line = refusal(*words, environment=folders)
    assert not [word for word in listed if word not in line]


def test_missing_data_of_the_environment_is_named(folders):
    assert NOWHERE in refusal(environment=folders | {"FER_DATA": NOWHERE})


def test_data_of_another_kind_is_refused(folders, tmp_path):
    """Two layers down the same holds: one line, no report."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"miaow")
    done = run("--data", str(tmp_path / "photos"), environment=folders)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert not Path(folders["FER_REPORTS"]).exists()


def test_list_names_every_notebook_and_profile(folders):
    done = run("--list", environment=folders)
    assert (done.returncode, done.stderr) == (0, "")
    for chapter in chapters.CHAPTERS:
        assert f"{chapter.number}  {chapter.title}" in done.stdout
    for name in config.PROFILES:
        assert f"--profile {name}" in done.stdout
    assert not Path(folders["FER_WORK"]).exists()


def test_help_names_every_option(folders):
    done = run("--help", environment=folders)
    assert (done.returncode, done.stderr) == (0, "")
    options = "--profile --data --seed --seeds --only --from --force --list"
    assert not [word for word in options.split() if word not in done.stdout]


def test_a_second_run_of_the_same_is_refused_while_the_first_is_at_work(folders):
    lock = Path(folders["FER_WORK"]) / "orl-smoke" / "lock"
    lock.parent.mkdir(parents=True)
    with filelock.FileLock(lock):
        done = run("--profile", "smoke", environment=folders)
    assert done.returncode == 1
    assert done.stderr.startswith("error: another run of orl-smoke is at work")
    assert done.stderr.count("\n") == 1
    assert not Path(folders["FER_REPORTS"]).exists()


@pytest.fixture
def started(tmp_path, monkeypatch) -> list[tuple[str, ...]]:
    """The commands that the command line starts, none of which is."""
    commands = []
    monkeypatch.setattr(cli, "_python", lambda *words, keep=(): commands.append(words) or 0)
    monkeypatch.setattr(cli, "_dataset", lambda: {"name": "orl", "checksum": "0" * 64})
    monkeypatch.setattr(config, "WORK", tmp_path / "work")
    monkeypatch.setattr(config, "REPORTS", tmp_path / "reports")
    for name in ("FER_DATA", "FER_COMMAND", "FER_HEADLESS"):
        monkeypatch.setenv(name, "")  # so that what the command line sets is undone
    return commands


def test_a_run_is_one_call_of_snakemake_on_the_runs_first_page(started, tmp_path, capsys):
    assert cli.main(["--profile", "smoke", "--seed", "3", "--", "--jobs", "8"]) == 0
    (words,) = started
    page = tmp_path / "reports" / "orl-smoke" / "index.html"
    assert words[:3] == ("-m", "snakemake", str(page))
    assert "--jobs 8" in " ".join(words)
    assert words[-2:] == ("--config", "run=orl-smoke")
    assert "--forceall" not in words
    assert "--forcerun" not in words
    asked = json.loads((tmp_path / "work" / "orl-smoke" / "settings.json").read_text())
    assert asked["config"]["seed"] == 3
    assert asked["data"] == {"name": "orl", "checksum": "0" * 64}
    assert capsys.readouterr().out.strip() == os.path.relpath(page)


def test_the_same_settings_keep_the_date_of_their_file(started, tmp_path):
    """Snakemake goes by dates: a settings file that is written again would run all again."""
    asked, old = tmp_path / "work" / "orl-smoke" / "settings.json", 10**18
    cli.main(["--profile", "smoke"])
    os.utime(asked, ns=(old, old))
    cli.main(["--profile", "smoke"])
    assert asked.stat().st_mtime_ns == old
    cli.main(["--profile", "smoke", "--seed", "1"])
    assert asked.stat().st_mtime_ns > old


@pytest.mark.parametrize(
    ("words", "forced"),
    [
        (["--force"], "--forceall"),
        (["--only", "4"], "--forcerun run_04"),
        (["--from", "02"], "--forcerun run_02"),
    ],
    ids=["force", "only", "from"],
)
def test_what_is_asked_for_again_is_forced(started, words, forced):
    assert cli.main(["--profile", "smoke", *words]) == 0
    assert forced in " ".join(started[0])


def test_one_notebook_alone_renders_its_page_alone(started, tmp_path):
    assert cli.main(["--profile", "smoke", "--only", "4"]) == 0
    snakemake, pages = started
    work = tmp_path / "work" / "orl-smoke"
    assert snakemake[2] == str(work / "04_noise_evaluation.ipynb")
    assert pages == ("-m", "fer_lib.run.pages", "orl-smoke", "04")


@pytest.mark.parametrize("words", [[], ["--only", "04"]], ids=["run", "only"])
def test_a_failing_step_is_the_commands_failure(started, monkeypatch, capsys, words):
    calls = []
    monkeypatch.setattr(cli, "_python", lambda *command, keep=(): calls.append(command) or 3)
    assert cli.main(["--profile", "smoke", *words]) == 1
    assert len(calls) == 1  # no page is made of what failed
    output = capsys.readouterr()
    assert output.out == ""
    assert "stopped" in output.err


def test_ctrl_c_ends_in_a_line_not_in_a_traceback(started, monkeypatch, capsys):
    def interrupted(*words, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_python", interrupted)
    assert cli.main(["--profile", "smoke"]) == 130
    assert "run the same command again" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["{option} {path}", "{option}={path}"])
def test_the_command_that_is_recorded_names_no_path(started, monkeypatch, form):
    path = "/home/someone/ferplus.zip"
    cli.main(["--profile", "smoke", *form.format(option="--data", path=path).split()])
    assert os.environ["FER_DATA"].endswith("ferplus.zip")
    command = os.environ["FER_COMMAND"]
    assert command.startswith("./run_all.sh --profile smoke --data")
    assert "someone" not in command


# --- executing a notebook ------------------------------------------------------------------------


@pytest.fixture
def source(tmp_path) -> Path:
    """A notebook that fails unless its parameter is positive."""
    new = nbformat.v4
    parameters = new.new_code_cell("number = 1", metadata={"tags": ["parameters"]})
    check = 'print("before")\nassert number > 0, "not positive"'
    cells = [new.new_markdown_cell("# Tiny"), parameters, new.new_code_cell(check)]
    metadata = {"kernelspec": {"name": "python3", "display_name": "x", "language": "python"}}
    path = tmp_path / "tiny.ipynb"
    nbformat.write(new.new_notebook(cells=cells, metadata=metadata), path)
    return path


def test_an_unknown_parameter_is_refused_with_the_known_ones(source, tmp_path):
    with pytest.raises(UserError) as error:
        execute.execute(source, tmp_path / "out" / "tiny.ipynb", {"numbr": 1})
    assert all(word in str(error.value) for word in ("tiny.ipynb", "numbr", "number"))
    assert not (tmp_path / "out").exists()


def test_a_failure_of_several_lines_is_told_in_one(source, tmp_path, monkeypatch):
    def failing(source, target, parameters):
        raise PapermillExecutionError(2, 2, "", "ValueError", "first line\n\nsecond line", [])

    monkeypatch.setattr(execute, "_papermill", failing)
    with pytest.raises(UserError) as error:
        execute.execute(source, tmp_path / "out" / "tiny.ipynb", {})
    assert "ValueError: first line" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_a_failing_notebook_leaves_no_result_but_what_ran_before_it(source, tmp_path):
    target = tmp_path / "out" / "tiny.ipynb"
    with pytest.raises(UserError) as error:
        execute.execute(source, target, {"number": -1})
    (left,) = target.parent.iterdir()
    assert left.name == "tiny.failed.ipynb"
    assert "before" in left.read_text()
    message = str(error.value)
    assert message.startswith("tiny.ipynb, cell ")
    assert all(word in message for word in ("AssertionError", "not positive", left.name))

    execute.execute(source, target, {"number": 2}, command="./run_all.sh")
    (left,) = target.parent.iterdir()  # the failure is forgotten
    assert left == target
    text = target.read_text()
    executed = json.loads(text)
    assert "number = 2" in "".join("".join(cell["source"]) for cell in executed["cells"])
    assert executed["metadata"]["fer_lib"]["command"] == "./run_all.sh"
    assert executed["metadata"]["papermill"]["duration"] > 0
    assert str(tmp_path) not in text


def test_a_chapter_is_executed_with_the_runs_settings(tmp_path, monkeypatch, capsys):
    asked = tmp_path / "settings.json"
    settings = config.load("smoke", seed=4, seeds=1)
    asked.write_text(json.dumps({"config": settings.as_dict(), "data": {}}))
    calls = []
    monkeypatch.setattr(execute, "execute", lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(sys, "argv", ["notebook", str(tmp_path / "02_training.ipynb"), str(asked)])
    monkeypatch.setenv("FER_COMMAND", "./run_all.sh --seed 4")
    assert execute.main() == 0
    parameters = {"profile": "smoke", "seed": 4, "seeds": 1}
    source, target = chapters.find("02").source, tmp_path / "02_training.ipynb"
    assert calls == [(source, target, parameters, "./run_all.sh --seed 4")]
    assert capsys.readouterr().out.startswith("02 Training: ")


def test_a_failing_chapter_ends_in_one_line_and_code_1(tmp_path, monkeypatch, capsys):
    def failing(*arguments):
        raise UserError("what, where")

    asked = tmp_path / "settings.json"
    asked.write_text(json.dumps({"config": config.load("smoke").as_dict(), "data": {}}))
    monkeypatch.setattr(execute, "execute", failing)
    monkeypatch.setattr(sys, "argv", ["notebook", str(tmp_path / "01_x.ipynb"), str(asked)])
    assert execute.main() == 1
    assert capsys.readouterr().err == "error: what, where\n"
