"""One step of a run: a process of its own, `python -m fer_lib.run.MODULE RUN NAME`.

While it runs, work/RUN/progress/NAME exists and says how far it is (see `tools.progress`). What
stops it is told in one line that begins with "error: ".
"""

import os
import subprocess
import sys
import traceback
from collections.abc import Callable

from fer_lib.config import ROOT, WORK, UserError


def start(module: str, run: str, name: str, threads: int) -> None:
    """Run a step to its end. Raises CalledProcessError if it fails."""
    progress = WORK / run / "progress" / name
    progress.parent.mkdir(exist_ok=True)
    progress.touch()
    told = {"OMP_NUM_THREADS": str(threads), "FER_PROGRESS": str(progress), "FER_HEADLESS": "1"}
    command = [sys.executable, "-m", f"fer_lib.run.{module}", run, name]
    try:
        subprocess.run(command, cwd=ROOT, env=os.environ | told, check=True)
    finally:
        progress.unlink(missing_ok=True)


def main(step: Callable[[str, str], None]) -> int:
    """Do the step that the command line names by its run and name; the exit code.

    A mistake of the user's is told in one line; a bug too, after its traceback, which is for the
    log.
    """
    run, name = sys.argv[1:]
    try:
        step(run, name)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        traceback.print_exc()
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"error: {name}: {cause} (see {log(run)})", file=sys.stderr)
        return 1
    return 0


def log(run: str) -> str:
    """Where all that a run says is kept, as seen from here."""
    return os.path.relpath(WORK / run / "log.txt")
