"""Networks in files: one safetensors file each, nothing pickled, replaced atomically.

A training lives in the work folder under its recipe's key. Published weights (docs/publish.py) lie
beside a report, known by the key inside, not by the name of the file.
"""

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from fer_lib.config import REPORTS, ROOT, WORK, UserError
from fer_lib.tools import files

SUFFIX = ".safetensors"


def checkpoint(key: str) -> Path:
    """Where the training `key` keeps what it needs to go on."""
    return WORK / "models" / key / f"checkpoint{SUFFIX}"


def previous(key: str) -> Path:
    """Where the checkpoint of the epoch before lies."""
    return checkpoint(key).with_stem("previous")


def save(path: Path, tensors: dict, **facts) -> None:
    """Write torch tensors, their checksum, and JSON-able facts to one file."""
    from safetensors.torch import save as serialised

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {"facts": json.dumps(facts), "sha256": _checksum(tensors)}
    with files.replacing(path) as temporary:
        temporary.write_bytes(serialised(tensors, metadata))  # full disks are OSErrors here


def load(path: Path) -> tuple[dict, dict]:
    """The tensors and facts of `save`. Raises UserError if the file is damaged."""
    from safetensors.torch import load_file

    with _reading(path):
        metadata, tensors = _metadata(path), load_file(path)
        # The first published networks have no checksum.
        if metadata.get("sha256") not in (None, _checksum(tensors)):
            raise ValueError("its checksum is another")
        return tensors, json.loads(metadata["facts"])


def newest(key: str) -> tuple[dict, dict, bool] | None:
    """The tensors and facts of the checkpoint `key`, and True; if it is damaged or gone those of
    the epoch before, and False. None if there is neither. Raises UserError if both are damaged."""
    failed = None
    for path in (checkpoint(key), previous(key)):
        if path.exists():
            try:
                return *load(path), path == checkpoint(key)
            except UserError as error:
                failed = failed or error
                print(f"note: {error}; trying the epoch before", file=sys.stderr)
    if failed:
        raise failed
    return None


def _checksum(tensors: dict) -> str:
    from torch import uint8

    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(tensors[name].reshape(-1).view(uint8).numpy())
    return digest.hexdigest()


def header(path: Path) -> dict:
    """The facts of a file; loads neither torch nor numpy. Raises UserError if it is damaged."""
    with _reading(path):
        return json.loads(_metadata(path)["facts"])


def _metadata(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > path.stat().st_size:
            raise ValueError("it is cut off")
        entries = json.loads(file.read(size), object_pairs_hook=list)
    if len({name for name, _ in entries}) < len(entries):  # safetensors takes the last of them
        raise ValueError("a name stands in it twice")
    return dict(dict(entries)["__metadata__"])


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # safetensors raises its own and built-in errors alike
        why = getattr(error, "strerror", None) or error  # an OSError's own text has the whole path
        raise UserError(f"{path.parent.name}/{path.name} is damaged, delete it: {why}") from None


def index() -> dict[str, Path]:
    """The files of published networks, by the key of their training; of two with the same key the
    one in $FER_NETWORKS, else the first beside a report."""
    folders = sorted({*REPORTS.glob("*/networks"), *(ROOT / "reports").glob("*/networks")})
    if given := os.environ.get("FER_NETWORKS"):
        folders.insert(0, Path(given))
    paths = [path for folder in folders for path in sorted(folder.glob(f"*{SUFFIX}"))]
    return {header(path).get("key", path.stem): path for path in reversed(paths)}


def finished(key: str) -> bool:
    """Whether the training `key` has ended in the work folder; a damaged one goes on."""
    with contextlib.suppress(UserError):
        return checkpoint(key).exists() and is_finished(header(checkpoint(key)))
    return False


def is_finished(facts: dict) -> bool:
    """Whether the training with these facts has reached its last epoch."""
    return len(facts["history"]) >= facts["recipe"]["training"]["epochs"]


def nested(prefix: str, tensors: dict) -> dict:
    """The tensors whose name starts with `prefix.`, without it."""
    start = len(prefix) + 1
    return {k[start:]: v for k, v in tensors.items() if k.startswith(f"{prefix}.")}


def digest(array) -> str:
    """SHA-256 of the values of a numpy array."""
    return hashlib.sha256(array.tobytes()).hexdigest()
