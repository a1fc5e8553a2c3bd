"""One step of a run: a process of its own, `python -m fer_lib.run.step MODULE RUN NAME`.

MODULE is `train`, `execute` or `pages`: its `make` makes what NAME names. Meanwhile
work/RUN/progress/NAME exists and says how far it is (see `tools.progress`). What stops a step is
told in one line that begins with "error: ".
"""

import importlib
import os
import subprocess
import sys
import traceback

from fer_lib.config import ROOT, WORK, UserError


def start(module: str, run: str, name: str, threads: int) -> None:
    """Run a step to its end. Raises CalledProcessError if it fails."""
    progress = WORK / run / "progress" / name
    progress.parent.mkdir(exist_ok=True)
    progress.touch()
    told = {"OMP_NUM_THREADS": str(threads), "FER_PROGRESS": str(progress), "FER_HEADLESS": "1"}
    command = [sys.executable, "-m", "fer_lib.run.step", module, run, name]
    try:
        subprocess.run(command, cwd=ROOT, env=os.environ | told, check=True)
    finally:
        progress.unlink(missing_ok=True)


def main() -> None:
    """Do the step that the command line names."""
    module, run, name = sys.argv[1:]
    try:
        importlib.import_module(f"fer_lib.run.{module}").make(run, name)
    except UserError as error:
        sys.exit(f"error: {error}")
    except Exception as error:
        traceback.print_exc()  # for the log
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        sys.exit(f"error: {name}: {cause} (see {log(run)})")


def log(run: str) -> str:
    """Where all that a run says is kept, as seen from here."""
    return os.path.relpath(WORK / run / "log.txt")


if __name__ == "__main__":
    main()
