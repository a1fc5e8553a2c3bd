"""One line of progress for a whole run; all else that its steps say goes to work/RUN/log.txt."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import TextIO

from fer_lib.config import ROOT, WORK
from fer_lib.tools import files, progress

TICK = 0.5  # seconds between two looks
EVERY = 60.0  # seconds between two lines for a log, unless a step has ended
PATIENCE = 10.0  # seconds that interrupted steps have to end by themselves
#: What Snakemake says of its jobs: those done, and their number in the table that comes first.
STEPS, TOTAL = re.compile(r"(\d+) of (\d+) steps"), re.compile(r"total +(\d+)$")


def follow(command: list[str], run: str, titles: dict[str, str], keep: Sequence[int] = ()) -> int:
    """Run the command that makes the steps of `run`; its exit code. titles: of the steps, by name.
    keep: file descriptors that it inherits. Whatever interrupts this ends all that it started."""
    log = WORK / run / "log.txt"
    shutil.rmtree(WORK / run / "progress", ignore_errors=True)
    with log.open("w") as output, log.open(errors="replace") as lines:
        streams = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": subprocess.STDOUT}
        given = {"env": os.environ | {"FER_PARENT": str(os.getpid())}, "pass_fds": keep}
        # In a session of its own Ctrl-C reaches it by `_end` alone, which leaves nothing over.
        process = subprocess.Popen(command, cwd=ROOT, **streams, **given, start_new_session=True)
        view = _View(run, titles, lines)
        try:
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(TICK)
                view.show()
        finally:
            _end(process)
            view.close()
    if process.returncode and not view.errors:
        killed = f"Snakemake was ended by signal {-process.returncode}, not by the study"
        why = killed if process.returncode < 0 else view.last
        print(f"error: {why} (see {files.seen(log)})", file=sys.stderr)
    return process.returncode


def _end(process: subprocess.Popen) -> None:
    """End a process that has not ended, and all that it started."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


class _View:
    """What a person sees of a run: errors, and the line, on a terminal always the same one."""

    def __init__(self, run: str, titles: dict[str, str], lines: TextIO):
        self.folder, self.titles, self.lines = WORK / run / "progress", titles, lines
        self.start = self.shown = time.monotonic()
        self.done, self.total, self.errors, self.last = 0, 0, 0, "Snakemake failed"
        self.terminal = sys.stderr.isatty()

    def show(self) -> None:
        before = self.done
        for line in map(str.rstrip, self.lines):
            if line.startswith("error: "):
                self.errors += 1
                self.close()
                print(line, file=sys.stderr)
            elif steps := STEPS.match(line):
                self.done, self.total = map(int, steps.groups())
            elif total := TOTAL.match(line):
                self.total = int(total[1])
            self.last = line or self.last
        due = time.monotonic() - self.shown >= EVERY or self.done > before
        if self.total and (self.terminal or due):
            self.shown = time.monotonic()
            text, width = self._text(), shutil.get_terminal_size().columns - 1
            text = f"\r\x1b[K{text[:width]}" if self.terminal else f"{text}\n"
            print(text, end="", file=sys.stderr, flush=True)

    def _text(self) -> str:
        """Such as "3 of 12 steps done, about 9 min left · cae, 30 epochs, seed 0: 40%, 2 min left";
        steps are taken to be equally long."""
        parts, ended = [], self.done
        for path in sorted(self.folder.glob("*")):
            share, left, what = progress.read(path)
            ended += share
            part = self.titles.get(path.name, path.name)
            if share:
                what = "" if path.name in what else f"{what} "  # a training's title says it
                part += f": {what}{share:.0%}, {progress.duration(left)} left"
            parts.append(part)
        head = f"{self.done} of {self.total} steps done"
        if 1 <= ended < self.total:
            guess = (time.monotonic() - self.start) * (self.total / ended - 1)
            head += f", about {progress.duration(guess)} left"
        return " · ".join([head, *parts])

    def close(self) -> None:
        """Take the line away."""
        if self.terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
