"""Faults at every system call that changes a file of a run: is anything lost?

    python -m tests.faults [--step STEP] [--sample N] [--seed 0] [--write]

Each scene is a step of a run in a process of its own, on a few faces. `strace` first lists its
system calls on files below the run's folders. Then, in a fresh copy of the folders for each of
them, the same step is killed there, or told there that the disk is full or broken. After that the
plain step must finish without any help, with the files of an undisturbed run: byte by byte, but for
the file in which a training notes seconds. They come in an order drawn with the seed: --sample
tries the first N, --step those of one step, and Ctrl-C ends with what was tried so far. --write
puts the counts into docs/reliability.md.
"""

import argparse
import collections
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

RUN = "orl-smoke"
WORKERS = 2
LIMIT = 600  # seconds for a step
KILL, FULL, BROKEN = "signal=KILL", "error=ENOSPC", "error=EIO"
#: A notebook's pipes are not always written to in as many parts: such a trial does not count.
NOT_MET = "the fault was not met"
WORDS = {KILL: "killed", FULL: "disk full", BROKEN: "disk broken"}
#: The system calls that change a file, by what they do, and the faults that are tried there.
CALLS = {
    "write": (("write", "pwrite64", "writev"), (KILL, FULL, BROKEN)),
    "flush": (("fsync", "fdatasync"), (KILL, FULL, BROKEN)),
    "rename": (("rename", "renameat", "renameat2"), (KILL, FULL, BROKEN)),
    "delete": (("unlink", "unlinkat"), (KILL,)),
    "make a folder": (("mkdir", "mkdirat"), (KILL,)),
}
PAGE = Path(__file__).resolve().parents[1] / "docs" / "reliability.md"
START, END = "<!-- faults: made by tests/faults.py -->", "<!-- end of faults -->"


# The steps, each after those before it


def decode():
    from fer_lib import data

    data.prepare()


def plan():
    from fer_lib import config, data
    from fer_lib.run import asked

    facts = {"name": "orl", "checksum": data.load().checksum}
    asked.prepare(RUN, config.load("smoke"), facts)


def _recipe(study):
    from fer_lib import config

    part = study.part("sample", version=0)
    return config.reconstruction(study.settings, part, "cae", 0, epochs=3)


def train():
    from fer_lib.study import open_study

    study = open_study("smoke")
    study.reconstruct(_recipe(study))


def publish():
    from docs.publish import publish
    from fer_lib.config import REPORTS
    from fer_lib.study import open_study

    publish(_recipe(open_study("smoke")).key, REPORTS / RUN / "networks")


def results():
    import matplotlib.pyplot as plt
    import pandas as pd

    from fer_lib.study import open_study

    study = open_study("smoke")
    study.write(pd.DataFrame({"level": range(9), "ssim": 0.5}), "table")
    figure, axis = plt.subplots()
    axis.plot(range(9))
    study.show(figure, "figure", alt="a line", caption="A line.")


def chapter():
    import nbformat

    from fer_lib.config import WORK
    from fer_lib.run import execute
    from fer_lib.tools import files

    source = WORK.parent / "source.ipynb"
    cells = [nbformat.v4.new_code_cell("print(6 * 7)", id="a")]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python", "language": "python"}}
    if not source.exists():
        book = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
        files.write_text(source, nbformat.writes(book))
    execute.execute(source, WORK / RUN / "01_data_preparation.ipynb", {}, note=dict)


def page():
    from fer_lib.config import REPORTS, WORK
    from fer_lib.report import html

    book, target = WORK / RUN / "01_data_preparation.ipynb", REPORTS / RUN / "01.html"
    html.render(book, target, title="Data", nav=[("Data", "01.html")], banner="", run="A run")


SCENES = {step.__name__: step for step in (decode, plan, train, publish, results, chapter, page)}


# Trials


def step(scene: str, folder: Path, *before: str) -> subprocess.CompletedProcess:
    """Run a scene on the `work` and `reports` in `folder`."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("FER_", "PYTEST"))}
    environment |= {"FER_WORK": str(folder / "work"), "FER_REPORTS": str(folder / "reports")}
    environment |= {"FER_HEADLESS": "1", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [*before, sys.executable, "-m", "tests.faults", "--scene", scene]
    options = {"cwd": PAGE.parents[1], "capture_output": True, "text": True, "timeout": LIMIT}
    return subprocess.run(command, env=environment, **options)


def strace(log: Path, *inject: str) -> list[str]:
    """The main thread alone: it does all writing, and its calls come in the same order again."""
    names = ",".join(name for names, _ in CALLS.values() for name in names)
    return ["strace", "-y", "-qq", "-s", "400", "-o", str(log), "-e", f"trace={names}", *inject]


def points(scene: str, folder: Path) -> list[tuple[str, str, int]]:
    """(what, system call, its how many-th) for each call of a scene on a file in `folder`, where
    the scene then has run."""
    log = folder.with_suffix(".log")
    done = step(scene, folder, *strace(log))
    assert done.returncode == 0, done.stderr
    what = {name: kind for kind, (names, _) in CALLS.items() for name in names}
    count, found = collections.Counter(), []
    for line in log.read_text(errors="replace").splitlines():
        if match := re.match(r"(\w+)\(", line):
            count[match[1]] += 1
            if str(folder) in line:
                found.append((what[match[1]], match[1], count[match[1]]))
    return found


def trial(scene: str, start: Path, whole: Path, call: str, number: int, fault: str) -> str:
    """What came of one fault: "" if the next plain step made everything whole."""
    with tempfile.TemporaryDirectory() as place:
        folder, log = Path(place, "run"), Path(place, "run.log")
        shutil.copytree(start, folder)
        inject = f"inject={call}:{fault}:when={number}"
        hurt = step(scene, folder, *strace(log, "-e", inject))
        if not hurt.returncode and (lost := different(folder, whole)):
            return f"it said nothing, and {lost}"
        met = hurt.returncode if fault == KILL else "INJECTED" in log.read_text()
        if not met:
            return NOT_MET
        if fault != KILL and hurt.returncode and "Traceback" in hurt.stderr:
            return f"a traceback: {hurt.stderr.splitlines()[-1]}"
        again = step(scene, folder)
        if again.returncode:
            return f"the next step failed: {again.stderr.strip().splitlines()[-1]}"
        return different(folder, whole)


def different(folder: Path, whole: Path) -> str:
    """The first file in which two folders differ; temporary files, locks and the checkpoint of the
    epoch before do not count."""
    ours, theirs = (
        {p.relative_to(root): p for p in root.rglob("*") if p.is_file() and counts(p)}
        for root in (folder, whole)
    )
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in ours or name not in theirs:
            return f"{name} is {'left over' if name in ours else 'missing'}"
        if content(ours[name]) != content(theirs[name]):
            return f"{name} is another"
    return ""


def counts(path: Path) -> bool:
    return path.name not in ("lock", "seconds.json") and not path.name.startswith((".", "previous"))


def content(path: Path):
    """What must be the same: all but seconds and dates."""
    if path.suffix == ".ipynb":
        cells = json.loads(path.read_text())["cells"]
        return [(cell["source"], cell["outputs"]) for cell in cells]
    return path.read_bytes()


def sweep(
    sample: int | None, seed: int, only: str | None = None
) -> tuple[dict[tuple[str, str, str], list[str]], int]:
    """By scene, what and fault: what came of each trial; and how many trials there could be."""
    with tempfile.TemporaryDirectory() as place:
        trials, before = [], Path(place, "empty")
        before.mkdir()
        for scene in SCENES:
            after = Path(place, scene)
            shutil.copytree(before, after)
            for what, call, number in points(scene, after):
                for fault in CALLS[what][1] if only in (scene, None) else ():
                    trials.append((scene, what, fault, (scene, before, after, call, number, fault)))
            before = after
        total = len(trials)
        trials = random.Random(seed).sample(trials, total)[:sample]
        found = collections.defaultdict(list)
        with ThreadPoolExecutor(WORKERS) as pool:
            outcomes = pool.map(lambda one: trial(*one[-1]), trials)
            try:
                for (scene, what, fault, given), outcome in zip(trials, outcomes, strict=True):
                    if outcome != NOT_MET:
                        found[scene, what, fault].append(outcome)
                    if outcome:
                        print(f"{scene}, {given[3]} number {given[4]}, {WORDS[fault]}: {outcome}")
            except KeyboardInterrupt:  # with what was tried so far
                pool.shutdown(cancel_futures=True)
        return found, total


def table(found: dict[tuple[str, str, str], list[str]]) -> str:
    """Markdown: survived of tried, by step and fault."""
    outcomes = {(row, fault): [] for row in [*SCENES, "**all**"] for fault in WORDS}
    for (scene, _, fault), some in found.items():
        outcomes[scene, fault] += some
        outcomes["**all**", fault] += some
    lines = [f"| step | {' | '.join(WORDS.values())} |", "| --- | ---: | ---: | ---: |"]
    for row in [*SCENES, "**all**"]:
        some = [outcomes[row, fault] for fault in WORDS]
        cells = (f"{each.count('')} of {len(each)}" for each in some)
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    """The exit code: 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scene", choices=SCENES, help=argparse.SUPPRESS)
    parser.add_argument("--step", choices=SCENES)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.scene:
        try:
            SCENES[options.scene]()
        except (OSError, ValueError) as error:  # as the command line tells them
            sys.exit(f"error: {error}")
        return 0
    found, total = sweep(options.sample, options.seed, options.step)
    text = f"{table(found)}\n\n{sum(map(len, found.values()))} of {total} faults were tried."
    print(text)
    if options.write:
        from docs import readme  # drags in what takes longer than most scenes

        page = readme.insert(PAGE.read_text(encoding="utf-8"), f"{text}\n", START, END)
        PAGE.write_text(page, encoding="utf-8")
    return int(any(any(outcomes) for outcomes in found.values()))


if __name__ == "__main__":
    sys.exit(main())
