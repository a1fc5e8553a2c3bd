"""Read FER+ in the forms in which people have it, and refuse what is not as expected.

Either the layout of Microsoft's preparation script (three folders of PNGs, each with its
`label.csv`), or Kaggle's pixel table; both beside the votes in `fer2013new.csv`, and either as a
folder or as a zip, which is read in place and never unpacked.
"""

import collections
import hashlib
import itertools
import re

import numpy as np
import pandas as pd
from PIL import Image

from fer_lib.config import UserError
from fer_lib.readers import READERS, SIDE, sources
from fer_lib.readers.archive import Tree, csv_rows, reading

FOLDERS = {"FER2013Train": "Training", "FER2013Valid": "PublicTest", "FER2013Test": "PrivateTest"}
PIXEL_TABLES = ("fer2013.csv", "icml_face_data.csv")
VOTE_TABLE = READERS["ferplus"].mark
EMOTIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
VOTES = (*EMOTIONS, "unknown", "NF")
#: The number of all faces, and SHA-256 of their pixels, which shows whether a table has its order.
FACES, PIXELS = 35710, "c80b3443183430bf4ddb7bd2da880c6cd72214ed24114a8adc8ef08680ec40ca"


def read(root: Tree) -> tuple[np.ndarray, pd.DataFrame]:
    """Images uint8 (N, 48, 48) and rows of any of the forms of FER+, sorted by id.

    The id is the number in the image's name. The votes are always those of `fer2013new.csv`, so
    that all forms give the same labels; the votes in `label.csv` differ in 1,602 rows. Four names
    occur twice there: as in Microsoft's script, the later row has the image and the votes.
    """
    places, first = sources.places(root), next(iter(FOLDERS))
    tables = [sources.named(place, name) for place in places for name in PIXEL_TABLES]
    tables = [table for table in tables if table]
    folders = [p for p in places if all((p / name / "label.csv").is_file() for name in FOLDERS)]
    # Microsoft's own checkout has the three folders, but no images in them.
    if folders and not (
        tables and {e.name for e in (folders[0] / first).iterdir()} == {"label.csv"}
    ):
        faces = _read_folders(root, folders[0])
    elif tables:
        faces = _read_tables(root, tables[0])
    else:
        raise UserError(
            f"{root} is not FER+: expected {', '.join(FOLDERS)}, each with label.csv, "
            f"or {' / '.join(PIXEL_TABLES)}; found {sources.listing(root)}"
        )
    if not faces:
        raise UserError(f"{root} holds no faces")
    ids = sorted(faces)
    rows = pd.DataFrame([faces[i][1] for i in ids], columns=["usage", *VOTES])
    rows.insert(0, "id", ids)
    rows.insert(2, "person", "")
    rows.insert(3, "emotion", majority(rows[list(VOTES)].to_numpy()))
    return np.stack([faces[i][0] for i in ids]), rows


def _read_folders(root: Tree, place: Tree) -> dict:
    """(pixels, (usage, votes)) by id."""
    faces = {}
    labels = {name: (usage, *votes) for usage, name, votes in _vote_rows(root)}
    for folder, usage in FOLDERS.items():
        for name, *_ in csv_rows(place / folder / "label.csv"):
            if name not in labels or labels[name][0] != usage:
                raise UserError(
                    f"{folder}/label.csv names {name!r}, {VOTE_TABLE} has none in {usage}"
                )
            faces[_number(name)] = _face(place / folder / name), labels[name]
    return faces


def _read_tables(root: Tree, file: Tree) -> dict:
    """(pixels, (usage, votes)) by id. The two tables belong together row by row; the number in an
    image's name is not its row, since rows that are not faces were mostly not counted."""
    faces = {}
    labels = _vote_rows(root)
    _check_order([name for _, name, _ in labels if name])
    lines, table = csv_rows(file), file.name
    columns = [name.strip().lower() for name in next(lines, [])]
    if not {"usage", "pixels"} <= set(columns):
        found = ", ".join(map(repr, columns[:5]))
        raise UserError(
            f"{table} has no columns usage and pixels, but {found:.99}: is it Kaggle's?"
        )
    for number, (line, label) in enumerate(itertools.zip_longest(lines, labels)):
        where = f"{table}, row {number}"
        if line is None or label is None:
            raise UserError(f"{table} has not the {len(labels)} rows of {VOTE_TABLE}")
        if len(line) != len(columns):
            raise UserError(f"{where}: {len(line)} columns, not {len(columns)}")
        usage, name, votes = label
        if line[columns.index("usage")].strip() != usage:
            raise UserError(f"{where}: {VOTE_TABLE} is about another image there")
        if name:  # rows without a name are not faces
            pixels = _pixels(line[columns.index("pixels")], where)
            faces[_number(name)] = pixels, (usage, *votes)
    pixels = b"".join(faces[number][0].tobytes() for number in sorted(faces))
    if len(faces) == FACES and hashlib.sha256(pixels).hexdigest() != PIXELS:
        raise UserError(
            f"{table} has not FER2013's pixels in FER2013's order: take Kaggle's own file"
        )
    return faces


def _check_order(names: list[str]) -> None:
    """Names that occur once ascend in FER+; otherwise its rows are not those of Kaggle's table."""
    times = collections.Counter(names)
    once = [name for name in names if times[name] == 1]
    if once != sorted(once):
        raise UserError(f"{VOTE_TABLE} is not in its own order, sorted by image name")


def _vote_rows(root: Tree) -> list[tuple[str, str, tuple[int, ...]]]:
    """Usage, image name (empty where there is no face) and votes of each row."""
    file = sources.named(root, VOTE_TABLE) or root / VOTE_TABLE
    header, *rows = list(csv_rows(file)) or [[]]
    if header[:1] in ([""], ["Unnamed: 0"]):  # the numbers of rows, as pandas writes them
        header, rows = header[1:], [row[1:] for row in rows]
    wanted = ["Usage", "Image name", *VOTES]
    if [name.strip().lower() for name in header] != [name.lower() for name in wanted]:
        found = ", ".join(map(repr, header[:5]))
        raise UserError(f"{VOTE_TABLE} has not the columns {', '.join(wanted)}, but {found:.99}")
    return [_vote_row(row, f"{VOTE_TABLE}, row {number}") for number, row in enumerate(rows)]


def _vote_row(row: list[str], where: str) -> tuple[str, str, tuple[int, ...]]:
    if len(row) != 2 + len(VOTES):
        raise UserError(f"{where}: {len(row)} columns, not {2 + len(VOTES)}")
    try:
        votes = tuple(bytes(int(vote.strip().removesuffix(".0")) for vote in row[2:]))
    except ValueError:
        raise UserError(f"{where}: a vote is not a whole number from 0 to 255") from None
    return row[0].strip(), row[1].strip(), votes


def _number(name: str) -> int:
    match = re.fullmatch(r"fer([0-9]{7})\.png", name)
    if not match:
        raise UserError(f"{name!r} is not an image name of FER+ (ferNNNNNNN.png)")
    return int(match[1])


def _face(file: Tree) -> np.ndarray:
    with reading(file), file.open("rb") as stream, Image.open(stream, formats=["PNG"]) as image:
        if image.mode != "L" or image.size != (SIDE, SIDE):
            size = f"{image.width}x{image.height} of mode {image.mode}"
            raise UserError(f"{file.name} is {size}, not {SIDE}x{SIDE} of mode L (8-bit gray)")
        return np.asarray(image)


def _pixels(text: str, where: str) -> np.ndarray:
    try:
        values = bytes(map(int, text.split()))
    except ValueError:
        raise UserError(f"{where}: a pixel is not a whole number from 0 to 255") from None
    if len(values) != SIDE * SIDE:
        raise UserError(f"{where}: {len(values)} pixels, not {SIDE * SIDE}")
    return np.frombuffer(values, dtype=np.uint8).reshape(SIDE, SIDE)


def majority(votes: np.ndarray) -> list[str]:
    """The emotion of each row of votes (N, 10), or "" (Barsoum et al. 2016, majority voting).

    A single vote is an outlier and does not count; the emotion must have more than half of the
    votes left, and be one of the eight.
    """
    counted = np.where(votes > 1, votes, 0)
    winner = counted.argmax(axis=1)
    clear = counted.max(axis=1) * 2 > counted.sum(axis=1)
    names = np.array([*EMOTIONS, "", ""])
    return np.where(clear, names[winner], "").tolist()
