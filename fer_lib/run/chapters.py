"""The notebooks in order: what each asks, which files it reads and writes, what code it uses."""

import ast
import functools
import json
from dataclasses import dataclass
from pathlib import Path

from fer_lib.config import NOTEBOOKS, UserError


@dataclass(frozen=True)
class Chapter:
    """A notebook. `reads` and `writes` name tables (tables/NAME.csv) of the run."""

    name: str
    title: str
    question: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]

    @property
    def number(self) -> str:
        return self.name[:2]

    @property
    def source(self) -> Path:
        return NOTEBOOKS / f"{self.name}.ipynb"


CHAPTERS = (
    Chapter(
        "01_data_preparation",
        "Data",
        "What is in the data, and how is it split without leaking copies?",
        reads=(),
        writes=("dataset", "split"),
    ),
    Chapter(
        "02_training",
        "Training",
        "Does the paper's autoencoder, with and without residuals, learn to reproduce clean faces?",
        reads=("split",),
        writes=("layers", "history", "gradients", "models"),
    ),
    Chapter(
        "03_residual_ablation",
        "Residual ablation",
        "Do the residual connections help, and do gradients vanish without them?",
        reads=("split", "history", "gradients", "models"),
        writes=("ablation", "ablation_verdict"),
    ),
    Chapter(
        "04_noise_evaluation",
        "Noise evaluation",
        "Does an autoencoder that never saw noise remove it, and does the noise level matter?",
        reads=("split", "models"),
        writes=("autoencoder", "emotions", "verdicts"),
    ),
    Chapter(
        "05_paper_audit",
        "Audit of the published tables",
        "Which procedure produces the paper's numbers?",
        reads=("split", "models", "verdicts", "ablation_verdict"),
        writes=("audit", "audit_ranking", "audit_predictions", "finding", "claims", "ssim_speed"),
    ),
    Chapter(
        "06_references",
        "References",
        "What do other methods achieve on the same noisy images, and what leads?",
        reads=("split", "models"),
        writes=(
            "tuning",
            "budgets",
            "references",
            "lead",
            "trend",
            "doublings",
            "remaining",
            "cost",
        ),
    ),
    Chapter(
        "07_noise_types",
        "Other noise",
        "Which methods still work on noise that they were not made for?",
        reads=("split", "models", "autoencoder", "references"),
        writes=("tuning_noise_types", "noise_types", "noise_evaluation"),
    ),
)


def find(number: str) -> Chapter:
    """The chapter numbered `number` ("4" or "04"). Raises UserError that lists the known ones."""
    for chapter in CHAPTERS:
        if chapter.number == number.zfill(2):
            return chapter
    known = ", ".join(chapter.number for chapter in CHAPTERS)
    raise UserError(f"unknown notebook {number!r}: choose one of {known}")


def modules(chapter: Chapter) -> list[Path]:
    """The files of fer_lib that the notebook uses, directly or through each other.

    A change elsewhere in the library cannot change the notebook's results.
    """
    cells = json.loads(chapter.source.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    found, waiting = set(), set(_imports(code))
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting |= _imports_of(path)
    return sorted(found)


@functools.cache
def _imports_of(path: Path) -> frozenset[Path]:
    return _imports(path.read_text(encoding="utf-8"))


def _imports(code: str) -> frozenset[Path]:
    """The files of fer_lib that `code` imports, as `from fer_lib import x` or `from fer_lib.x`."""
    here, names = Path(__file__).parent, set()
    for node in ast.parse(code).body:
        if isinstance(node, ast.ImportFrom) and node.module == "fer_lib":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fer_lib."):
            names.add(node.module.removeprefix("fer_lib."))
    return frozenset(here / f"{name}.py" for name in names)
