"""Where a result comes from: commit, command, settings, data, packages, hardware. No path, no name.

A run's record is put together from what each executed notebook noted when it ran.
"""

import importlib.metadata
import json
import os
import platform
import re
import subprocess
from pathlib import Path

from fer_lib.config import ROOT, WORK
from fer_lib.run.chapters import CHAPTERS

#: What results are made of. A changed report or README does not make them unclean.
INGREDIENTS = ("fer_lib", "notebooks", "Snakefile", "requirements.lock")
PACKAGES = ("torch", "torchvision", "numpy", "scikit-image", "pandas", "papermill", "snakemake")


def note() -> dict:
    """What to remember of the moment and the machine at which a notebook runs."""
    # The last commit that changed an ingredient: later ones make no other results.
    commit = _said("git", "log", "-1", "--format=%H", "--", *INGREDIENTS)
    return {
        "commit": commit or "unknown",
        "clean": bool(commit) and not _said("git", "status", "--porcelain", "--", *INGREDIENTS),
        "hardware": hardware(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES}
        | {"python": platform.python_version()},
    }


def hardware() -> dict:
    """Processor, cores, threads (as PyTorch counts them), GPU; loads no PyTorch."""
    linux = Path("/proc/cpuinfo")
    model = re.search("model name.*: (.*)", linux.read_text()) if linux.exists() else None
    return {
        "cpu": model[1] if model else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)),
        "gpu": _said("nvidia-smi", "--query-gpu=name", "--format=csv,noheader") or None,
    }


def record(run: str) -> dict:
    """`run.json`: what `run` asked for and what each executed notebook noted."""
    asked = json.loads((WORK / run / "asked" / "report.json").read_text(encoding="utf-8"))
    metas = {c.name: _metadata(WORK / run / f"{c.name}.ipynb") for c in CHAPTERS}
    notes = [meta["fer_lib"] for meta in metas.values()]
    commits = {note["commit"] for note in notes}
    core = asked["settings"].pop("core")
    return {
        "commit": commits.pop() if len(commits) == 1 else "several, see notebooks",
        "clean": all(note["clean"] for note in notes),
        "command": notes[-1]["command"],
        "profile": core["profile"],
        "config": core | asked["settings"],
        "versions": asked["versions"],
        "seeds": list(range(core["seed"], core["seed"] + core["seeds"])),
        "data": asked["data"],
        "packages": notes[-1]["packages"],
        "hardware": notes[-1]["hardware"],
        "notebooks": {name: meta["fer_lib"]["commit"] for name, meta in metas.items()},
        "seconds": {name: round(meta["papermill"]["duration"], 1) for name, meta in metas.items()},
    }


def _metadata(notebook: Path) -> dict:
    return json.loads(notebook.read_text(encoding="utf-8"))["metadata"]


def _said(*command: str) -> str:
    """What a command prints; nothing where it fails or is not there."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
