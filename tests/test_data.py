"""Every form of the data gives the same faces, a split leaks nothing, bad input gets one line."""

import csv
import io
import os
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
from conftest import (
    folders_form,
    kaggle_form,
    make_rows,
    png,
    table,
    write_folder,
    write_zip,
)
from PIL import Image

from fer_lib import config, data
from fer_lib.config import UserError
from fer_lib.readers import ferplus, sources

pytestmark = pytest.mark.usefixtures("work")
VOTES, LABELS = "fer2013new.csv", "FER2013Train/label.csv"
FACE = "FER2013Train/fer0000001.png"


def assert_known(faces, known):
    assert faces.rows["id"].tolist() == known.ids
    assert faces.rows["usage"].tolist() == known.usages
    assert faces.rows[list(ferplus.VOTES)].to_numpy().tolist() == known.votes
    assert np.array_equal(faces.images, known.images)
    assert faces.checksum == known.checksum


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
    ],
    ids=["byte order mark", "windows", "old mac", "blank lines", "no last newline"],
)
def test_tables_may_be_written_in_any_usual_way(tmp_path, forms, known, name, change):
    form = dict(forms["folders"])
    form[name] = change(form[name])
    assert_known(data.load(str(write_folder(tmp_path / "x", form))), known)


def test_the_folder_in_the_environment_and_home_are_found(tmp_path, forms, known, monkeypatch):
    write_folder(tmp_path / "home" / "faces", forms["kaggle"])
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FER_DATA", "~/faces")
    assert_known(data.load(), known)
    assert data.load().checksum == known.checksum


# --- decoding once -------------------------------------------------------------------------------


def forbid_reading(monkeypatch):
    def refuse(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr(ferplus, "read", refuse)


@pytest.mark.parametrize("write", [write_folder, write_zip])
def test_the_second_load_maps_what_the_first_decoded(
    tmp_path, rows, forms, known, monkeypatch, write
):
    source = write(tmp_path / "source", forms["folders"])
    first = data.load(str(source))
    forbid_reading(monkeypatch)
    second = data.load(str(source))
    assert_known(second, known)
    pd.testing.assert_frame_equal(first.rows, second.rows)
    assert isinstance(second.images, np.memmap)
    assert not second.images.flags.writeable


@pytest.mark.parametrize("name", [VOTES, LABELS, FACE, "source"])
def test_a_touched_source_is_decoded_again(tmp_path, forms, name):
    if name == "source":
        touched = source = write_zip(tmp_path / "source", forms["folders"])
    else:
        source = write_folder(tmp_path / "source", forms["folders"])
        touched = source / name
    before = data.prepare(str(source))
    os.utime(touched, ns=(1, 1))
    assert data.prepare(str(source)) != before


def test_a_changed_image_changes_the_faces(tmp_path, rows, forms, known):
    source = write_folder(tmp_path / "source", forms["folders"])
    data.load(str(source))
    (source / FACE).write_bytes(png(255 - rows[1].pixels))
    faces = data.load(str(source))
    assert np.array_equal(faces.images[1], 255 - known.images[1])
    assert faces.checksum != known.checksum


def test_images_behind_a_link_are_watched(tmp_path, forms):
    source = write_folder(tmp_path / "source", forms["folders"])
    (source / "FER2013Train").rename(tmp_path / "elsewhere")
    (source / "FER2013Train").symlink_to(tmp_path / "elsewhere")
    (source / "FER2013Train" / "dangling").symlink_to(tmp_path / "nowhere")
    before = data.prepare(str(source))
    os.utime(source / FACE, ns=(1, 1))
    assert data.prepare(str(source)) != before


def test_other_files_in_the_folder_do_not_matter(tmp_path, forms, monkeypatch):
    source = write_folder(tmp_path / "source", forms["kaggle"])
    monkeypatch.setattr(sources, "WORK", source / "work")  # the data unpacked into the repository
    data.load(str(source))
    (source / "notes.txt").write_text("mine")
    forbid_reading(monkeypatch)
    data.load(str(source))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("disk full")])
def test_an_interrupted_decoding_leaves_nothing(tmp_path, forms, known, monkeypatch, work, error):
    source = write_zip(tmp_path / "source.zip", forms["kaggle"])

    def stop(*_, **__):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(pd.DataFrame, "to_csv", stop)  # when the images are already on disk
        with pytest.raises(type(error)):
            data.load(str(source))
    assert [path for path in work.rglob("*") if path.name != "data"] == []
    assert_known(data.load(str(source)), known)


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
    "utf-16": (VOTES, lambda old: old.decode().encode("utf-16"), "is not a text table"),
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
    assert repr(path) in fails(path, work, "no data at")


def test_an_empty_folder(tmp_path, work):
    (tmp_path / "empty").mkdir()
    fails(tmp_path / "empty", work, "has no fer2013new.csv")


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
    whole, images = path.read_bytes(), ferplus.read(path)[0]
    random = np.random.default_rng(method)
    for place in random.choice(len(whole), 80, replace=False):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            assert np.array_equal(ferplus.read(path)[0], images)
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


# --- split ---------------------------------------------------------------------------------------


def faces_of(groups) -> data.Faces:
    """Faces in which equal numbers are exact copies."""
    images = np.broadcast_to(np.array(groups, np.uint8)[:, None, None], (len(groups), 48, 48))
    rows = pd.DataFrame({"id": np.arange(len(groups)) * 2, "person": ""})
    return data.Faces("ferplus", images, rows, "")


#: 200 faces of 120 groups, the copies far apart.
MANY = faces_of([*range(120), *range(80)])


def test_copy_groups_are_the_copies():
    assert data.copy_groups(faces_of([3, 1, 3, 2, 1, 3]).images).tolist() == [0, 1, 0, 2, 1, 0]


def test_one_different_pixel_is_another_group():
    images = np.zeros((2, 48, 48), np.uint8)
    images[1, 47, 47] = 1
    assert data.copy_groups(images).tolist() == [0, 1]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("train", "test"), [(120, 40), (10, 1), (1, 10), (150, 3)])
def test_split_has_exact_sizes_and_leaks_nothing(seed, train, test):
    rows = data.split(MANY, train, test, seed)
    assert rows["side"].value_counts().to_dict() == {"train": train, "test": test}
    assert rows.index.is_unique
    assert rows.index.is_monotonic_increasing
    assert rows["id"].tolist() == (rows.index * 2).tolist()
    pixel = pd.Series(MANY.images[rows.index, 0, 0], index=rows.index)
    assert not set(pixel[rows["side"] == "train"]) & set(pixel[rows["side"] == "test"])
    train_images, train_rows = data.side(MANY, rows, "train")
    assert train_images.shape == (train, 48, 48)
    assert train_rows["id"].tolist() == rows["id"][rows["side"] == "train"].tolist()
    assert np.array_equal(train_images[:, 0, 0], pixel[rows["side"] == "train"])


def test_untested_is_everything_but_the_tested_and_their_copies():
    tested = np.array([0, 5, 125, 119])  # 0 and 5 have copies at 120 and 125, 119 has none
    found = data.untested(MANY, tested)[:, 0, 0]
    assert found.tolist() == [v for v in [*range(120), *range(80)] if v not in (0, 5, 119)]
    assert data.untested(MANY, np.array([], int)).shape == (200, 48, 48)


def test_the_people_of_the_test_set_are_not_learnt_from():
    rows = pd.DataFrame({"id": range(6), "person": [1, 1, 2, 2, 3, 3]})
    images = np.arange(6, dtype=np.uint8)[:, None, None].repeat(48, 1).repeat(48, 2)
    faces = data.Faces("orl", images, rows, "")
    assert data.untested(faces, np.array([0, 3]))[:, 0, 0].tolist() == [4, 5]


def test_the_whole_set_is_split_80_to_20():
    rows = data.split(MANY, None, None, 0)
    sizes = rows["side"].value_counts()
    assert sizes["test"] == 40
    assert 158 <= sizes["train"] <= 160  # the rest of the group at the border is left out
    assert data.split(faces_of(range(10)), None, None, 0)["side"].value_counts()["train"] == 8
    assert data.split(MANY, None, 10, 0)["side"].value_counts()["train"] >= 188


def test_seeds_give_different_splits_and_one_seed_the_same():
    one, same, other = (data.split(MANY, 100, 50, seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, same)
    assert one["side"].to_dict() != other["side"].to_dict()


def test_split_stays_what_it_was():
    """Or a network would be tested on images that it was trained on by an earlier version."""
    rows = data.split(MANY, 5, 5, 0)
    assert rows.index[rows["side"] == "train"].tolist() == [1, 23, 114, 121, 143]
    assert rows.index[rows["side"] == "test"].tolist() == [36, 67, 101, 156, 187]


@pytest.mark.parametrize(
    ("faces", "train", "test"),
    [
        (MANY, 160, 41),
        (MANY, 1, 200),
        (MANY, 1, 1000),
        (MANY, 0, 10),
        (MANY, 10, 0),
        (faces_of([1] * 10), 5, 5),  # one group cannot be on two sides
        (faces_of([1, 1, 2, 2]), 3, 1),
        (faces_of([1]), None, None),
    ],
)
def test_too_few_faces(faces, train, test):
    with pytest.raises(UserError, match=f"^ferplus has {len(faces.rows)} faces, too few for .*$"):
        data.split(faces, train, test, 0)


def test_split_is_the_same_in_every_process(tmp_path, forms):
    """Python's hash() differs between processes; nothing here may hang on it."""
    source = write_zip(tmp_path / "x.zip", forms["kaggle"])
    code = "from fer_lib import data; f = data.load(); print(data.split(f, 12, 6, 3).to_csv())"
    env = {"FER_DATA": str(source), "FER_WORK": str(tmp_path / "w"), "PYTHONHASHSEED": "1"}
    there = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | env,
        cwd=config.ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    here = data.split(data.load(str(source)), 12, 6, 3).to_csv()
    assert there.strip() == here.strip()


# --- ORL -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def orl(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "WORK", tmp_path_factory.mktemp("orl"))
        patch.delenv("FER_DATA", raising=False)
        return data.load()


def test_orl_is_there_without_any_download(orl):
    assert orl.name == "orl"
    assert orl.images.shape == (400, 48, 48)
    assert orl.images.dtype == np.uint8
    assert orl.rows["id"].tolist() == list(range(400))
    assert orl.rows["person"].tolist() == [person for person in range(1, 41) for _ in range(10)]
    assert set(orl.rows["emotion"]) == {""}
    assert orl.checksum.startswith("d9934dd55c0237be")
    assert len(np.unique(orl.images, axis=0)) == 400
    assert orl.images.std(axis=(1, 2)).min() > 10


def test_orl_is_split_by_person(orl):
    for seed in range(3):
        rows = data.split(orl, 320, 80, seed)
        assert rows["side"].value_counts().to_dict() == {"train": 320, "test": 80}
        people = rows.groupby("side")["group"].agg(set)
        assert not people["train"] & people["test"]
        assert rows["group"].tolist() == orl.rows["person"][rows.index].tolist()


def test_orl_has_no_room_for_a_person_on_both_sides(orl):
    with pytest.raises(UserError, match="orl has 400 faces, too few"):
        data.split(orl, 325, 75, 0)


def test_training_faces_are_the_training_side(orl):
    settings = config.load("smoke")
    rows = data.split(orl, 48, 20, 0)
    expected = data.side(orl, rows, "train")[0]
    assert np.array_equal(data.training_faces(orl, settings), expected)


# --- the real data -------------------------------------------------------------------------------


def test_real_numbers(real_faces):
    assert len(real_faces.images) == len(real_faces.rows) == 35_710
    assert real_faces.rows["id"].is_unique
    assert data.copy_groups(real_faces.images).max() + 1 == 33_870
    first = [70, 80, 82, 72, 58, 58, 60, 63, 54, 58, 60, 48, 89, 115, 121, 119]
    assert real_faces.images[0].ravel()[:16].tolist() == first
    assert real_faces.rows["usage"].value_counts().to_dict() == {
        "Training": 28_558,
        "PublicTest": 3_579,
        "PrivateTest": 3_573,
    }


def test_real_split_has_no_copy_on_both_sides(real_faces):
    rows = data.split(real_faces, 3200, 800, 0)
    assert rows["side"].value_counts().to_dict() == {"train": 3200, "test": 800}
    train, test = (
        {image.tobytes() for image in data.side(real_faces, rows, name)[0]}
        for name in ("train", "test")
    )
    assert not train & test
    assert len(train) < 3200  # there are copies, and they stay together
    assert len(np.unique(rows["group"])) == len(train) + len(test)


def test_real_votes_and_pixels_belong_together_row_by_row(real_faces, tmp_path):
    """The number in a name falls behind the row from the first row on that is not a face."""
    from conftest import REAL, Row

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


def _id(name: str) -> int | None:
    return int(name[3:10]) if name else None
