"""Where a data set is, which one, and where its decoded copy lives; loads no numpy or pandas."""

import contextlib
import hashlib
import importlib.metadata
import os
import re
from pathlib import Path

from fer_lib.config import WORK, UserError
from fer_lib.readers import EMBEDDED, READERS

#: Bump when decoding changes: decoded folders of another version are not read.
FORMAT = 1


def find(path: str | None = None) -> tuple[Path | None, Path]:
    """The source at `path`, else at $FER_DATA, else None for ORL; and its decoded folder, whose
    name changes when a file of the source does. Raises UserError if there is no such source."""
    if path := path or os.environ.get("FER_DATA"):
        name, source = "faces", _source(path)
        state = _state(source)
    else:
        name, source, package = EMBEDDED, None, READERS[EMBEDDED].package
        state = [package, importlib.metadata.version(package)]
    digest = hashlib.sha256(repr([FORMAT, *state]).encode()).hexdigest()[:12]
    return source, WORK / "data" / f"{name}-{digest}"


def _source(path: str) -> Path:
    # Also of ~nobody, of a NUL in it, of what is no text.
    with contextlib.suppress(OSError, RuntimeError, TypeError, ValueError):
        source = Path(path).expanduser().resolve(strict=True)
        if source.is_dir() or source.is_file():
            return source
    raise UserError(f"no data at {path!r:.200}: give a zip or a folder, or leave --data away")


def _state(source: Path) -> list:
    """Names, sizes and dates of what a reader reads there: the folder may hold anything else."""
    patterns = {pattern for reader in READERS.values() for pattern in reader.files}
    try:
        paths = {source}
        if source.is_dir():
            root = top(source)
            paths = {p for pattern in patterns for p in root.glob(pattern) if p.is_file()}
        facts = [(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(paths)]
    except OSError as error:
        raise UserError(f"cannot read {source}: {error.strerror}") from None
    return [str(source), *facts]


def places(root) -> list:
    """`root` (a folder, inside a zip or not) and the folders in it, but for hidden ones."""
    inside = [p for p in root.iterdir() if not p.name.startswith((".", "__MACOSX")) and p.is_dir()]
    return [root, *sorted(inside, key=str)]


def top(root):
    """The folder with the mark of a data set: `root`, or one or two folders down the only one."""
    for _ in range(2):
        inside = [] if _mark(root) else places(root)[1:]
        marked = [place for place in inside if _mark(place)] or inside
        root = marked[0] if len(marked) == 1 else root
    return root


def named(root, name: str):
    """The file in `root` called `name`, also in other case, without .csv, or with a browser's
    " (1)"; None if there is none. Raises UserError if there are several."""
    files = {e.name: e for e in root.iterdir() if _plain(e.name) == _plain(name) and e.is_file()}
    if len(files) > 1 and name not in files:
        raise UserError(f"{root} holds {' and '.join(sorted(files))}: leave one")
    return files.get(name) or next(iter(files.values()), None)


def _plain(name: str) -> str:
    return re.sub(r" \(\d+\)$", "", name.lower().removesuffix(".csv"))


def _mark(root) -> str:
    """The name of the data set whose mark lies in `root`; "" if none does."""
    marks = {name: reader.mark for name, reader in READERS.items() if reader.mark}
    return next((name for name, mark in marks.items() if named(root, mark)), "")


def recognise(root) -> str:
    """The name of the data set in the top folder `root`. Raises UserError if there is none."""
    if name := _mark(root):
        return name
    marked = [(reader.mark, reader.holds) for reader in READERS.values() if reader.mark]
    marks, contents = (" or ".join(words) for words in zip(*marked, strict=True))
    raise UserError(f"{root} has no {marks}, but {listing(root)}: put {contents} there")


def listing(root) -> str:
    """The first names in a folder, for a message."""
    names = sorted(entry.name for entry in root.iterdir())
    return (", ".join(map(repr, names[:5])) or "nothing") + ", ..." * (len(names) > 5)
