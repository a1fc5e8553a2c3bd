"""Every form of FER+ gives the same faces, and bad input gets one line."""

import csv
import hashlib
import io
import os
import tracemalloc
import zipfile

import numpy as np
import pandas as pd
import pytest
from conftest import (
    REAL,
    Row,
    assert_known,
    folders_form,
    kaggle_form,
    make_rows,
    png,
    table,
    write_folder,
    write_zip,
)
from PIL import Image

from fer_lib import data
from fer_lib.config import UserError
from fer_lib.readers import archive, ferplus

pytestmark = pytest.mark.usefixtures("work")
VOTES, LABELS = "fer2013new.csv", "FER2013Train/label.csv"
FACE = "FER2013Train/fer0000001.png"


# --- forms ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("top", [None, "", "ferplus/", "__MACOSX"])
@pytest.mark.parametrize("form", ["folders", "script", "kaggle", "icml"])
def test_every_form_gives_the_same_faces(tmp_path, forms, known, form, top):
    made = forms[form]
    if top is None:
        source = write_folder(tmp_path / "source", made)
    elif top == "__MACOSX":
        made = {f"ferplus/{name}": content for name, content in made.items()}
        source = write_zip(tmp_path / "source.zip", made | {"__MACOSX/ferplus/._x": b"\0"})
    else:
        source = write_zip(tmp_path / "source.zip", made, top, zipfile.ZIP_DEFLATED)
    faces = data.load(str(source))
    assert_known(faces, known)
    assert faces.name == "ferplus"
    assert list(faces.rows) == ["id", "usage", "person", "emotion", *ferplus.VOTES]
    assert faces.rows["emotion"].tolist() == ferplus.majority(np.array(known.votes))
    assert faces.images.dtype == np.uint8


def test_the_made_rows_are_as_hard_as_the_real_ones(rows, known):
    names = [row.name for row in rows]
    assert any(name and int(name[3:10]) != place for place, name in enumerate(names))
    assert len(known.ids) == len(set(names) - {""}) < len([name for name in names if name])
    assert len(np.unique(known.images, axis=0)) < len(known.images)


def test_a_folder_named_like_a_zip_is_a_folder(tmp_path, forms, known):
    assert_known(data.load(str(write_folder(tmp_path / "x.zip", forms["kaggle"]))), known)


@pytest.mark.parametrize("name", [VOTES, LABELS])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b"\n", b"\r"),
        lambda text: text.replace(b"\n", b"\n\n"),
        lambda text: text.rstrip(b"\n"),
        lambda text: text.decode().encode("utf-16"),
        lambda text: text + b"   \n",
        lambda text: text + b",,,\n,,,\n",
    ],
    ids=[
        *("byte order mark", "windows", "old mac", "blank lines", "no last newline"),
        *("utf-16", "spaces at the end", "Excel's empty rows"),
    ],
)
def test_tables_may_be_written_in_any_usual_way(tmp_path, forms, known, name, change):
    form = dict(forms["folders"])
    form[name] = change(form[name])
    assert_known(data.load(str(write_folder(tmp_path / "x", form))), known)


def other_delimiter(text: bytes, delimiter: str) -> bytes:
    file = io.StringIO()
    rows = csv.reader(io.StringIO(text.decode()))
    csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return file.getvalue().encode()


def numbered(text: bytes) -> bytes:
    """As pandas writes a table."""
    head, *rows = text.splitlines(keepends=True)
    return b"," + head + b"".join(b"%d,%s" % pair for pair in enumerate(rows))


def as_floats(text: bytes) -> bytes:
    rows = csv.reader(io.StringIO(text.decode()))
    return table([*row[:2], *(f"{x}.0" if x.isdigit() else x for x in row[2:])] for row in rows)


@pytest.mark.parametrize("name", [VOTES, "fer2013.csv"])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: other_delimiter(text, ";"),
        lambda text: other_delimiter(text, "\t"),
        numbered,
        lambda text: text.replace(b"Usage", b"usage", 1),
        as_floats,
        lambda text: text.decode().encode("utf-16"),
    ],
    ids=["semicolons", "tabs", "index", "lower case", "floats", "utf-16"],
)
def test_tables_may_come_out_of_other_programs(tmp_path, forms, known, name, change):
    if change is as_floats and name != VOTES:
        return  # votes alone become floats: in pandas, by a gap in their column
    form = dict(forms["kaggle"])
    form[name] = change(form[name])
    assert_known(data.load(str(write_folder(tmp_path / "x", form))), known)


def test_labels_may_come_out_of_pandas(tmp_path, forms, known):
    form = dict(forms["folders"])
    for name in ferplus.FOLDERS:
        rows = form[f"{name}/label.csv"].splitlines(keepends=True)
        columns = b",".join(b"%d" % n for n in range(rows[0].count(b",") + 1))
        form[f"{name}/label.csv"] = numbered(columns + b"\n" + b"".join(rows))
    assert_known(data.load(str(write_folder(tmp_path / "x", form))), known)


def moved(form: dict[str, bytes], **names: str) -> dict[str, bytes]:
    """A form with its files elsewhere: by the start of their names a new start."""
    for old, new in names.items():
        form = {new + n.removeprefix(old) if n.startswith(old) else n: c for n, c in form.items()}
    return form


#: Name of a form, and how people have it.
LAYOUTS = {
    "Microsoft's checkout": (
        "folders",
        lambda form: moved(form, FER2013="data/FER2013") | {"src/x.py": b"", ".git/config": b""},
    ),
    "Microsoft's checkout with Kaggle's table": (
        "folders",
        lambda form: {n: c for n, c in form.items() if not n.endswith(".png")},
    ),
    "Microsoft's checkout with Kaggle's table and other files": (
        "folders",
        lambda form: (
            {n: c for n, c in form.items() if not n.endswith(".png")}
            | {
                f"{name}/{other}": b""
                for name in ferplus.FOLDERS
                for other in (".DS_Store", "x.png")
            }
        ),
    ),
    "Kaggle's archive": ("kaggle", lambda form: {**form, "fer2013/README": b"", "x/y": b""}),
    "one wrapping folder and other files": (
        "kaggle",
        lambda form: moved(form, fer2013="top/fer2013") | {"README.txt": b"", "desktop.ini": b""},
    ),
    "two wrapping folders": ("kaggle", lambda form: moved(form, fer2013="a/b c/fer2013")),
    "beside other folders": (
        "kaggle",
        lambda form: moved(form, fer2013="b/fer2013") | {"a/x.txt": b"", "c/x.txt": b""},
    ),
}


@pytest.mark.parametrize("backslashes", [False, True])
@pytest.mark.parametrize("as_zip", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_in_which_people_have_it(tmp_path, forms, known, layout, as_zip, backslashes):
    name, arrange = LAYOUTS[layout]
    form = arrange(forms[name])
    if "Kaggle" in layout:
        form.pop("fer2013.csv", None)
        form["fer2013/fer2013.csv"] = forms["kaggle"]["fer2013.csv"]
    if backslashes:
        form = {n.replace("/", "\\"): c for n, c in form.items()} if as_zip else form
    write = write_zip if as_zip else write_folder
    assert_known(data.load(str(write(tmp_path / "x", form))), known)


@pytest.mark.parametrize("pixels", ["FER2013.CSV", "fer2013", "fer2013 (1).csv", "Fer2013.Csv"])
@pytest.mark.parametrize("votes", ["fer2013new (1).csv", "FER2013NEW.csv", "fer2013new"])
def test_names_as_browsers_and_windows_change_them(tmp_path, forms, known, pixels, votes):
    form = {pixels: forms["kaggle"]["fer2013.csv"], votes: forms["kaggle"][VOTES]}
    source = write_folder(tmp_path / "x", form)
    before = data.sources.find(str(source))[1]
    assert_known(data.load(str(source)), known)
    (source / pixels).write_bytes(b"")
    assert data.sources.find(str(source))[1] != before


def test_what_can_be_read_in_two_ways_is_refused(tmp_path, work, forms):
    form = {f"fer2013new ({n}).csv": forms["kaggle"][VOTES] for n in (1, 2)}
    source = write_folder(tmp_path / "x", form | forms["kaggle"])
    data.load(str(source))  # the one without a number is it
    source = write_folder(tmp_path / "y", form)
    with pytest.raises(UserError, match="fer2013new .1..csv and fer2013new .2..csv: leave one"):
        data.load(str(source))


def test_a_message_says_what_was_found(tmp_path, work, forms):
    found = "'a.jpg', 'b.jpg', 'c.jpg', 'd.jpg', 'e.jpg', ..."
    many = {f"{name}.jpg": b"" for name in "abcdef"}
    fails(write_folder(tmp_path / "x", many), work, f"has no fer2013new.csv, but {found}: put")
    votes = {VOTES: forms["kaggle"][VOTES], "faces.zip": b""}
    fails(write_folder(tmp_path / "y", votes), work, "found 'faces.zip', 'fer2013new.csv'")
    form = forms["kaggle"] | {VOTES: b"a,b\n"}
    fails(write_folder(tmp_path / "z", form), work, "but 'a', 'b'")


def test_another_order_of_rows_is_noticed(tmp_path, work, forms, known, monkeypatch):
    """Within a usage only the pixels themselves can tell, so those of the whole set are known."""
    monkeypatch.setattr(ferplus, "FACES", len(known.ids))
    digest = hashlib.sha256(known.images.tobytes()).hexdigest()
    monkeypatch.setattr(ferplus, "PIXELS", digest)
    assert_known(data.load(str(write_folder(tmp_path / "x", forms["kaggle"]))), known)
    bad = spoil(forms["kaggle"], "fer2013.csv", lambda old: swap(old, 2, 3))
    with pytest.raises(UserError, match=r"fer2013\.csv has not FER2013's pixels in their order"):
        data.load(str(write_folder(tmp_path / "y", bad)))


def test_the_real_pixels_are_those_that_are_known(real_faces):
    assert len(real_faces.images) == ferplus.FACES
    assert hashlib.sha256(np.ascontiguousarray(real_faces.images)).hexdigest() == ferplus.PIXELS


def test_the_folder_in_the_environment_and_home_are_found(tmp_path, forms, known, monkeypatch):
    write_folder(tmp_path / "home" / "faces", forms["kaggle"])
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FER_DATA", "~/faces")
    assert_known(data.load(), known)
    assert data.load().checksum == known.checksum


# --- bad input -----------------------------------------------------------------------------------


def assert_short(error, path):
    assert "\n" not in str(error)
    assert len(str(error)) < 500 + len(str(path))


def fails(path, work, *words) -> str:
    with pytest.raises(UserError) as caught:
        data.load(str(path))
    message = str(caught.value)
    assert_short(message, path)
    for word in words:
        assert word in message
    assert not work.exists() or list(work.rglob("*")) == []
    return message


def edit(content: bytes, line: int, change) -> bytes:
    """A CSV table with the fields of one line changed."""
    lines = list(csv.reader(io.StringIO(content.decode())))
    lines[line] = change(lines[line])
    return table(lines)


def field(column: int, value: str):
    return lambda fields: [*fields[:column], value, *fields[column + 1 :]]


def swap(content: bytes, one: int, other: int) -> bytes:
    lines = content.splitlines(keepends=True)
    lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def random_png(mode=None, side=48) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8)
    return png(pixels, mode)


def jpeg() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.zeros((48, 48), np.uint8)).save(file, "JPEG")
    return file.getvalue()


def huge_png() -> bytes:
    """A PNG whose header promises 3.6 gigapixels."""
    content = bytearray(random_png())
    content[16:24] = (60_000).to_bytes(4) * 2
    content[29:33] = zipfile.crc32(content[12:29]).to_bytes(4)
    return bytes(content)


#: What is done to the folder layout: file, its new content (None: gone), words of the message.
BAD_FOLDERS = {
    "no votes": (VOTES, lambda old: None, "has no fer2013new.csv"),
    "no label.csv": (LABELS, lambda old: None, "is not FER+"),
    "empty votes": (VOTES, lambda old: b"", "fer2013new.csv has not the columns"),
    "votes without header": (VOTES, lambda old: old.split(b"\n", 1)[1], "has not the columns"),
    "votes in other columns": (
        VOTES,
        lambda old: old.replace(b"neutral,happiness", b"happiness,neutral"),
        "has not the columns",
    ),
    "too few votes": (VOTES, lambda old: edit(old, 2, lambda f: f[:-1]), "row 1: 11 columns"),
    "too many votes": (VOTES, lambda old: edit(old, 2, lambda f: [*f, "0"]), "row 1: 13 columns"),
    "short row of votes": (VOTES, lambda old: edit(old, 2, lambda f: f[:1]), "row 1: 1 columns"),
    "vote not a number": (VOTES, lambda old: edit(old, 2, field(4, "many")), "row 1: a vote"),
    "vote of 1.5": (VOTES, lambda old: edit(old, 2, field(4, "1.5")), "row 1: a vote"),
    "no vote": (VOTES, lambda old: edit(old, 2, field(4, "")), "row 1: a vote"),
    "negative vote": (VOTES, lambda old: edit(old, 2, field(4, "-1")), "row 1: a vote"),
    "vote out of range": (VOTES, lambda old: edit(old, 2, field(4, "9" * 30)), "row 1: a vote"),
    "vote beyond int()": (VOTES, lambda old: edit(old, 2, field(4, "9" * 5000)), "row 1: a vote"),
    "field beyond csv": (VOTES, lambda old: edit(old, 2, field(4, "9" * 140_000)), VOTES),
    "latin-1": (VOTES, lambda old: old + b"\xe9\n", "fer2013new.csv' is not a text table"),
    "NUL bytes": (VOTES, lambda old: b"\0" * 500, "has not the columns"),
    "open quote": (VOTES, lambda old: old.replace(b"fer0000001", b'"fer0000001'), VOTES),
    "name without votes": (
        LABELS,
        lambda old: old.replace(b"fer0000001", b"fer0000999"),
        "names 'fer0000999.png', fer2013new.csv has none in Training",
    ),
    "name of another folder": (
        LABELS,
        lambda old: old.replace(b"fer0000001", b"fer0000030"),
        "names 'fer0000030.png', fer2013new.csv has none in Training",
    ),
    "label.csv with header": (LABELS, lambda old: b"name,box\n" + old, "names 'name'"),
    "name of two lines": (LABELS, lambda old: b'"fer\n1.png",\n' + old, r"names 'fer\n1.png'"),
    "no name": (LABELS, lambda old: b",(0 0 48 48)\n" + old, "''"),
    "no image": (FACE, lambda old: None, "fer0000001.png' is missing"),
    "empty image": (FACE, lambda old: b"", "fer0000001.png' is not a PNG image"),
    "text as image": (FACE, lambda old: b"hello", "fer0000001.png' is not a PNG image"),
    "jpeg as png": (FACE, lambda old: jpeg(), "fer0000001.png' is not a PNG image"),
    "half an image": (FACE, lambda old: old[:200], "fer0000001.png"),
    "damaged image": (FACE, lambda old: old[:100] + b"xxxx" + old[104:], "fer0000001.png"),
    "image of 47": (FACE, lambda old: random_png(side=47), "fer0000001.png is 47x47"),
    "huge image": (FACE, lambda old: huge_png(), "fer0000001.png"),
    "RGB": (FACE, lambda old: random_png("RGB"), "fer0000001.png is 48x48 of mode RGB"),
    "RGBA": (FACE, lambda old: random_png("RGBA"), "of mode RGBA"),
    "palette": (FACE, lambda old: random_png("P"), "of mode P"),
    "one bit": (FACE, lambda old: random_png("1"), "of mode 1"),
    "16 bits": (FACE, lambda old: png(np.full((48, 48), 300, np.uint16)), "of mode I;16"),
}
PIXELS = "fer2013.csv"
BAD_KAGGLE = {
    "no votes": (VOTES, lambda old: None, "has no fer2013new.csv"),
    "no pixels": (PIXELS, lambda old: None, "is not FER+"),
    "empty": (PIXELS, lambda old: b"", "fer2013.csv has no columns usage and pixels"),
    "no header": (PIXELS, lambda old: old.split(b"\n", 1)[1], "has no columns usage and pixels"),
    "too few pixels": (
        PIXELS,
        lambda old: edit(old, 2, lambda f: [f[0], f[1].rsplit(" ", 1)[0], f[2]]),
        "fer2013.csv, row 1: 2303 pixels",
    ),
    "too many pixels": (
        PIXELS,
        lambda old: edit(old, 2, lambda f: [f[0], f[1] + " 7", f[2]]),
        "fer2013.csv, row 1: 2305 pixels",
    ),
    "no pixels in a row": (PIXELS, lambda old: edit(old, 2, field(1, "")), "row 1: 0 pixels"),
    **{
        f"pixel {value}": (
            PIXELS,
            lambda old, value=value: edit(
                old, 2, lambda f: [f[0], f"{value} {f[1].split(' ', 1)[1]}", f[2]]
            ),
            "fer2013.csv, row 1: a pixel is not a whole number from 0 to 255",
        )
        for value in ("256", "-1", "1.0", "nan", "x", "1e2", "9" * 25, "\0")
    },
    "field beyond csv": (PIXELS, lambda old: edit(old, 2, field(1, "7 " * 70_000)), PIXELS),
    "short row": (PIXELS, lambda old: edit(old, 2, lambda f: f[:2]), "row 1: 2 columns, not 3"),
    "long row": (PIXELS, lambda old: edit(old, 2, lambda f: [*f, ""]), "row 1: 4 columns, not 3"),
    "row missing": (PIXELS, lambda old: old[: old.rindex(b"3,")], "has not the 36 rows"),
    "row too many": (PIXELS, lambda old: old + old[old.rindex(b"3,") :], "has not the 36 rows"),
    "cut within a row": (PIXELS, lambda old: old[:-1000], "fer2013.csv, row 35"),
    "another usage": (PIXELS, lambda old: edit(old, 2, field(2, "PublicTest")), "row 1: "),
    "pixels sorted": (PIXELS, lambda old: swap(old, 2, 36), "row 1: fer2013new.csv is about"),
    "votes in another order": (VOTES, lambda old: swap(old, 2, 3), "is not in its own order"),
    "bad name": (VOTES, lambda old: edit(old, 1, field(1, "fer0.png")), "'fer0.png' is not an"),
    "name outside": (VOTES, lambda old: edit(old, 1, field(1, "../x.png")), "'../x.png' is not"),
    "no faces": (VOTES, lambda old: _without_names(old), "holds no faces"),
    "latin-1": (PIXELS, lambda old: old + b"\xe9\n", "fer2013.csv' is not a text table"),
}


def _without_names(content: bytes) -> bytes:
    header, *lines = csv.reader(io.StringIO(content.decode()))
    return table([header, *([line[0], "", *line[2:]] for line in lines)])


def spoil(form, name, change) -> dict:
    form = dict(form)
    form[name] = change(form[name])
    return {name: content for name, content in form.items() if content is not None}


@pytest.mark.parametrize("write", [write_folder, write_zip])
@pytest.mark.parametrize("case", BAD_FOLDERS)
def test_bad_folders(tmp_path, work, forms, case, write):
    name, change, *words = BAD_FOLDERS[case]
    fails(write(tmp_path / "bad", spoil(forms["folders"], name, change)), work, *words)


@pytest.mark.parametrize("write", [write_folder, write_zip])
@pytest.mark.parametrize("case", BAD_KAGGLE)
def test_bad_tables(tmp_path, work, forms, case, write):
    name, change, *words = BAD_KAGGLE[case]
    fails(write(tmp_path / "bad", spoil(forms["kaggle"], name, change)), work, *words)


@pytest.mark.parametrize(
    "path", ["/no/such/place", "~nobody-at-all/x", "a\0b", "x" * 5000, "two\nlines", os.devnull]
)
def test_a_path_without_data(work, path):
    assert repr(path)[:200] in fails(path, work, "no data at")


def test_an_empty_folder(tmp_path, work):
    (tmp_path / "empty").mkdir()
    fails(tmp_path / "empty", work, "has no fer2013new.csv")


def test_folders_without_images(tmp_path, work, forms):
    form = {n: c for n, c in forms["folders"].items() if not n.endswith(".png")}
    fails(write_folder(tmp_path / "x", form), work, "without images", "put Kaggle's table there")


@pytest.mark.parametrize(
    ("name", "copies", "row"),
    [(VOTES, 150_000, b""), (VOTES, 1, b'"' + b"a" * 2**26), ("fer2013.csv", 1, b"a," * 2**25)],
    ids=["rows", "votes", "pixels"],
)
def test_a_table_that_never_ends_does_not_fill_the_memory(tmp_path, work, forms, name, copies, row):
    head, first, *_ = forms["kaggle"][name].splitlines(keepends=True)
    bomb = forms["kaggle"] | {name: head + (row or first) * copies}
    source = write_zip(tmp_path / "x.zip", bomb)
    tracemalloc.start()
    fails(source, work)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6


def test_a_folder_of_jpegs(tmp_path, work):
    fails(
        write_folder(tmp_path / "x", {"train/happy/1.jpg": b"", "test/2.jpg": b""}), work, "has no"
    )


def test_a_link_that_leads_nowhere_or_to_itself(tmp_path, work):
    for name in ("nowhere", "loop"):
        (tmp_path / name).symlink_to(tmp_path / ("loop" if name == "loop" else "gone"))
        fails(tmp_path / name, work, "no data at")


def test_a_folder_where_an_image_should_be(tmp_path, work, forms):
    source = write_folder(tmp_path / "x", spoil(forms["folders"], FACE, lambda _: None))
    (source / FACE).mkdir()
    fails(source, work, "fer0000001.png")


# --- bad zips ------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\3\4", b"PK\5\6" + b"\xff" * 18])
def test_a_file_that_is_no_zip(tmp_path, work, content):
    (tmp_path / "x.zip").write_bytes(content)
    fails(tmp_path / "x.zip", work, "x.zip is not a whole zip file")


def test_a_csv_instead_of_its_folder(tmp_path, work, forms):
    source = write_folder(tmp_path / "x", forms["kaggle"])
    fails(source / "fer2013.csv", work, "fer2013.csv is not a whole zip file")


def test_a_zip_cut_anywhere(tmp_path, work, forms):
    whole = write_zip(tmp_path / "x.zip", forms["kaggle"]).read_bytes()
    for size in range(0, len(whole), len(whole) // 25):
        (tmp_path / "x.zip").write_bytes(whole[:size])
        fails(tmp_path / "x.zip", work, "is not a whole zip file")


def test_a_zip_with_a_damaged_file(tmp_path, work, forms):
    path = tmp_path / "x.zip"
    form = forms["folders"]
    write_zip(path, form)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"Training,fer0000001", b"Training,fer0000009"))
    fails(path, work, "fer2013new.csv", "CRC")
    path.write_bytes(content.replace(form[FACE], form[FACE][:-9] + bytes(9)))
    fails(path, work, "fer0000001.png", "CRC")


@pytest.mark.parametrize("name", ["../evil.csv", "a/../../evil", "/etc/evil", "..\\evil", "\\evil"])
def test_a_zip_that_points_outside(tmp_path, work, forms, name):
    source = write_zip(tmp_path / "x.zip", forms["kaggle"] | {name: b"evil"})
    fails(source, work, repr(name), "points outside")
    assert list(tmp_path.rglob("*evil*")) == []


def test_a_zip_with_a_password(tmp_path, work, forms):
    content = bytearray(write_zip(tmp_path / "x.zip", forms["kaggle"]).read_bytes())
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = content.find(mark)
        while start >= 0:
            content[start + flags] |= 1
            start = content.find(mark, start + 4)
    (tmp_path / "x.zip").write_bytes(content)
    fails(tmp_path / "x.zip", work, "password")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_whatever_byte_of_a_zip_is_damaged(tmp_path, work, method):
    """Either the faces are as they were, or one line says what is wrong: nothing in between."""
    form = folders_form(make_rows()[:2] + make_rows()[-2:])
    path = tmp_path / "x.zip"
    write_zip(path, form, method=method)
    whole, images = path.read_bytes(), ferplus.read(archive.root(path))[0]
    random = np.random.default_rng(method)
    for place in random.choice(len(whole), 80, replace=False):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            assert np.array_equal(ferplus.read(archive.root(path))[0], images)
        except UserError as error:
            assert_short(error, path)


# --- labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("votes", "emotion"),
    [
        ([6, 4, 0, 0, 0, 0, 0, 0, 0, 0], "neutral"),
        ([0, 0, 0, 0, 0, 0, 0, 10, 0, 0], "contempt"),
        ([5, 5, 0, 0, 0, 0, 0, 0, 0, 0], ""),  # a tie
        ([0, 4, 2, 2, 0, 0, 0, 0, 0, 0], ""),  # half is not more than half
        ([0, 5, 2, 2, 0, 0, 0, 0, 0, 0], "happiness"),
        ([4, 1, 1, 1, 1, 1, 1, 0, 0, 0], "neutral"),  # single votes do not count
        ([1, 1, 1, 1, 1, 1, 1, 1, 1, 1], ""),  # nothing is left
        ([2, 0, 0, 0, 0, 0, 0, 0, 0, 8], ""),  # not a face
        ([2, 0, 0, 0, 0, 0, 0, 0, 8, 0], ""),  # unknown
        ([3, 0, 0, 0, 0, 0, 0, 0, 4, 0], ""),  # unknown counts in the whole
        ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0], ""),
    ],
)
def test_majority(votes, emotion):
    assert ferplus.majority(np.array([votes])) == [emotion]


def test_majority_knows_every_emotion_by_its_column():
    assert ferplus.majority(np.eye(10, dtype=int) * 10) == [*ferplus.EMOTIONS, "", ""]


# --- the real data -------------------------------------------------------------------------------


def test_real_votes_and_pixels_belong_together_row_by_row(real_faces, tmp_path):
    """The number in a name falls behind the row from the first row on that is not a face."""
    root = zipfile.Path(REAL) if REAL.is_file() else REAL
    with (root / VOTES).open("rb") as file:
        lines = list(csv.reader(io.TextIOWrapper(file, "utf-8")))[1:121]
    assert lines[59][1] == ""
    assert lines[60][1] == "fer0000059.png"
    image = dict(zip(real_faces.rows["id"][:120], real_faces.images[:120], strict=True))
    blank = np.zeros((48, 48), np.uint8)
    rows = [
        Row(line[0], line[1], tuple(map(int, line[2:])), image.get(_id(line[1]), blank))
        for line in lines
    ]
    faces = data.load(str(write_folder(tmp_path / "x", kaggle_form(rows))))
    count = len(faces.rows)
    assert count == len([line for line in lines if line[1]])
    assert np.array_equal(faces.images, real_faces.images[:count])
    pd.testing.assert_frame_equal(faces.rows, real_faces.rows[:count])


def test_the_majority_rule_gives_its_makers_counts_from_their_files(real_faces):
    """The study's own votes are those of `fer2013new.csv`, which gives others (chapter 9)."""
    root, found = zipfile.Path(REAL) if REAL.is_file() else REAL, []
    for folder in ferplus.FOLDERS:
        with (root / folder / "label.csv").open("rb") as file:
            lines = csv.reader(io.TextIOWrapper(file, "utf-8"))
            votes = np.array([[int(float(vote)) for vote in line[2:]] for line in lines])
        found.append(sum(map(bool, ferplus.majority(votes))))
    assert found == [25045, 3191, 3137]
    rows = real_faces.rows[real_faces.rows["emotion"] != ""]
    counts = rows["usage"].value_counts()
    assert counts[[*ferplus.FOLDERS.values()]].tolist() == [25057, 3199, 3152]


def _id(name: str) -> int | None:
    return int(name[3:10]) if name else None
