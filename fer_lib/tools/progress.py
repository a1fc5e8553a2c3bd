"""Progress that suits who is watching: a bar for a person, a line every few seconds for a log."""

import os
import sys
import time

from tqdm import tqdm

EVERY = 5.0  # seconds between two lines of a log


class Progress:
    """Counts steps up to `total`, as a context manager.

    A tqdm bar on a terminal and in JupyterLab; plain lines in a headless run, which sets
    FER_HEADLESS, and wherever the output is not a terminal.
    """

    def __init__(self, what: str, total: int, done: int = 0):
        self.what, self.total, self.done, self.first = what, total, done, done
        self.start = self.last = time.monotonic()
        self.bar = tqdm(total=total, initial=done, desc=what) if _person_watches() else None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.bar is not None:
            self.bar.close()

    def advance(self, status: str = "") -> None:
        """One more step is done; `status` is a few words on how it goes."""
        self.done += 1
        if self.bar is not None:
            self.bar.set_postfix_str(status, refresh=False)
            self.bar.update()
        elif time.monotonic() - self.last >= EVERY:
            self.last = time.monotonic()
            # To stderr: progress is no result, and reports show results.
            line = f"{self.what}: {self.done}/{self.total}, {self._left()} left  {status}"
            print(line, file=sys.stderr, flush=True)

    def _left(self) -> str:
        pace = (self.last - self.start) / (self.done - self.first)
        minutes, seconds = divmod(round(pace * (self.total - self.done)), 60)
        return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


def _person_watches() -> bool:
    return "FER_HEADLESS" not in os.environ and ("ipykernel" in sys.modules or sys.stderr.isatty())
