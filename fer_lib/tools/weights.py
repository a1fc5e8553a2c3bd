"""Networks in files: one safetensors file each, nothing pickled, replaced atomically. A training
lives in the work folder under its recipe's key. Published weights (docs/publish.py) lie beside a
report, known by the key inside, not by the name of the file."""

import contextlib
import hashlib
import json
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from fer_lib.config import REPORTS, ROOT, WORK, UserError
from fer_lib.tools import files

SUFFIX = ".safetensors"
#: Beside a checkpoint: that of the epoch before, and the seconds of all epochs, which are apart
#: because no two trainings have the same.
PREVIOUS, SECONDS = f"previous{SUFFIX}", "seconds.json"


def checkpoint(key: str, name: str = f"checkpoint{SUFFIX}") -> Path:
    """Where the training `key` keeps what it needs to go on, or its PREVIOUS or its SECONDS."""
    return WORK / "models" / key / name


def save(path: Path, tensors: dict, **facts) -> None:
    """Write torch tensors, their checksum, and JSON-able facts to one file."""
    from safetensors.torch import save as serialised

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # One entry: safetensors writes several in any order, and equal trainings have equal files.
    metadata = {"facts": json.dumps({"sha256": _checksum(tensors)} | facts)}
    with files.replacing(path) as temporary:
        temporary.write_bytes(serialised(tensors, metadata))  # full disks are OSErrors here


def load(path: Path) -> tuple[dict, dict]:
    """The tensors and facts of `save`. Raises UserError if the file is damaged."""
    from safetensors.torch import load_file

    with _reading(path):
        (facts, checksum), tensors = _facts(path), load_file(path)
        # The first published networks have no checksum.
        if checksum not in (None, _checksum(tensors)):
            raise ValueError("its checksum is another")
        return tensors, facts


def newest(key: str) -> tuple[dict, dict, bool] | None:
    """The tensors and facts of the checkpoint `key`, and True; if it is damaged or gone those of
    the epoch before, and False. None if there is neither. Raises UserError if both are damaged."""
    failed = None
    for path in (checkpoint(key), checkpoint(key, PREVIOUS)):
        if path.exists():
            try:
                tensors, facts = load(path)
                return tensors, _timed(key, facts), path == checkpoint(key)
            except UserError as error:
                failed = failed or error
                print(f"note: {error}; trying the epoch before", file=sys.stderr)
    if failed:
        raise failed
    return None


def _timed(key: str, facts: dict) -> dict:
    """`facts` with the seconds of its epochs, nan where they are not known."""
    noted = []
    with contextlib.suppress(OSError, ValueError, TypeError):
        noted = [float(taken) for taken in json.loads(checkpoint(key, SECONDS).read_text())]
    noted += [math.nan] * len(facts["history"])
    timed = zip(facts["history"], noted, strict=False)
    return facts | {"history": [{"seconds": taken, **epoch} for epoch, taken in timed]}


def _checksum(tensors: dict) -> str:
    from torch import uint8

    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(tensors[name].reshape(-1).view(uint8).numpy())
    return digest.hexdigest()


def header(path: Path) -> dict:
    """The facts of a file; loads neither torch nor numpy. Raises UserError if it is damaged."""
    with _reading(path):
        return _facts(path)[0]


def _facts(path: Path) -> tuple[dict, str | None]:
    """The facts of a file and the checksum of its tensors."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > path.stat().st_size:
            raise ValueError("it is cut off")
        entries = json.loads(file.read(size), object_pairs_hook=list)
    if len({name for name, _ in entries}) < len(entries):  # safetensors takes the last of them
        raise ValueError("a name stands in it twice")
    metadata = dict(dict(entries)["__metadata__"])
    facts = json.loads(metadata["facts"])
    return facts, facts.pop("sha256", metadata.get("sha256"))  # older files have it beside them


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
        facts = header(checkpoint(key)) if checkpoint(key).exists() else {}
        return bool(facts) and len(facts["history"]) >= facts["recipe"]["training"]["epochs"]
    return False


def nested(prefix: str, tensors: dict) -> dict:
    """The tensors whose name starts with `prefix.`, without it."""
    start = len(prefix) + 1
    return {k[start:]: v for k, v in tensors.items() if k.startswith(f"{prefix}.")}


def digest(*arrays) -> str:
    """SHA-256 of the values of numpy arrays, one after the other."""
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()
