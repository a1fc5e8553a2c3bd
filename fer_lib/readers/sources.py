"""Where a data set is, which one it is, and where its decoded copy lives.

Loads no numpy or pandas: a run that has nothing to do must end in an instant.
"""

import hashlib
import importlib.metadata
import os
from pathlib import Path

from fer_lib.config import WORK, UserError
from fer_lib.readers import EMBEDDED, READERS

#: Bump when decoding changes: decoded folders of another version are not read.
FORMAT = 1


def find(path: str | None = None) -> tuple[Path | None, Path]:
    """The source at `path`, else at $FER_DATA, else None for ORL; and its decoded folder.

    The folder's name changes when a file of the source does. Raises UserError if there is none.
    """
    source = _source(path or os.environ.get("FER_DATA"))
    return source, WORK / "data" / f"{'faces' if source else EMBEDDED}-{_identity(source)}"


def _source(path: str | None) -> Path | None:
    if not path:
        return None
    try:
        source = Path(path).expanduser().resolve(strict=True)
        usable = source.is_dir() or source.is_file()
    except (OSError, RuntimeError, ValueError):  # RuntimeError: ~nobody; ValueError: a NUL in it
        usable = False
    if not usable:
        raise UserError(f"no data at {path!r}: give a zip or a folder, or leave --data away")
    return source


def _identity(source: Path | None) -> str:
    """A short name of the source's state: changes when a file of it does, costs no reading."""
    if source is None:
        package = READERS[EMBEDDED].package
        state = [package, importlib.metadata.version(package)]
    else:
        try:
            paths = [source] if source.is_file() else _files(top(source))
        except OSError as error:
            raise UserError(f"cannot read {source}: {error.strerror}") from None
        state = [str(source), *((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in paths)]
    return hashlib.sha256(repr([FORMAT, *state]).encode()).hexdigest()[:12]


def _files(root: Path) -> list[Path]:
    """Only what a reader reads: the folder may hold anything else, even the work folder."""
    patterns = {pattern for reader in READERS.values() for pattern in reader.files}
    return sorted({p for pattern in patterns for p in root.glob(pattern) if p.is_file()})


def top(root):
    """`root` (a folder, inside a zip or not), or the folder in it if it holds nothing else."""
    entries = [entry for entry in root.iterdir() if entry.name not in ("__MACOSX", ".DS_Store")]
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else root


def recognise(root) -> str:
    """The name of the data set in the top folder `root`. Raises UserError if there is none."""
    marked = {name: reader for name, reader in READERS.items() if reader.mark}
    for name, reader in marked.items():
        if (root / reader.mark).is_file():
            return name
    marks = " or ".join(reader.mark for reader in marked.values())
    contents = " or ".join(reader.holds for reader in marked.values())
    raise UserError(f"{root} has no {marks}: put {contents} there")
