"""A wrong word ends in one line before anything is made; what is asked for reaches Snakemake."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import filelock
import pytest
import yaml

from fer_lib import config
from fer_lib.run import asked, chapters, cli

NOWHERE = "no-such-place/ferplus.zip"
EVERY = [chapter.number for chapter in chapters.CHAPTERS]
UNKNOWN = f"{len(EVERY) + 1:02}"


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
        (["rum"], ["rum", "run", "test", "lab", "bench", "verify", "--profile", "--data"]),
        (["--profil", "cpu"], ["--profile", "run", "test", "lab", "bench", "verify"]),
        (["--prof", "cpu"], ["--profile"]),
        (["--profile", "huge"], ["--profile", "huge", *config.PROFILES]),
        (["--only", UNKNOWN], [UNKNOWN, "01", "02", "03", "04"]),
        (["--from", UNKNOWN], [UNKNOWN, "01", "02", "03", "04", "05"]),
        (["--only", "training"], ["training", "01", "02", "03", "04"]),
        (["--seed", "-1"], ["-1"]),
        (["--seed", "one"], ["one"]),
        (["--seeds", "-2"], ["-2"]),
        (["--data", NOWHERE], [NOWHERE.split("/")[-1], "zip", "folder"]),
        (["--profile"], ["--profile"]),
        (["--data", ""], ["--data is empty", "zip", "folder"]),
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
        lock.write_text(str(os.getpid()))
        done = run("--profile", "smoke", environment=folders)
    assert done.returncode == 1
    who = f"another run of orl-smoke is at work, process {os.getpid()}: "
    assert done.stderr.startswith(f"error: {who}")
    assert done.stderr.count("\n") == 1
    assert not Path(folders["FER_REPORTS"]).exists()


@pytest.mark.skipif(not Path("/proc").exists(), reason="Linux tells of processes")
def test_a_lock_whose_process_is_gone_says_what_may_hold_it(folders):
    lock = Path(folders["FER_WORK"]) / "orl-smoke" / "lock"
    lock.parent.mkdir(parents=True)
    with filelock.FileLock(lock):
        lock.write_text("9999999")  # no process has it
        done = run("--profile", "smoke", environment=folders)
    assert "process 9999999, which was killed and its steps still end, or is on " in done.stderr


@pytest.fixture
def started(tmp_path, monkeypatch) -> list[list[str]]:
    """The commands that the command line starts, none of which is."""
    commands = []

    def follow(command, *_, keep):
        commands.append(command)
        mark = tmp_path / "work" / "orl-smoke" / command[3]
        mark.parent.mkdir(exist_ok=True)
        mark.touch()
        return 0

    monkeypatch.setattr(cli.watch, "follow", follow)
    monkeypatch.setattr(cli, "_dataset", lambda: {"name": "orl", "checksum": "0" * 64})
    for module in (config, asked):
        monkeypatch.setattr(module, "WORK", tmp_path / "work")
        monkeypatch.setattr(module, "REPORTS", tmp_path / "reports")
    for name in ("FER_DATA", "FER_COMMAND", "FER_WORK", "FER_REPORTS", "FER_NETWORKS"):
        monkeypatch.setenv(name, "")  # so that what the command line sets is undone
    for chapter in chapters.CHAPTERS:
        executed = tmp_path / "work" / "orl-smoke" / f"{chapter.name}.ipynb"
        executed.parent.mkdir(parents=True, exist_ok=True)
        executed.write_text('{"metadata": {}}')
    return commands


def executed(tmp_path) -> list[str]:
    """The numbers of the chapters that are not forgotten."""
    return sorted(path.name[:2] for path in (tmp_path / "work" / "orl-smoke").glob("*.ipynb"))


def test_a_run_is_one_call_of_snakemake_on_the_report(started, tmp_path, capsys):
    assert cli.main(["--profile", "smoke", "--seed", "3", "--", "--jobs", "8"]) == 0
    (command,) = started
    assert command[1:4] == ["-m", "snakemake", "made/report.json"]
    assert command[command.index("--directory") + 1] == str(tmp_path / "work" / "orl-smoke")
    assert "--jobs 8" in " ".join(command)
    assert command[-3:] == ["--config", "run=orl-smoke", "executor=local"]
    text = (tmp_path / "work" / "orl-smoke" / "asked" / "01.json").read_text()
    assert json.loads(text)["settings"]["core"]["seed"] == 3
    assert json.loads(text)["data"] == {"name": "orl", "checksum": "0" * 64}
    page = tmp_path / "reports" / "orl-smoke" / "index.html"
    assert capsys.readouterr().out.strip() == os.path.relpath(page)
    assert executed(tmp_path) == EVERY


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["--force"], []),
        (["--only", "4"], [number for number in EVERY if number != "04"]),
        (["--from", "02"], ["01"]),
    ],
    ids=["force", "only", "from"],
)
def test_what_is_asked_for_again_is_forgotten(started, tmp_path, words, kept):
    assert cli.main(["--profile", "smoke", *words]) == 0
    assert executed(tmp_path) == kept


def test_one_notebook_alone_renders_its_page_alone(started, tmp_path, capsys):
    assert cli.main(["--profile", "smoke", "--only", "4"]) == 0
    (command,) = started
    assert command[3] == "made/04.page"
    assert capsys.readouterr().out.strip().endswith("04_noise_evaluation.html")


def test_the_lock_says_which_process_runs(started, tmp_path):
    for _ in range(2):
        cli.main(["--profile", "smoke"])
        lock = tmp_path / "work" / "orl-smoke" / "lock"
        assert lock.read_text() == str(os.getpid())


def test_relative_folders_are_seen_from_where_one_stands(started, monkeypatch, tmp_path):
    """The steps run in the project's folder."""
    monkeypatch.chdir(tmp_path)
    names = ("FER_DATA", "FER_WORK", "FER_REPORTS", "FER_NETWORKS")
    for name in names:
        monkeypatch.setenv(name, f"a b/{name}")
    assert cli.main(["--profile", "smoke"]) == 0
    for name in names:
        assert os.environ[name] == str(tmp_path / "a b" / name)
    monkeypatch.setenv("FER_DATA", "~/faces")
    cli.main(["--profile", "smoke"])
    assert os.environ["FER_DATA"] == "~/faces"
    cli.main(["--profile", "smoke", "--data", "other.zip"])
    assert os.environ["FER_DATA"] == str(tmp_path / "other.zip")


def test_a_user_without_name_and_home_gets_both(started, monkeypatch, tmp_path):
    def nameless():
        raise KeyError("getpwuid(): uid not found: 4711")

    for name in ("USER", "HOME"):
        monkeypatch.setenv(name, "before")  # so that it is undone
    monkeypatch.setattr(cli.getpass, "getuser", nameless)
    monkeypatch.setattr(cli.os, "access", lambda path, mode: path != "before")
    assert cli.main(["--profile", "smoke"]) == 0
    assert os.environ["USER"] == str(os.getuid())
    assert os.environ["HOME"] == str(tmp_path / "work" / "home")


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC, errno.EROFS])
def test_a_folder_that_cannot_be_written_is_told_in_one_line(started, monkeypatch, capsys, number):
    def failing(*words):
        raise OSError(number, os.strerror(number), "/some/where")

    monkeypatch.setattr(asked, "prepare", failing)
    assert cli.main(["--profile", "smoke"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert os.strerror(number) in line
    assert "/some/where" in line
    assert "set FER_WORK and FER_REPORTS to folders " in line


def test_want_of_memory_is_told_in_one_line(started, monkeypatch, capsys):
    def failing(*words):
        raise MemoryError

    monkeypatch.setattr(asked, "prepare", failing)
    assert cli.main(["--profile", "smoke"]) == 1
    assert capsys.readouterr().err == "error: no memory is left: take a smaller profile\n"


@pytest.mark.parametrize("words", [[], ["--only", "04"]], ids=["run", "only"])
@pytest.mark.parametrize("code", [0, 3], ids=["nothing made", "failed"])
def test_a_failing_step_is_the_commands_failure(started, monkeypatch, capsys, words, code):
    monkeypatch.setattr(cli.watch, "follow", lambda *_, **__: code)
    assert cli.main(["--profile", "smoke", *words]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert "stopped" in output.err


def test_ctrl_c_ends_in_a_line_not_in_a_traceback(started, monkeypatch, capsys):
    def interrupted(*words, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.watch, "follow", interrupted)
    assert cli.main(["--profile", "smoke"]) == 130
    assert "run the same command again" in capsys.readouterr().err


def test_planning_a_run_loads_neither_numpy_nor_torch():
    code = "import sys, fer_lib.run.cli; sys.exit(bool({'numpy', 'torch'} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=config.ROOT, check=False).returncode == 0
    )


@pytest.mark.parametrize("form", ["{option} {path}", "{option}={path}"])
def test_the_command_that_is_recorded_names_no_path(started, monkeypatch, form):
    path = "/home/someone/ferplus.zip"
    cli.main(["--profile", "smoke", *form.format(option="--data", path=path).split()])
    assert os.environ["FER_DATA"].endswith("ferplus.zip")
    command = os.environ["FER_COMMAND"]
    assert command.startswith("./run_all.sh --profile smoke --data")
    assert "someone" not in command
    assert command.endswith("PATH")


def test_a_cluster_is_one_flag(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/venv/bin/python")  # its own may have a space
    options = cli.parser().parse_args(["--executor", "slurm"])
    command = cli._snakemake("orl-smoke", "report.json", options.executor, ["--jobs", "3"])
    profile = Path(command[command.index("--profile") + 1]) / "config.yaml"
    settings = yaml.safe_load(profile.read_text(encoding="utf-8"))
    assert settings["executor"] == "slurm"
    assert settings["retries"] > 0  # a training that meets its time limit goes on
    assert "--cores" not in command  # those of this machine would limit the cluster's
    assert command[-1] == "executor=slurm"


def test_slurm_is_refused_where_its_jobs_could_not_start(monkeypatch):
    """sbatch gets the path of Python without quotes."""
    monkeypatch.setattr(sys, "executable", "/home/me/My Documents/.venv/bin/python")
    with pytest.raises(config.UserError, match="a path with spaces: move it"):
        cli._snakemake("orl-smoke", "report.json", "slurm", [])
    assert cli._snakemake("orl-smoke", "report.json", "local", [])[0] == sys.executable


def test_only_one_notebook_asks_for_no_other():
    """Snakemake makes what it is told to prioritise, even if nothing else needs it."""
    whole, one = (cli._snakemake("orl-smoke", t, "local", []) for t in ("report.json", "01.page"))
    assert f"made/{EVERY[-1]}.json" in whole
    assert [word for word in one if word.startswith("made/")] == ["made/01.page"]
