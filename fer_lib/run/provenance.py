"""What made a result: commit, command, settings, data, packages, hardware. No path, no name."""

import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path

from fer_lib.config import ROOT, WORK
from fer_lib.run import asked
from fer_lib.run.chapters import CHAPTERS

#: What results are made of. A changed report or README does not make them unclean.
INGREDIENTS = ("fer_lib", "notebooks", "Snakefile", "requirements.lock")
PACKAGES = ("torch", "torchvision", "numpy", "scikit-image", "pandas", "papermill", "snakemake")


def note() -> dict:
    """What to remember of the moment and the machine at which a notebook runs."""
    # The last commit that changed an ingredient: later ones make no other results.
    commit = _said("git", "log", "-1", "--format=%H", "--", *INGREDIENTS)
    linux = Path("/proc/cpuinfo")
    model = re.search("model name.*: (.*)", linux.read_text()) if linux.exists() else None
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "commit": commit or "unknown",
        "clean": bool(commit) and not _said("git", "status", "--porcelain", "--", *INGREDIENTS),
        "hardware": {
            "cpu": model[1] if model else platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "threads": int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)),  # as PyTorch
            "gpu": _said("nvidia-smi", "--query-gpu=name", "--format=csv,noheader") or None,
        },
        "packages": versions | {"python": platform.python_version()},
        "command": os.environ.get("FER_COMMAND", ""),
    }


def record(run: str) -> dict:
    """`run.json`: what `run` asked for and what each executed notebook noted."""
    wanted = asked.read(WORK / run / "asked" / "report.json")
    metas = {c.name: asked.read(WORK / run / f"{c.name}.ipynb")["metadata"] for c in CHAPTERS}
    notes = {name: meta["fer_lib"] for name, meta in metas.items()}
    commits = {name: note["commit"] for name, note in notes.items()}
    core, last = wanted["settings"].pop("core"), notes[CHAPTERS[-1].name]
    return {
        "commit": last["commit"] if len(set(commits.values())) == 1 else "several, see notebooks",
        "clean": all(note["clean"] for note in notes.values()),
        "date": max(meta["papermill"]["end_time"] for meta in metas.values())[:10],
        "command": last["command"],
        "profile": core["profile"],
        "config": core | wanted["settings"],
        "versions": wanted["versions"],
        "seeds": list(range(core["seed"], core["seed"] + core["seeds"])),
        "data": wanted["data"],
        **{name: last[name] for name in ("packages", "hardware")},
        "notebooks": commits,
        "seconds": {name: round(meta["papermill"]["duration"], 1) for name, meta in metas.items()},
    }


def _said(*command: str) -> str:
    """What a command prints; nothing where it fails or is not there."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
