"""The command line of `./run_all.sh`: run the study, what checks it, or JupyterLab."""

import argparse
import errno
import fcntl
import getpass
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from fer_lib import config
from fer_lib.config import ROOT, UserError
from fer_lib.readers import sources
from fer_lib.run import asked, watch
from fer_lib.run.chapters import CHAPTERS, find
from fer_lib.tools import files

PLACE = ": set FER_WORK and FER_REPORTS to folders where you may write"
ADVICE = dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), PLACE)
ADVICE[errno.ENOSPC] = ": free some, or set FER_WORK and FER_REPORTS to folders on another disk"
OTHER = {"test": ["pytest"], "lab": ["jupyterlab", "notebooks"]}
OTHER |= {"bench": ["tests.benchmark"], "verify": ["docs.verify"]}
EXAMPLES = """examples:
  ./run_all.sh --profile cpu --data ferplus.zip  the committed FER+ report, overnight
  ./run_all.sh --only 04                         one notebook again
words after -- go to Snakemake, or to pytest and the like: ./run_all.sh -- --cores 1"""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, list the known words, and exit with 1."""

    def error(self, message: str):
        known = " ".join(option for action in self._actions for option in action.option_strings)
        print(f"error: {message}. Known: run {' '.join(OTHER)} {known}", file=sys.stderr)
        sys.exit(1)


def parser() -> argparse.ArgumentParser:
    """What `./run_all.sh` understands."""
    options = Parser(
        prog="./run_all.sh",
        description="Reproduce the study headless, step by step, in reports/DATASET-PROFILE/.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = options.add_argument
    add("what", nargs="?", default="run", choices=("run", *OTHER), help="default: run")
    add("--profile", default="quick", choices=config.PROFILES, help="size (default: quick)")
    add("--data", metavar="PATH", help="FER+ as a zip or folder (default: $FER_DATA, else ORL)")
    add("--seed", type=int, default=0, help="of split, noise and trainings (default: 0)")
    add("--seeds", type=int, default=0, help="trainings of each model (default: the profile's)")
    add("--only", metavar="NN", help="run this notebook again, and what it needs")
    add("--from", dest="start", metavar="NN", help="run this notebook and all after it again")
    add("--force", action="store_true", help="run everything again (trained networks are kept)")
    add("--executor", default="local", choices=("local", "slurm"), help="see docs/cluster.md")
    add("--list", action="store_true", help="list the notebooks and profiles, and stop")
    return options


def main(arguments: list[str]) -> int:
    """Do what the command line says; the exit code."""
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    options, extra = parser().parse_args(arguments[:cut]), arguments[cut + 1 :]
    try:
        if options.list:
            return _list()
        _set_environment(options, arguments)
        if options.what != "run":
            return subprocess.call([sys.executable, "-m", *OTHER[options.what], *extra], cwd=ROOT)
        return _run(options, extra)
    except (UserError, OSError, MemoryError) as error:
        what = str(error) or "no memory is left: take a smaller profile"
        print(f"error: {what}{ADVICE.get(getattr(error, 'errno', None), '')}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; run the same command again to go on", file=sys.stderr)
        return 130


def _list() -> int:
    for chapter in CHAPTERS:
        print(f"{chapter.number}  {chapter.title}: {chapter.question}")
    for name, settings in config.PROFILES.items():
        size = f"{settings.train_images or 'all'} + {settings.test_images or '20%'} images"
        shape = f"width {settings.width:g}, {settings.training.epochs} epochs"
        print(f"--profile {name:6} {size}, {shape}, {settings.seeds} seeds")
    return 0


def _set_environment(options: argparse.Namespace, arguments: list[str]) -> None:
    if options.data == "":
        raise UserError("--data is empty: give a zip or a folder, or leave --data away")
    os.environ["FER_DATA"] = options.data or os.environ.get("FER_DATA", "")
    for name in ("FER_DATA", "FER_WORK", "FER_REPORTS", "FER_NETWORKS"):  # steps run in ROOT
        if (path := os.environ.get(name, "~")) and path[0] != "~":
            os.environ[name] = str(Path(path).absolute())
    # Snakemake, Jupyter and PyTorch want a name and a home; users of containers may have neither.
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["USER"] = str(os.getuid())
    if not os.access(os.environ.get("HOME", "/"), os.W_OK):
        os.environ["HOME"] = str(config.WORK / "home")
    # glibc is to keep freed memory: else each step of a training has 43,000 page faults (counted).
    os.environ.setdefault("MALLOC_MMAP_MAX_", "0")
    os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**40))
    path = options.data or "\0"  # where the data lies is nobody's business
    words = [f"{w.removesuffix(path)}PATH" if w.endswith(path) else w for w in arguments]
    os.environ["FER_FROM"] = str(Path.cwd())
    os.environ["FER_COMMAND"] = shlex.join(["./run_all.sh", *words])


def _run(options: argparse.Namespace, extra: list[str]) -> int:
    settings = config.load(options.profile, options.seed, options.seeds)
    target, page = "report.json", "index.html"
    again = CHAPTERS if options.force else ()  # to be executed even if nothing has changed
    if options.start:
        again = CHAPTERS[CHAPTERS.index(find(options.start)) :]
    if options.only:
        again = (find(options.only),)
        target, page = f"{again[0].number}.page", f"{again[0].name}.html"
    dataset = _dataset()
    run = config.run_name(dataset["name"], settings)
    folder = config.WORK / run
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        try:  # the workflow inherits the lock, which lasts until the last of both is gone
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            who = f"another run of {run} is at work, process {(number := lock.read())}"
            if not Path("/proc", number).exists() and Path("/proc").exists():
                who += ", which was killed and its steps still end, or is on another machine"
            raise UserError(f"{who}: wait for it or stop it") from None
        lock.truncate(0)
        print(os.getpid(), end="", file=lock, flush=True)
        for chapter in again:
            (folder / f"{chapter.name}.ipynb").unlink(missing_ok=True)
        titles = asked.prepare(run, settings, dataset)
        command = _snakemake(run, target, options.executor, extra)
        code = watch.follow(command, run, titles, keep=[lock.fileno()])
    # Words for Snakemake may ask for less, such as a dry run.
    if code or not (extra or (folder / "made" / target).exists()):
        log = files.seen(folder / "log.txt")
        print(f"stopped; with that mended, the same command goes on (see {log})", file=sys.stderr)
        return 1
    print(files.seen(config.REPORTS / run / page))
    return 0


def _dataset() -> dict[str, str]:
    """Name and checksum of the data, decoded now unless it was before."""
    meta = sources.find()[1] / "meta.json"
    if not meta.exists():
        from fer_lib import data

        print("decoding the faces, once", flush=True)
        data.prepare()
    facts = asked.read(meta)
    return {name: facts[name] for name in ("name", "checksum")}


def _snakemake(run: str, target: str, executor: str, extra: list[str]) -> list[str]:
    """The command that makes the mark `target` of a run, and what it needs."""
    if executor == "slurm" and shlex.quote(sys.executable) != sys.executable:  # not quoted there
        raise UserError("--executor slurm: its jobs cannot start from a path with spaces: move it")
    place = {"local": ["--cores", "all"], "slurm": ["--profile", str(ROOT / "profiles" / "slurm")]}
    command = [sys.executable, "-m", "snakemake", f"made/{target}", "--rerun-triggers", "mtime"]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(config.WORK / run)]
    # Our own lock keeps two runs apart and, unlike Snakemake's, dies with the process. Threads of
    # Snakemake start the steps: as processes each would load Snakemake once more.
    command += ["--nolock", "--force-use-threads", "--scheduler", "greedy"]
    # A mark says that a step has ended, whatever Snakemake had still to note when it was killed:
    # else it would make that step again, and none that waits for it.
    command += ["--ignore-incomplete"]
    if target == "report.json":  # what the last chapter waits for comes first, or it ends alone
        command += ["--prioritize", f"made/{CHAPTERS[-1].number}.json"]
    return [*command, *place[executor], *extra, "--config", f"run={run}", f"executor={executor}"]


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGHUP):  # they stop a run as Ctrl-C does
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup has the second ignored
            signal.signal(number, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
