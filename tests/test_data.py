"""Faces are decoded once, a split leaks nothing."""

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


# ORL
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


