"""Faces, decoded once and memory-mapped; splits without data leakage (docs/protocol.md)."""

import hashlib
import importlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fer_lib.config import SPLIT_VERSION, UserError
from fer_lib.readers import EMBEDDED, archive, sources
from fer_lib.tools import files, twins

#: The study's parts, by the data set's own division (column `usage`).
PARTS = {"Training": "learning", "PublicTest": "validation", "PrivateTest": "test"}


@dataclass(frozen=True)
class Faces:
    """A decoded data set.

    name: that of its reader, such as "orl" or "ferplus".
    images: uint8 (N, 48, 48), memory-mapped read-only, sorted by id.
    rows: one row per image: id, usage, person, emotion (empty where there is no majority), votes.
    checksum: SHA-256 of ids and pixels.
    twins: positions (m, 2) in `images` of all pairs of near-duplicates (`tools.twins`)."""

    name: str
    images: np.ndarray
    rows: pd.DataFrame
    checksum: str
    twins: np.ndarray


def load(path: str | None = None) -> Faces:
    """The data set at `path`, else at `$FER_DATA`, else the embedded ORL faces. Raises UserError,
    of one line, for a missing path and for unexpected contents."""
    folder = prepare(path)
    meta = json.loads((folder / "meta.json").read_text())
    return Faces(
        name=meta["name"],
        images=np.load(folder / "images.npy", mmap_mode="r"),
        rows=pd.read_csv(folder / "rows.csv", keep_default_na=False),
        checksum=meta["checksum"],
        twins=np.load(_twins(folder)),
    )


def prepare(path: str | None = None) -> Path:
    """The folder of the decoded data set, which is decoded first if needed."""
    source, folder = sources.find(path)
    if not (folder / "meta.json").exists():
        root = archive.root(source) if source else None
        name = sources.recognise(root) if source else EMBEDDED
        images, rows = importlib.import_module(f"fer_lib.readers.{name}").read(root)
        meta = {"name": name, "checksum": checksum(images, rows["id"]), "images": len(images)}
        _save(folder / "images.npy", images)
        files.write_text(folder / "rows.csv", rows.to_csv(index=False))
        files.write_text(folder / "meta.json", json.dumps(meta))  # last: once it exists, all do
    if not _twins(folder).exists():
        images = np.load(folder / "images.npy", mmap_mode="r")
        _save(_twins(folder), twins.pairs(images))
    return folder


def _save(path: Path, array: np.ndarray) -> None:
    content = io.BytesIO()
    np.save(content, array)  # not to a file: NumPy says nothing of a full disk for a small array
    with files.replacing(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def _twins(folder: Path) -> Path:
    return folder / f"twins-{SPLIT_VERSION}.npy"


def checksum(images: np.ndarray, ids) -> str:
    """SHA-256 over the ids (int64) and the pixels."""
    return hashlib.sha256(np.asarray(ids, dtype="<i8").tobytes() + images.tobytes()).hexdigest()


def copy_groups(images: np.ndarray) -> np.ndarray:
    """A group number for each image (N,), the same for images that are equal in every pixel."""
    return pd.Series([image.tobytes() for image in images]).factorize()[0]


def groups(faces: Faces) -> np.ndarray:
    """A group number for each image (N,); a group must stay on one side of a split. Groups are all
    pictures of a person where people are known (ORL), else exact copies (FER+)."""
    people = faces.rows["person"]
    return copy_groups(faces.images) if (people == "").any() else people.to_numpy()


def has_twin(pairs: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Mask (N,) of images that have a twin in the mask `among` (N,); pairs: positions (m, 2)."""
    near = np.zeros(len(among), dtype=bool)
    near[pairs[:, ::-1][among[pairs]]] = True
    return near


def parts(faces: Faces) -> pd.DataFrame:
    """The part of each image, by the rule in docs/protocol.md: a frame (index: position in
    `faces.images`) with `id` and `part`: "learning", "validation", "test" or "left out". A learning
    face is left out if it has a twin among the validation or test faces, a validation face if it
    has one among the test faces."""
    usage = faces.rows["usage"]
    divided = (usage != "").any()
    part = np.array([PARTS[name] for name in usage] if divided else _drawn_parts(faces))
    test, held = part == "test", part != "learning"
    leaks = (has_twin(faces.twins, held) & ~held) | (has_twin(faces.twins, test) & held & ~test)
    return pd.DataFrame({"id": faces.rows["id"], "part": np.where(leaks, "left out", part)})


def _drawn_parts(faces: Faces) -> list[str]:
    """Parts drawn by group: a tenth (at least one) test, a tenth validation, the rest learning."""
    belongs = groups(faces)
    shuffled = np.random.default_rng(SPLIT_VERSION).permutation(np.unique(belongs))
    tenth = max(1, len(shuffled) // 10)
    held = dict.fromkeys(shuffled[:tenth], "test")
    held |= dict.fromkeys(shuffled[tenth : 2 * tenth], "validation")
    return [held.get(group, "learning") for group in belongs]


def paper_sample(
    faces: Faces, seed: int, *, train: int | None = 3200, test: int | None = 800
) -> pd.DataFrame:
    """A sample as large as the paper's, drawn from the learning faces; a frame as from `split`. No
    twin, copy or person is on both sides. All learning faces are taken, one fifth of them for
    testing, if there are fewer than `train + test`, or if both are None."""
    learning = np.flatnonzero(parts(faces)["part"] == "learning")
    if len(learning) < (train or 0) + (test or 0):
        train = test = None
    return _draw(faces, learning, faces.twins, train, test, seed)


def split(faces: Faces, train: int | None, test: int | None, seed: int) -> pd.DataFrame:
    """The random split of this study's first trainings (version 0 in `config.Part`). It keeps
    people and exact copies on one side. Of the faces drawn for testing, those with another twin
    among all others are "left out", since methods may have learnt from it. Shuffled groups fill the
    test set first. Returns a frame of the chosen images (index: position in `faces.images`) with
    `id`, `side` ("train", "test" or "left out") and `group`. None takes every image, one fifth of
    them for testing. Raises UserError if there are too few."""
    frame = _draw(faces, np.arange(len(faces.rows)), faces.twins[:0], train, test, seed)
    belongs, tested = groups(faces), frame["side"] == "test"
    near = has_twin(faces.twins, ~np.isin(belongs, frame.loc[tested, "group"]))
    frame.loc[tested & near[frame.index], "side"] = "left out"
    return frame


def _draw(faces: Faces, pool, pairs, train: int | None, test: int | None, seed: int):
    """`split` of the images at the positions `pool`; no twins of `pairs` are on both sides."""
    belongs = groups(faces)
    test = round(len(pool) / 5) if test is None else test
    shuffled = np.random.default_rng(seed).permutation(np.unique(belongs[pool]))
    order = pool[np.argsort(pd.Index(shuffled).get_indexer(belongs[pool]), kind="stable")]
    tested = np.isin(np.arange(len(belongs)), order[:test])
    free = ~np.isin(belongs, belongs[tested]) & ~has_twin(pairs, tested)
    rest = order[free[order]][:train]
    if test < 1 or len(rest) < (train or 1):
        raise UserError(
            f"{faces.name} has {len(pool)} faces, too few for {train or 1} to train and {test} to "
            "test with no person and no copy on both sides"
        )
    chosen = np.concatenate([order[:test], rest])
    frame = pd.DataFrame({"id": faces.rows["id"].to_numpy()[chosen], "group": belongs[chosen]})
    frame["side"] = ["test"] * test + ["train"] * len(rest)
    return frame.set_index(chosen).sort_index()
