"""A small FER+ in every form that exists, a work folder of its own, and the real data if there.

A form is a plain dict, name of the file in it -> bytes, so that a test can damage it in one line.
"""

import csv
import hashlib
import io
import os
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_lib import config, data
from fer_lib.readers import ferplus, sources

#: Small tensors are no work for several threads, which get in each other's way (read by torch).
os.environ.setdefault("OMP_NUM_THREADS", "1")
REAL = Path(os.environ.get("FER_DATA") or config.ROOT.parent / "shared" / "data" / "ferplus.zip")
USAGES = ["Training"] * 24 + ["PublicTest"] * 6 + ["PrivateTest"] * 6
NOT_FACES = (3, 10, 26)
#: Row 5 bears the name of row 15, as four rows of the real table do: the later row counts.
NAMED_LIKE = {5: 15}
#: Exact copies, one across two folders and one across all three.
COPIES = {8: 1, 20: 2, 27: 2, 31: 1, 28: 1}


@dataclass(frozen=True)
class Row:
    usage: str
    name: str
    votes: tuple[int, ...]
    pixels: np.ndarray


def make_rows() -> list[Row]:
    """36 rows, 32 faces; an image's number stays behind its row, as in the real table."""
    random = np.random.default_rng(1)
    rows: list[Row] = []
    number = 0
    for place, usage in enumerate(USAGES):
        pixels = random.integers(0, 256, (48, 48), dtype=np.uint8)
        pixels = rows[COPIES[place]].pixels if place in COPIES else pixels
        votes = tuple(random.multinomial(10, [0.5, *[0.5 / 9] * 9]).tolist())
        name = "" if place in NOT_FACES else f"fer{number:07d}.png"
        rows.append(Row(usage, name, votes, pixels))
        number += place not in NOT_FACES
    for place, other in NAMED_LIKE.items():
        rows[place] = replace(rows[place], name=rows[other].name)
    return rows


def table(rows) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def votes_table(rows: list[Row]) -> bytes:
    header = ["Usage", "Image name", *ferplus.VOTES]
    return table([header, *([row.usage, row.name, *row.votes] for row in rows)])


def png(pixels: np.ndarray, mode: str | None = None) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(file, "PNG")
    return file.getvalue()


def folders_form(rows: list[Row]) -> dict[str, bytes]:
    """Microsoft's layout, with other votes in `label.csv` to show that they do not count."""
    form = {"fer2013new.csv": votes_table(rows), "LICENSE.md": b"MIT"}
    for folder, usage in ferplus.FOLDERS.items():
        chosen = {row.name: row for row in rows if row.name and row.usage == usage}
        other = [9, 0, 0, 0, 0, 0, 0, 0, 0, 1]
        form[f"{folder}/label.csv"] = table([name, "(0, 0, 48, 48)", *other] for name in chosen)
        form |= {f"{folder}/{name}": png(row.pixels) for name, row in chosen.items()}
    return form


def script_form(rows: list[Row]) -> dict[str, bytes]:
    """What the script of today writes: no box, and a name that occurs twice is listed twice."""
    form = folders_form(rows)
    for folder, usage in ferplus.FOLDERS.items():
        chosen = [row for row in rows if row.name and row.usage == usage]
        form[f"{folder}/label.csv"] = table([row.name, *row.votes] for row in chosen)
    return form


def kaggle_form(rows: list[Row]) -> dict[str, bytes]:
    lines = [[3, " ".join(map(str, row.pixels.ravel())), row.usage] for row in rows]
    pixels = table([["emotion", "pixels", "Usage"], *lines])
    return {"fer2013.csv": pixels, "fer2013new.csv": votes_table(rows)}


def icml_form(rows: list[Row]) -> dict[str, bytes]:
    lines = [[3, row.usage, " ".join(map(str, row.pixels.ravel()))] for row in rows]
    pixels = table([["emotion", " Usage", " pixels"], *lines])
    return {"icml_face_data.csv": pixels, "fer2013new.csv": votes_table(rows)}


def write_folder(folder: Path, form: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in form.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def write_zip(path: Path, form: dict[str, bytes], top: str = "", method: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in form.items():
            archive.writestr(top + name, content)
    return path


@dataclass(frozen=True)
class Known:
    """What any form of the rows must decode to, worked out without the library."""

    ids: list[int]
    usages: list[str]
    votes: list[list[int]]
    images: np.ndarray
    checksum: str


def known_answer(rows: list[Row]) -> Known:
    faces = sorted({row.name: row for row in rows if row.name}.items())
    ids = [int(name[3:10]) for name, _ in faces]
    images = np.stack([row.pixels for _, row in faces])
    digest = hashlib.sha256(np.array(ids, "<i8").tobytes() + images.tobytes()).hexdigest()
    usages, votes = [row.usage for _, row in faces], [list(row.votes) for _, row in faces]
    return Known(ids, usages, votes, images, digest)


def assert_known(faces: data.Faces, known: Known) -> None:
    assert faces.rows["id"].tolist() == known.ids
    assert faces.rows["usage"].tolist() == known.usages
    assert faces.rows[list(ferplus.VOTES)].to_numpy().tolist() == known.votes
    assert np.array_equal(faces.images, known.images)
    assert faces.checksum == known.checksum


@pytest.fixture(scope="session")
def rows() -> list[Row]:
    return make_rows()


@pytest.fixture(scope="session")
def forms(rows) -> dict[str, dict[str, bytes]]:
    """Every form of the rows by its name; tests change copies of them."""
    makers = (folders_form, script_form, kaggle_form, icml_form)
    return {maker.__name__.removesuffix("_form"): maker(rows) for maker in makers}


@pytest.fixture(scope="session")
def known(rows) -> Known:
    return known_answer(rows)


@pytest.fixture
def work(tmp_path, monkeypatch) -> Path:
    """An empty work folder; the data set of the environment is out of sight."""
    monkeypatch.setattr(sources, "WORK", tmp_path / "work")
    monkeypatch.delenv("FER_DATA", raising=False)
    return tmp_path / "work"


@pytest.fixture(scope="session")
def real_faces(tmp_path_factory) -> data.Faces:
    """The real FER+, decoded once for all tests (15 seconds)."""
    if not REAL.exists():
        pytest.skip("the real FER+ is not there: point FER_DATA at it")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "WORK", tmp_path_factory.mktemp("real"))
        return data.load(str(REAL))


@pytest.fixture(scope="session")
def pictures() -> np.ndarray:
    """24 smooth uint8 pictures of 48x48 that use all grays: what is learnt can be learnt there."""
    random, rows, columns = np.random.default_rng(7), *np.mgrid[0:48, 0:48] / 48
    pictures = []
    for _ in range(24):
        u, v, shift, dark = random.uniform((-2, -2, 0, 0.5), (2, 2, 6, 1.5))
        wave = 0.5 + 0.5 * np.sin(2 * np.pi * (u * rows + v * columns) + shift)
        pictures.append(np.round(255 * wave**dark))
    return np.stack(pictures).astype(np.uint8)
