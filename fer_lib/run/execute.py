"""Execute a notebook headless, whole or not at all.

`python -m fer_lib.run.execute TARGET SETTINGS` is what the workflow calls for each chapter.
"""

import json
import logging
import os
import sys
import time
from pathlib import Path

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from fer_lib.config import UserError
from fer_lib.run import chapters, provenance
from fer_lib.tools import files


def execute(source: Path, target: Path, parameters: dict, command: str = "") -> None:
    """Run `source` with `parameters` and write the executed copy to `target`.

    Raises UserError for a parameter that the notebook does not have and for a cell that fails; in
    the second case what ran is kept beside the target as NAME.failed.ipynb.
    """
    known = papermill.inspect_notebook(str(source))
    unknown = set(parameters) - set(known)
    if unknown:
        listed = ", ".join(known)
        raise UserError(f"{source.name} has no parameter {', '.join(unknown)}: it has {listed}")
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
        notebook.metadata["fer_lib"] = provenance.note() | {"command": command}
        _forget_paths(notebook)
        nbformat.write(notebook, temporary)


def _papermill(source: Path, target: Path, parameters: dict) -> None:
    papermill.execute_notebook(
        str(source),
        str(target),
        parameters=parameters,
        kernel_name="python3",
        progress_bar=False,
        log_output=True,
        # Only the whole notebook counts, or what ran before a cell failed; both are saved anyway.
        request_save_on_cell_execute=False,
        shutdown_kernel="immediate",  # all its files are closed
        # Without this, ipykernel warns that it listens on TCP; "auto" encrypts where it can.
        config=Config({"AsyncKernelManager": {"transport_encryption": "auto"}}),
    )


def _forget_paths(notebook: nbformat.NotebookNode) -> None:
    """papermill notes where files lay, which is nobody's business but this machine's."""
    for name in ("input_path", "output_path"):
        notebook.metadata["papermill"].pop(name, None)


def _explain(source: Path, error: PapermillExecutionError, failed: Path) -> str:
    message = " ".join(str(error.evalue).split())
    kept = os.path.relpath(failed)
    return f"{source.name}, cell {error.cell_index}: {error.ename}: {message} (see {kept})"


def main() -> int:
    """Execute one chapter, telling how it goes."""
    target, settings = map(Path, sys.argv[1:])
    config = json.loads(settings.read_text())["config"]
    _log_to_stdout()
    chapter = chapters.find(target.stem[:2])
    print(f"{chapter.number} {chapter.title}: {chapter.question}", flush=True)
    start = time.monotonic()
    try:
        parameters = {name: config[name] for name in ("profile", "seed", "seeds")}
        execute(chapter.source, target, parameters, os.environ.get("FER_COMMAND", ""))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"   done in {time.monotonic() - start:.0f} s", flush=True)
    return 0


def _log_to_stdout() -> None:
    """Show the progress lines of the notebook, not papermill's talk about cells."""
    logging.basicConfig(level=logging.WARNING, format="   %(message)s", stream=sys.stdout)
    logger = logging.getLogger("papermill")
    logger.setLevel(logging.INFO)
    logger.addFilter(_is_progress)


def _is_progress(entry: logging.LogRecord) -> bool:
    entry.msg = str(entry.msg).rstrip()
    return " left  " in entry.msg


if __name__ == "__main__":
    sys.exit(main())
