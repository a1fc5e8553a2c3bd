"""Execute a notebook headless, whole or not at all."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from fer_lib.config import WORK, UserError
from fer_lib.readers import READERS
from fer_lib.run import asked, chapters, provenance, step
from fer_lib.tools import files


def make(run: str, number: str) -> None:
    """Execute a chapter of a run, unless it would come out as it is (see `execute`)."""
    chapter = chapters.find(number)
    if not asked.is_made(run, chapter):
        execute(
            chapter.source,
            WORK / run / f"{chapter.name}.ipynb",
            asked.parameters(run),
            without=() if READERS[asked.facts(run)["name"]].votes else ("votes",),
            note=lambda: provenance.note() | {"state": asked.state(run, chapter)},
        )
    asked.mark(run, chapter)


def execute(
    source: Path,
    target: Path,
    parameters: dict,
    *,
    without: Sequence[str] = (),
    note: Callable[[], dict],
) -> None:
    """Write the executed copy of `source` to `target`, with a note that is taken at the end. Cells
    with a tag in `without` are left out. Raises UserError for a cell that fails; what ran is then
    kept beside it as NAME.failed.ipynb."""
    failed = target.with_suffix(".failed.ipynb")
    failed.unlink(missing_ok=True)
    os.environ.pop("JUPYTER_PATH", None)  # what is called python3 there would be taken for ours
    try:
        notebook = nbformat.read(source, as_version=4)
    except Exception as error:  # nbformat raises whatever it happens to meet
        cause = f"cannot read {files.seen(source)} ({type(error).__name__})"
        raise UserError(f"{cause}: `git checkout notebooks` brings it back") from None
    hidden = set(without)
    notebook.cells = [c for c in notebook.cells if hidden.isdisjoint(c.metadata.get("tags", ()))]
    with files.replacing(target) as temporary:
        try:
            papermill.execute_notebook(
                notebook,
                str(temporary).replace("{", "{{").replace("}", "}}"),
                parameters=parameters,
                kernel_name="python3",
                progress_bar=False,
                # Only the whole notebook counts, or what ran before a cell failed: both are saved.
                request_save_on_cell_execute=False,
                shutdown_kernel="immediate",  # all its files are closed
                # Without this, ipykernel warns that it listens on TCP; "auto" encrypts if it can.
                config=Config({"AsyncKernelManager": {"transport_encryption": "auto"}}),
            )
        except PapermillExecutionError as error:
            temporary.replace(failed)
            cause = f"{error.ename}: {' '.join(str(error.evalue).split())}"
            place = f"{source.name}, cell {error.cell_index}"
            raise UserError(f"{place}: {cause} (see {files.seen(failed)})") from None
        except DeadKernelError:
            raise UserError(f"{source.name} {step.KILLED}") from None
        notebook = nbformat.read(temporary, as_version=4)
        notebook.metadata["fer_lib"] = note()
        for name in ("input_path", "output_path"):  # nobody's business but this machine's
            notebook.metadata["papermill"].pop(name, None)
        nbformat.write(notebook, temporary)
