"""Execute a notebook headless, whole or not at all.

`python -m fer_lib.run.execute RUN NN` is what the workflow calls for each chapter.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from fer_lib.config import WORK, UserError
from fer_lib.run import asked, chapters, provenance, step
from fer_lib.tools import files


def execute(source: Path, target: Path, parameters: dict, *, note: Callable[[], dict]) -> None:
    """Run `source` with `parameters` and write the executed copy to `target`, with a note that is
    taken at the end.

    Raises UserError for a cell that fails; what ran is then kept beside the target as
    NAME.failed.ipynb.
    """
    failed = target.with_suffix(".failed.ipynb")
    failed.unlink(missing_ok=True)
    with files.replacing(target) as temporary:
        try:
            _papermill(source, temporary, parameters)
        except PapermillExecutionError as error:
            temporary.replace(failed)
            temporary.touch()
            raise UserError(_explain(source, error, failed)) from None
        notebook = nbformat.read(temporary, as_version=4)
        notebook.metadata["fer_lib"] = note()
        for name in ("input_path", "output_path"):  # nobody's business but this machine's
            notebook.metadata["papermill"].pop(name, None)
        nbformat.write(notebook, temporary)


def _papermill(source: Path, target: Path, parameters: dict) -> None:
    papermill.execute_notebook(
        *(str(path).replace("{", "{{").replace("}", "}}") for path in (source, target)),
        parameters=parameters,
        kernel_name="python3",
        progress_bar=False,
        # Only the whole notebook counts, or what ran before a cell failed; both are saved anyway.
        request_save_on_cell_execute=False,
        shutdown_kernel="immediate",  # all its files are closed
        # Without this, ipykernel warns that it listens on TCP; "auto" encrypts where it can.
        config=Config({"AsyncKernelManager": {"transport_encryption": "auto"}}),
    )


def _explain(source: Path, error: PapermillExecutionError, failed: Path) -> str:
    message = " ".join(str(error.evalue).split())
    kept = os.path.relpath(failed)
    return f"{source.name}, cell {error.cell_index}: {error.ename}: {message} (see {kept})"


def execute_chapter(run: str, number: str) -> None:
    """Execute a chapter of a run, unless it would come out as it is."""
    chapter = chapters.find(number)
    if not asked.is_made(run, chapter):
        note = {"command": os.environ.get("FER_COMMAND", "")}
        execute(
            chapter.source,
            WORK / run / f"{chapter.name}.ipynb",
            asked.parameters(run),
            note=lambda: provenance.note() | note | {"state": asked.state(run, chapter)},
        )
    asked.mark(run, chapter)


if __name__ == "__main__":
    sys.exit(step.main(execute_chapter))
