"""Read FER+ in the forms in which people have it, and refuse what is not as expected: the layout of
Microsoft's preparation script (three folders of PNGs, each with its `label.csv`) or Kaggle's pixel
table, beside the votes in `fer2013new.csv`, in a folder or in a zip, which is never unpacked."""

import collections
import hashlib
import itertools
import re
from collections.abc import Iterator

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
NAME = re.compile(r"fer([0-9]{7})\.png")
#: Faces that may be shown, chosen by looking at each: adults, and no agency's watermark.
SHOWN = (8386, 25926, 32752, 32306, 32410, 33042, 34231, 34434, 34908, 35217, 35340)
#: Rows of votes that are read: FER+ has 35,887.
MOST = 100_000
#: The number of all faces, and SHA-256 of their pixels, which shows whether a table has its order.
FACES, PIXELS = 35710, "c80b3443183430bf4ddb7bd2da880c6cd72214ed24114a8adc8ef08680ec40ca"


def read(root: Tree) -> tuple[np.ndarray, pd.DataFrame]:
    """Images uint8 (N, 48, 48) and rows of any form of FER+, sorted by id, the number in the
    image's name. The votes are always those of `fer2013new.csv`, so that all forms give the same
    labels; those in `label.csv` differ in 1,602 rows. Four names occur twice there: as in
    Microsoft's script, the later row has the image and the votes."""
    places = sources.places(root)
    tables = [t for p in places for name in PIXEL_TABLES if (t := sources.named(p, name))]
    folders = [p for p in places if all((p / name / "label.csv").is_file() for name in FOLDERS)]
    if tables:  # Microsoft's own checkout has the three folders, but no images in them
        folders = [p for p in folders[:1] if _has_images(p)]
    elif not all(map(_has_images, folders[:1])):
        raise UserError(
            f"{folders[0]} has {', '.join(FOLDERS)} without images, and no {PIXEL_TABLES[0]}: put "
            "Kaggle's table there, or the images"
        )
    if folders:
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
    images, usages, votes = zip(*(faces[i] for i in ids), strict=True)
    emotions = majority(np.array(votes))
    rows = pd.DataFrame({"id": ids, "usage": usages, "person": "", "emotion": emotions})
    return np.stack(images), rows.join(pd.DataFrame(votes, columns=VOTES))


def _has_images(place: Tree) -> bool:
    """Whether one of the first images that the folders' labels name is there."""
    folder = place / next(iter(FOLDERS))
    return any((folder / name).is_file() for name in itertools.islice(_labels(folder), 9))


def _labels(folder: Tree) -> Iterator[str]:
    """The names of images in the `label.csv` of a folder, behind the numbers of rows, which pandas
    writes, or not."""
    for row in csv_rows(folder / "label.csv"):
        if row[:2] != ["", "0"]:  # pandas' names of columns that had none
            yield next((cell for cell in row[:2] if NAME.fullmatch(cell)), row[0])


def _read_folders(root: Tree, place: Tree) -> dict:
    """(pixels, usage, votes) by id."""
    faces = {}
    labels = {name: (usage, votes) for usage, name, votes in _vote_rows(root)}
    for folder, usage in FOLDERS.items():
        for name in _labels(place / folder):
            if name not in labels or labels[name][0] != usage:
                raise UserError(
                    f"{folder}/label.csv names {name!r}, {VOTE_TABLE} has none in {usage}"
                )
            faces[_number(name)] = _face(place / folder / name), *labels[name]
    return faces


def _read_tables(root: Tree, file: Tree) -> dict:
    """(pixels, usage, votes) by id. The two tables belong together row by row; the number in an
    image's name is not its row, since rows that are not faces were mostly not counted."""
    faces, labels = {}, _vote_rows(root)
    times = collections.Counter(name for _, name, _ in labels if name)
    once = [name for name, count in times.items() if count == 1]
    if once != sorted(once):  # as they ascend in FER+: its rows are not those of Kaggle's table
        raise UserError(f"{VOTE_TABLE} is not in its own order, sorted by image name")
    lines, table = csv_rows(file), file.name
    columns = [name.strip().lower() for name in next(lines, [])]
    if not {"usage", "pixels"} <= set(columns):
        found = ", ".join(map(repr, columns[:5]))
        raise UserError(f"{table} has no columns usage and pixels, but {found:.99}: take Kaggle's")
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
            pixels = _bytes(line[columns.index("pixels")].split(), f"{where}: a pixel")
            if len(pixels) != SIDE * SIDE:
                raise UserError(f"{where}: {len(pixels)} pixels, not {SIDE * SIDE}")
            faces[_number(name)] = np.frombuffer(pixels, np.uint8).reshape(SIDE, SIDE), usage, votes
    pixels = b"".join(faces[number][0].tobytes() for number in sorted(faces))
    if len(faces) == FACES and hashlib.sha256(pixels).hexdigest() != PIXELS:
        raise UserError(f"{table} has not FER2013's pixels in their order: take Kaggle's own file")
    return faces


def _vote_rows(root: Tree) -> list[tuple[str, str, tuple[int, ...]]]:
    """Usage, image name (empty where there is no face) and votes of each row."""
    rows = csv_rows(sources.named(root, VOTE_TABLE) or root / VOTE_TABLE)
    header = next(rows, [])
    first = int(header[:1] in ([""], ["Unnamed: 0"]))  # the numbers of rows, as pandas writes them
    header = header[first:]
    wanted, labels = ["Usage", "Image name", *VOTES], []
    if [name.strip().lower() for name in header] != [name.lower() for name in wanted]:
        found = ", ".join(map(repr, header[:5]))
        raise UserError(f"{VOTE_TABLE} has not the columns {', '.join(wanted)}, but {found:.99}")
    for number, row in enumerate(row[first:] for row in rows):
        where = f"{VOTE_TABLE}, row {number}"
        if number == MOST:
            raise UserError(f"{VOTE_TABLE} has over {MOST:,} rows, which FER+ has not")
        if len(row) != len(wanted):
            raise UserError(f"{where}: {len(row)} columns, not {len(wanted)}")
        votes = _bytes([vote.strip().removesuffix(".0") for vote in row[2:]], f"{where}: a vote")
        labels.append((row[0].strip(), row[1].strip(), tuple(votes)))
    return labels


def _bytes(texts: list[str], what: str) -> bytes:
    try:
        return bytes(map(int, texts))
    except ValueError:
        raise UserError(f"{what} is not a whole number from 0 to 255") from None


def _number(name: str) -> int:
    if not (match := NAME.fullmatch(name)):
        raise UserError(f"{name!r} is not an image name of FER+ (ferNNNNNNN.png)")
    return int(match[1])


def _face(file: Tree) -> np.ndarray:
    with reading(file), file.open("rb") as stream, Image.open(stream, formats=["PNG"]) as image:
        if image.mode != "L" or image.size != (SIDE, SIDE):
            size = f"{image.width}x{image.height} of mode {image.mode}"
            raise UserError(f"{file.name} is {size}, not {SIDE}x{SIDE} of mode L (8-bit gray)")
        return np.asarray(image)


def majority(votes: np.ndarray) -> list[str]:
    """The emotion of each row of votes (N, 10), or "" (Barsoum et al. 2016, majority voting): one
    of the eight, with more than half of the votes. A single vote is an outlier and not counted."""
    counted = np.where(votes > 1, votes, 0)
    clear = counted.max(axis=1) * 2 > counted.sum(axis=1)
    names = np.array([*EMOTIONS, "", ""])[counted.argmax(axis=1)]
    return np.where(clear, names, "").tolist()
