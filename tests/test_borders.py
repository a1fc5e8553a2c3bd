"""The library's floors: who may import whom, how large it may be, and what loads without PyTorch.

run -> report, recognition -> audit, methods -> core -> readers, tools. Read
docs/architecture.md for the reasons.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from fer_lib.config import ROOT

LIBRARY = ROOT / "fer_lib"
FILES = sorted(LIBRARY.rglob("*.py"))
BASE = {"config", "tools"}
CORE = BASE | {"core", "readers"}
#: Folder -> what its modules may import besides each other; "core" is fer_lib/*.py.
MAY_IMPORT = {
    "tools": {"config"},
    "readers": BASE,
    "core": CORE,
    "audit": CORE,
    "methods": CORE,
    "recognition": CORE | {"audit", "methods"},
    "report": CORE | {"audit", "methods", "recognition"},
    "run": CORE | {"audit", "methods", "recognition", "report"},
}
#: The front door: one function for images of one's own.
DENOISE = CORE | {"methods"}
#: The command line answers at once, and Snakemake reads these for every training.
TORCH_FREE = (
    "config",
    "methods.plans",
    "audit.plan",
    "recognition.plan",
    "run.chapters",
    "run.cli",
)


def floor(module: str) -> str:
    """The part of the library that fer_lib.`module` belongs to."""
    first = module.split(".")[0]
    return first if first in {*MAY_IMPORT, "config"} else "core"


def imported(source: str) -> set[str]:
    """The parts of the library that `source` imports, at its top or anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name fer_lib in full"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {floor(name.removeprefix("fer_lib.")) for name in names if name.startswith("fer_lib.")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(LIBRARY)))
def test_a_module_imports_only_from_its_own_floor_and_below(path):
    place = path.relative_to(LIBRARY)
    part = place.parts[0] if len(place.parts) > 1 else "core"
    allowed = DENOISE if place == Path("denoise.py") else MAY_IMPORT[part]
    assert imported(path.read_text(encoding="utf-8")) <= allowed | {part}


def test_every_folder_has_its_rule():
    assert {path.parent.name for path in FILES} == {"fer_lib", *MAY_IMPORT} - {"core"}


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("from fer_lib import study\nfrom fer_lib.config import ROOT", {"config", "core"}),
        ("from fer_lib.methods.filters import FILTERS", {"methods"}),
        ("def f():\n    import fer_lib.run.cli", {"run"}),
        ("from fer_lib import audit", {"audit"}),
        ("import torch, fer_library", set()),
    ],
)
def test_an_import_is_seen_in_any_form(source, parts):
    assert imported(source) == parts


def lines(paths: list[Path]) -> int:
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)


def test_the_core_can_be_read_in_an_hour():
    core = [path for path in FILES if path.parent == LIBRARY and path.name != "__init__.py"]
    assert len(core) <= 15
    assert lines(core) <= 2000


def test_the_library_stays_small():
    assert lines(FILES) <= 7100


def test_settings_and_command_line_load_no_pytorch():
    names = ", ".join(f"fer_lib.{name}" for name in TORCH_FREE)
    code = f"import sys, {names}; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, timeout=60)
    assert done.returncode == 0
