"""One step of a run: a process of its own, `python -m fer_lib.run.step MODULE RUN NAME`. MODULE is
`train`, `execute` or `pages`: its `make` makes what NAME names. Meanwhile work/RUN/progress/NAME
says how far it is. What stops it is told in one line, "error: ..."."""

import importlib
import os
import signal
import subprocess
import sys
import threading
import time
import traceback

from fer_lib.config import ROOT, WORK, UserError
from fer_lib.tools import files

KILLED = "was killed, mostly for want of memory: close other programs or take a smaller profile"


def start(module: str, run: str, name: str, threads: int) -> None:
    """Run a step to its end. Raises CalledProcessError if it fails."""
    progress = WORK / run / "progress" / name
    progress.parent.mkdir(exist_ok=True)
    progress.touch()
    told = {"OMP_NUM_THREADS": str(threads), "FER_PROGRESS": str(progress), "FER_HEADLESS": "1"}
    told["FER_PARENT"] = str(os.getpid())
    command = [sys.executable, "-m", "fer_lib.run.step", module, run, name]
    try:
        subprocess.run(command, cwd=ROOT, env=os.environ | told, check=True)
    except subprocess.CalledProcessError as error:
        if error.returncode == -signal.SIGKILL:
            print(f"error: {name} {KILLED}", flush=True)
        raise
    finally:
        progress.unlink(missing_ok=True)


def end_with_parent() -> None:
    """End this process and its group as soon as the one is gone that started it, even if killed."""

    def wait() -> None:
        while os.getppid() == int(parent):
            time.sleep(1)
        os.killpg(0, signal.SIGKILL)

    if parent := os.environ.get("FER_PARENT"):
        threading.Thread(target=wait, daemon=True).start()


def main() -> None:
    """Do the step that the command line names."""
    end_with_parent()
    module, run, name = sys.argv[1:]
    try:
        importlib.import_module(f"fer_lib.run.{module}").make(run, name)
    except UserError as error:
        sys.exit(f"error: {error}")
    except Exception as error:
        traceback.print_exc()  # for the log
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        sys.exit(f"error: {name}: {cause} (see {files.seen(WORK / run / 'log.txt')})")


if __name__ == "__main__":
    main()
