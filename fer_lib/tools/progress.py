"""How far a long computation is: a bar for a person, a small file for whoever watches a run."""

import contextlib
import os
import sys
import time
from pathlib import Path

from tqdm import tqdm

EVERY = 1.0  # seconds between two writings of the file


class Progress(contextlib.AbstractContextManager):
    """Counts steps up to `total`, as a context manager: on a terminal and in JupyterLab a tqdm bar.
    A headless run sets FER_PROGRESS to a file, which gets what `read` returns."""

    def __init__(self, what: str, total: int, done: int = 0):
        self.what, self.total, self.done, self.first = what, total, done, done
        self.start = self.last = time.monotonic()
        self.file = os.environ.get("FER_PROGRESS")
        watched = "ipykernel" in sys.modules or sys.stderr.isatty()
        shown = watched and "FER_HEADLESS" not in os.environ
        self.bar = tqdm(total=total, initial=done, desc=what, disable=not shown, delay=1)

    def __exit__(self, *error):
        self.bar.close()
        if self.file:
            Path(self.file).write_text("")

    def advance(self, status: str = "") -> None:
        """One more step is done; `status` is a few words on how it goes."""
        self.done += 1
        self.bar.set_postfix_str(status, refresh=False)
        self.bar.update()
        now = time.monotonic()
        if self.file and now - self.last >= EVERY:
            self.last = now
            left = (now - self.start) / (self.done - self.first) * (self.total - self.done)
            Path(self.file).write_text(f"{self.done / self.total:.4f} {left:.0f} {self.what}")


def read(file: Path) -> tuple[float, float, str]:
    """The share that is done, the seconds left, and of what; 0, 0, "" where nothing is written."""
    try:
        share, left, what = file.read_text(encoding="utf-8").split(" ", 2)
        return float(share), float(left), what
    except (OSError, ValueError):
        return 0.0, 0.0, ""


def duration(seconds: float) -> str:
    """Seconds for a person: "40 s", "12 min", "3 h 05 min"."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
