"""Execute a notebook headless, whole or not at all.

`python -m fer_lib.notebook TARGET NN --profile P …` is what the workflow calls for each chapter.
"""

import argparse
import logging
import os
import sys
import time
from pathlib import Path

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from fer_lib import chapters, files, provenance
from fer_lib.config import UserError


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
        # Without this, ipykernel warns that it listens on TCP; "auto" encrypts where it can.
        config=Config({"AsyncKernelManager": {"transport_encryption": "auto"}}),
    )


def _forget_paths(notebook: nbformat.NotebookNode) -> None:
    """papermill notes where files lay, which is nobody's business but this machine's."""
    for name in ("input_path", "output_path"):
        notebook.metadata["papermill"].pop(name, None)


def _explain(source: Path, error: PapermillExecutionError, failed: Path) -> str:
    kept = os.path.relpath(failed)
    return f"{source.name}, cell {error.cell_index}: {error.ename}: {error.evalue} (see {kept})"


def main() -> int:
    """Execute one chapter, telling how it goes."""
    parser = argparse.ArgumentParser(prog="python -m fer_lib.notebook")
    parser.add_argument("target", type=Path)
    parser.add_argument("number")
    parser.add_argument("--profile", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=0)
    words = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="   %(message)s", stream=sys.stdout)
    logging.getLogger("papermill").addFilter(_only_output)
    logging.getLogger("papermill").setLevel(logging.INFO)
    chapter = chapters.find(words.number)
    parameters = {"profile": words.profile, "seed": words.seed, "seeds": words.seeds}
    command = os.environ.get("FER_COMMAND", "")
    print(f"{chapter.number} {chapter.title}: {chapter.question}", flush=True)
    start = time.monotonic()
    try:
        execute(chapter.source, words.target, parameters, command)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"   done in {time.monotonic() - start:.0f} s", flush=True)
    return 0


def _only_output(entry: logging.LogRecord) -> bool:
    """Let progress lines through and leave out papermill's talk about cells."""
    return " left  " in entry.getMessage()


if __name__ == "__main__":
    sys.exit(main())
