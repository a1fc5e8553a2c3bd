"""A person sees one line and every error; an interrupted run leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fer_lib.config import ROOT, UserError
from fer_lib.run import step, train, watch

RUN = "orl-smoke"
TITLES = {"04": "04 Noise evaluation", "cae-0123": "cae, 30 epochs, seed 0"}


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    for module in (step, watch):
        monkeypatch.setattr(module, "WORK", tmp_path)
    folder = tmp_path / RUN
    (folder / "progress").mkdir(parents=True)
    return folder


def follow(code: str) -> int:
    return watch.follow([sys.executable, "-c", code], RUN, TITLES)


def test_only_errors_are_shown_and_everything_is_kept(folder, capsys):
    text = "note\nerror: 04.ipynb, cell 3: no\nmore"
    assert follow(f"import sys; print({text!r}); sys.exit(3)") == 3
    assert capsys.readouterr().err == "error: 04.ipynb, cell 3: no\n"
    assert (folder / "log.txt").read_text() == f"{text}\n"


def test_a_failure_that_says_nothing_is_told_by_its_last_words(folder, capsys):
    assert follow("import sys; sys.exit('snakemake: error: unknown argument --jbos')") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: snakemake: error: unknown argument --jbos (see ")
    assert line.endswith("log.txt)")


def test_a_workflow_that_was_killed_is_told_so(folder, capsys):
    assert follow("import os; print('Select jobs', flush=True); os.kill(os.getpid(), 9)") == -9
    assert capsys.readouterr().err.startswith("error: Snakemake was ended by signal 9, not by ")


def test_a_log_gets_a_line_for_every_step_that_ends(folder, capsys):
    code = "import time\nprint('total   3', flush=True)\nfor n in (1, 2, 3):\n"
    code += "    print(f'{n} of 3 steps (9%) done', flush=True); time.sleep(1.2)"
    assert follow(code) == 0
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" steps")[0] for line in lines] == ["1 of 3", "2 of 3", "3 of 3"]


def test_on_a_terminal_the_line_is_taken_away_in_the_end(folder, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert follow("print('total   3', flush=True)\nprint('1 of 3 steps (9%) done')") == 0
    shown = capsys.readouterr().err
    assert "1 of 3 steps done" in shown
    assert shown.endswith("\r\x1b[K")


def test_the_line_says_what_runs_how_far_and_how_long(folder):
    view = watch._View(RUN, TITLES, iter([]))
    view.done, view.total, view.start = 1, 4, time.monotonic() - 600
    (folder / "progress" / "04").write_text("0.4000 95 scoring")
    (folder / "progress" / "cae-0123").write_text("0.6000 7500 training cae-0123")
    left, *steps = view._text().split(" · ")
    assert left == "1 of 4 steps done, about 10 min left"
    assert steps == [
        "04 Noise evaluation: scoring 40%, 2 min left",
        "cae, 30 epochs, seed 0: 60%, 2 h 05 min left",
    ]
    (folder / "progress" / "04").write_text("")
    assert "04 Noise evaluation ·" in view._text()


def test_an_interrupt_ends_all_that_was_started(tmp_path):
    """Also a child that takes no hint, as a kernel in the middle of a computation."""
    (tmp_path / RUN).mkdir()
    stubborn = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    stubborn += "print('on', flush=True); time.sleep(99)"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {stubborn!r}])"
    code = (
        "import signal, sys; from fer_lib.run import watch; watch.PATIENCE = 0.5\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"watch.follow([sys.executable, '-c', {child!r}], {RUN!r}, {{}})"
    )
    environment = os.environ | {"FER_WORK": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
    )
    log = tmp_path / RUN / "log.txt"
    wait_until(lambda: log.exists() and "on" in log.read_text())
    assert running(stubborn)
    process.send_signal(signal.SIGINT)
    process.wait(30)
    wait_until(lambda: not running(stubborn))


def test_what_was_started_ends_with_a_parent_that_is_killed(tmp_path):
    """Nobody can tidy up after SIGKILL: the children look whether their parent is there."""
    (tmp_path / RUN).mkdir()
    inner = "from fer_lib.run import step; import time; step.end_with_parent(); "
    inner += "print('on', flush=True); time.sleep(98)"
    child = "import os, subprocess, sys; from fer_lib.run import step; step.end_with_parent(); "
    child += "os.environ['FER_PARENT'] = str(os.getpid()); "
    child += f"subprocess.run([sys.executable, '-c', {inner!r}])"
    code = "import sys; from fer_lib.run import watch; "
    code += f"watch.follow([sys.executable, '-c', {child!r}], {RUN!r}, {{}})"
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | {"FER_WORK": str(tmp_path)}
    )
    log = tmp_path / RUN / "log.txt"
    wait_until(lambda: log.exists() and "on" in log.read_text())
    process.kill()
    process.wait(30)
    wait_until(lambda: not running(inner), 10)
    assert not running(child)


def running(code: str) -> bool:
    """Whether a process was started with just this code (on Linux)."""
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    return any(line.split(b"\0")[2:3] == [code.encode()] for line in lines)


def wait_until(condition, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


# --- a step --------------------------------------------------------------------------------------


@pytest.fixture
def failing(folder, monkeypatch):
    """Do a step that fails; its last words, with which it exits with 1."""

    def failing(error: Exception) -> str:
        def fail(run, name):
            assert (run, name) == (RUN, "04")
            raise error

        monkeypatch.setattr(train, "make", fail)
        monkeypatch.setattr(sys, "argv", ["step", "train", RUN, "04"])
        with pytest.raises(SystemExit) as end:
            step.main()
        return end.value.code

    return failing


def test_a_mistake_is_told_in_one_line(failing, capsys):
    assert failing(UserError("what, where, what to do")) == "error: what, where, what to do"
    assert capsys.readouterr() == ("", "")


def test_a_bug_is_told_in_one_line_after_its_traceback(failing, capsys):
    last = failing(ZeroDivisionError("first\nsecond"))
    assert last.startswith("error: 04: ZeroDivisionError: first second (see ")
    assert "\n" not in last
    assert capsys.readouterr().err.startswith("Traceback")


def test_the_log_is_named_as_seen_from_where_the_run_was_started(failing, monkeypatch, tmp_path):
    monkeypatch.setenv("FER_FROM", str(tmp_path / "a" / "b"))
    named = failing(ZeroDivisionError()).rpartition("(see ")[2].rstrip(")")
    assert (tmp_path / "a" / "b" / named).resolve() == (step.WORK / RUN / "log.txt").resolve()


def test_a_step_that_was_killed_says_why_that_may_be(folder, monkeypatch, capsys):
    def killed(command, **options):
        raise subprocess.CalledProcessError(-signal.SIGKILL, command)

    monkeypatch.setattr(subprocess, "run", killed)
    with pytest.raises(subprocess.CalledProcessError):
        step.start("train", RUN, "cae-0123", 2)
    assert capsys.readouterr().out.startswith("error: cae-0123 was killed, mostly for want of mem")


def test_a_step_has_its_threads_and_its_progress_only_while_it_runs(folder, monkeypatch):
    seen = {}

    def started(command, env, **options):
        seen.update(command=command[1:], there=Path(env["FER_PROGRESS"]).exists(), **env)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "run", started)
    with pytest.raises(KeyboardInterrupt):
        step.start("train", RUN, "cae-0123", 2)
    assert seen["command"] == ["-m", "fer_lib.run.step", "train", RUN, "cae-0123"]
    assert seen["there"]
    assert seen["OMP_NUM_THREADS"] == "2"
    assert seen["FER_PROGRESS"] == str(folder / "progress" / "cae-0123")
    assert list((folder / "progress").iterdir()) == []
