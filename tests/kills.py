"""A whole smoke run that is killed again and again: is anything lost?

    python -m tests.kills [--seed 0] [--folder FOLDER] [--only PLACE ...] [--write]

After an undisturbed run another one is killed, and started again by the same plain command, until
it is through. In each chapter, in the trainings and while the pages are made, three things are
killed in turn, each at a random moment: the process that does the work (a chapter's kernel),
Snakemake, and the first process. A kill is survived if the run then ends with all its processes, in
a line that starts with "error: " where one is left to say it, and goes on when it is started again.
In the end weights, tables and pictures must be those of the undisturbed run, byte by byte but for
tables of times. --folder keeps both runs, and takes an undisturbed one that is there; --only kills
in these places of PLACES; --write puts the counts into docs/reliability.md.
"""

import argparse
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from docs import readme
from fer_lib.config import ROOT
from fer_lib.run.chapters import CHAPTERS
from tests import faults

PLACES = ("a training", *(f"chapter {chapter.number}" for chapter in CHAPTERS), "the pages")
VICTIMS = ("the worker", "Snakemake", "the first process")
LIMIT, PATIENCE = 3600, 60  # seconds for a run, and for its processes to end
LONGEST = 10  # seconds from the start of a piece of work to a kill in it
AGAIN = 5  # times that chapters which ended before a kill are made again
START, END = "<!-- kills: made by tests/kills.py -->", "<!-- end of kills -->"


class Run:
    """One start of the plain command on the `work` and `reports` in `folder`."""

    def __init__(self, folder: Path):
        given = {k: v for k, v in os.environ.items() if not k.startswith(("FER_", "PYTEST"))}
        given |= {"FER_WORK": str(folder / "work"), "FER_REPORTS": str(folder / "reports")}
        self.said = folder / "said.txt"
        command = [sys.executable, "-P", "-m", "fer_lib.run.cli", "--profile", "smoke"]
        with self.said.open("w") as output:
            self.process = subprocess.Popen(
                command,
                env=given | {"PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.first = psutil.Process(self.process.pid)

    def processes(self) -> dict[psutil.Process, list[str]]:
        """The command lines of all its processes."""
        found = {}
        for process in [self.first, *self.first.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):  # it has just ended
                found[process] = process.cmdline()
        return found

    def work(self) -> dict[str, psutil.Process]:
        """The processes that do the work, by their place."""
        found, there = {}, self.processes()
        for process, words in there.items():
            if "fer_lib.run.step" in words:
                module, _, name = words[-3:]
                if module == "execute":
                    kernels = [p for p, w in there.items() if "ipykernel_launcher" in w]
                    ours = [p for p in kernels if parent(p) == process.pid]
                    found |= {f"chapter {name}": kernel for kernel in ours}
                else:
                    found["a training" if module == "train" else "the pages"] = process
        return found

    def kill(self, victims: list[psutil.Process]) -> str:
        """What was wrong with how the run then ended; "" if nothing was."""
        there = list(self.processes())
        for victim in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.kill()
        try:
            self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            return "the run went on"
        _, alive = psutil.wait_procs(there, PATIENCE)
        if alive:
            return f"{len(alive)} processes went on"
        if self.first not in victims and self.process.returncode and not self.errors():
            return "it did not say why it stopped"
        return ""

    def errors(self) -> list[str]:
        return [line for line in self.said.read_text().splitlines() if line.startswith("error: ")]


def parent(process: psutil.Process) -> int:
    try:
        return process.ppid()
    except psutil.Error:
        return 0


def watch(folder: Path, look: Callable[[Run, dict[str, float]], None]) -> Run:
    """Run once to the end, and meanwhile `look` at the run and the seconds of what is at work."""
    run, since = Run(folder), {}
    while run.process.poll() is None:
        work = run.work()
        since = {place: since.get(place, time.monotonic()) for place in work}
        look(run, {place: time.monotonic() - start for place, start in since.items()})
        time.sleep(0.1)
    return run


def undisturbed(folder: Path) -> dict[str, float]:
    """Run to the end; how many seconds the work at each place took, the shortest if several did."""
    now, took = {}, {}

    def look(run: Run, seconds: dict[str, float]) -> None:
        for place in now.keys() - seconds.keys():
            took[place] = min(took.get(place, LIMIT), now[place])
        now.clear()
        now.update(seconds)

    run = watch(folder, look)
    assert run.process.returncode == 0, run.said.read_text()
    return took | {place: min(took.get(place, LIMIT), now[place]) for place in now}


def disturbed(folder: Path, took: dict[str, float], chance: random.Random, places) -> dict:
    """Kill each victim at each place, and finish; what came of it, by (place, victim)."""
    # The worker last: what runs beside it ends well, and would be missed.
    left = dict.fromkeys(PLACES, [])
    left |= {place: [VICTIMS[0], *chance.sample(VICTIMS[1:], 2)] for place in places}
    after = {}  # seconds of work at a place until the next kill there
    outcomes = {}

    def rank(place: str) -> tuple:
        # A training comes last, there are several. The shorter chapter first: it must not end
        # while the kills of another one are waited for.
        return place == PLACES[0], len(left[place]) == 1, took.get(place, LIMIT)

    def look(run: Run, seconds: dict[str, float]) -> None:
        if not (waiting := sorted((p for p in seconds if left[p]), key=rank)):
            return
        place, soonest = waiting[0], min(took.get(p, 2) for p in waiting)
        if place not in after:
            after[place] = chance.uniform(0, min(0.9 * soonest, LONGEST))
        if seconds[place] < after[place]:
            return
        snakemake = [p for p, words in run.processes().items() if "snakemake" in words]
        workers = run.work()
        if place not in workers or not snakemake:
            return  # it has just ended
        name = left[place][-1]
        hit, victims = [place], [run.first if name == VICTIMS[2] else snakemake[0]]
        if name == VICTIMS[0]:  # all that work side by side, where it is their turn
            hit = [p for p in workers if p == place or left[p] == [name]]
            victims = [workers[p] for p in hit]
        outcome = run.kill(victims)
        for one in hit:
            print(f"{one}: {name} killed: {outcome or 'ended'}", flush=True)
            outcomes[one, name] = outcome
            left[one].remove(name)
        after.pop(place)

    before, again = -1, AGAIN
    while True:
        run = watch(folder, look)
        if run.process.returncode == 0:
            missed = [n for p in PLACES if left[p] for n in folder.glob(f"work/*/{p[-2:]}_*.ipynb")]
            if not missed or not again:
                return outcomes
            before, again = -1, again - 1
            for notebook in missed:  # its chapter had ended before a kill: it is made again
                notebook.unlink()
            continue
        if before == len(outcomes):  # it stopped though nothing was killed
            return outcomes | {("", "again"): "; ".join(run.errors())}
        before = len(outcomes)


def different(folder: Path, whole: Path) -> tuple[int, list[str]]:
    """How many files two runs have of weights, tables and pictures, and which are not the same."""
    kinds = ("work/models/*/checkpoint.safetensors", "reports/*/tables/*", "reports/*/viewer/*")
    ours, theirs = (
        {p.relative_to(root) for kind in kinds for p in root.glob(kind) if is_same(p)}
        for root in (folder, whole)
    )
    lost = [f"{name} is in one only" for name in ours ^ theirs]
    for name in ours & theirs:
        if faults.content(folder / name) != faults.content(whole / name):
            lost.append(f"{name} is another")
    return len(theirs), sorted(lost)


def is_same(path: Path) -> bool:
    """Whether two runs must have the same file: times have tables of their own."""
    return not path.stem.endswith("_times")


def table(outcomes: dict) -> str:
    """Markdown: which kills were survived; empty where none was met."""
    words = {None: "", "": "survived"}
    lines = [f"| killed in | {' | '.join(VICTIMS)} |", "| --- | --- | --- | --- |"]
    for place in PLACES:
        cells = [outcomes.get((place, victim)) for victim in VICTIMS]
        lines.append(f"| {place} | {' | '.join(words.get(cell, cell) for cell in cells)} |")
    return "\n".join(lines)


def main() -> int:
    """The exit code: 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", nargs="+", choices=PLACES, default=PLACES)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = (options.folder or Path(place)).absolute()
        whole, hurt = folder / "whole", folder / "hurt"
        for path in (whole, hurt):
            path.mkdir(parents=True, exist_ok=True)
        took = undisturbed(whole)
        outcomes = disturbed(hurt, took, random.Random(options.seed), options.only)
        files, lost = different(hurt, whole)
    survived = sum(not outcome for outcome in outcomes.values())
    text = f"{table(outcomes)}\n\n{survived} of {len(outcomes)} kills were survived; in the end "
    text += f"{files - len(lost)} of {files} files of weights, tables and pictures were those of "
    text += "the undisturbed run."
    print("\n".join([text, *lost]))
    if options.write:
        page = readme.insert(faults.PAGE.read_text(encoding="utf-8"), f"{text}\n", START, END)
        faults.PAGE.write_text(page, encoding="utf-8")
    return int(survived < len(outcomes) or bool(lost))


if __name__ == "__main__":
    sys.exit(main())
