"""Faces are decoded once; every split is a rule, and leaks nothing."""

import dataclasses
import hashlib
import os
import re
import resource
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import assert_known, png, write_folder, write_zip

from fer_lib import config, data
from fer_lib.config import UserError
from fer_lib.readers import ferplus, sources
from fer_lib.tools import twins

pytestmark = pytest.mark.usefixtures("work")
VOTES, LABELS = "fer2013new.csv", "FER2013Train/label.csv"
FACE = "FER2013Train/fer0000001.png"


# --- decoding once -------------------------------------------------------------------------------


def forbid_reading(monkeypatch):
    def refuse(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr(ferplus, "read", refuse)
    monkeypatch.setattr(twins, "pairs", refuse)


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


def test_another_size_is_decoded_again_though_the_date_is_the_same(tmp_path, forms):
    source = write_folder(tmp_path / "source", forms["folders"])
    before, dated = data.prepare(str(source)), (source / VOTES).stat()
    (source / VOTES).write_bytes(forms["folders"][VOTES] + b"\n")
    os.utime(source / VOTES, ns=(dated.st_atime_ns, dated.st_mtime_ns))
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
def test_an_interrupted_decoding_is_done_again(tmp_path, forms, known, monkeypatch, work, error):
    source = write_zip(tmp_path / "source.zip", forms["kaggle"])

    def stop(*_, **__):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(pd.DataFrame, "to_csv", stop)  # when the images are already on disk
        with pytest.raises(type(error)):
            data.load(str(source))
    assert not list(work.rglob("meta.json"))
    assert_known(data.load(str(source)), known)


def test_a_disk_that_has_no_room_for_a_small_array_is_not_passed_over(tmp_path):
    """What NumPy itself writes of a small array fits into a buffer, whose loss it does not see."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, before[1]))
    try:
        with pytest.raises(OSError, match=r"pairs\.npy"):
            data._save(tmp_path / "pairs.npy", np.zeros((20, 2), np.int32))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


# --- split ---------------------------------------------------------------------------------------


NO_TWINS = np.empty((0, 2), np.int32)


def faces_of(groups) -> data.Faces:
    """Faces in which equal numbers are exact copies."""
    images = np.broadcast_to(np.array(groups, np.uint8)[:, None, None], (len(groups), 48, 48))
    rows = pd.DataFrame({"id": np.arange(len(groups)) * 2, "usage": "", "person": ""})
    return data.Faces("ferplus", images, rows, "", NO_TWINS)


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


def test_a_tested_face_with_a_twin_among_all_others_is_left_out():
    plain = data.split(MANY, 60, 20, 0)
    tested, learnt = (plain.index[plain["side"] == side] for side in ("test", "train"))
    groups = data.groups(MANY)
    outside = np.flatnonzero(~np.isin(groups, groups[plain.index]))[0]
    pairs = [(tested[0], learnt[0]), (tested[1], outside), (tested[2], tested[3])]
    pairs = np.sort(np.array([*pairs, (learnt[1], learnt[2])], np.int32), axis=1)
    found = data.split(dataclasses.replace(MANY, twins=pairs), 60, 20, 0)
    out = found.index[found["side"] == "left out"]
    assert set(out) == {tested[0], tested[1]}
    rest = plain.index.difference(out)
    assert found.loc[rest, "side"].equals(plain.loc[rest, "side"])


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


# --- parts ---------------------------------------------------------------------------------------


def divided(usages: str, pairs=(), people="") -> data.Faces:
    """Faces with the usages L(earning), V(alidation) and T(est), twins where `pairs` says so."""
    names = {"L": "Training", "V": "PublicTest", "T": "PrivateTest", "-": ""}
    faces = faces_of(range(len(usages)))
    rows = faces.rows.assign(usage=[names[letter] for letter in usages], person=people)
    return dataclasses.replace(
        faces, rows=rows, twins=np.array(sorted(pairs), np.int32).reshape(-1, 2)
    )


def letters(faces: data.Faces) -> str:
    """The first letter of each face's part, "-" for those left out."""
    return "".join("-" if part == "left out" else part[0] for part in data.parts(faces)["part"])


@pytest.mark.parametrize(
    ("usages", "pairs", "expected"),
    [
        ("LLVTLVT", [], "llvtlvt"),
        ("LLVT", [(0, 3)], "-lvt"),  # a learning face like a test face
        ("TLVL", [(0, 3)], "tlv-"),  # the same in the other order
        ("LLVT", [(1, 2)], "l-vt"),  # like a validation face
        ("LLVT", [(2, 3)], "ll-t"),  # a validation face like a test face
        ("TVLL", [(0, 1)], "t-ll"),
        ("LLVT", [(0, 2), (2, 3)], "-l-t"),  # like a validation face that is left out itself
        ("LLVVTT", [(0, 1), (2, 3), (4, 5)], "llvvtt"),  # within a part
        ("LLVT", [(0, 1), (1, 3)], "l-vt"),  # a twin's twin may be far from the test face
        ("LVT", [(0, 1), (0, 2), (1, 2)], "--t"),
    ],
)
def test_twins_are_on_one_side_only(usages, pairs, expected):
    assert letters(divided(usages, pairs)) == expected


def test_parts_have_a_row_for_each_face():
    table = data.parts(divided("LVT"))
    assert table.to_dict("list") == {"id": [0, 2, 4], "part": ["learning", "validation", "test"]}
    assert table.index.tolist() == [0, 1, 2]


def test_a_usage_that_nobody_knows_is_not_learnt_from():
    faces = divided("LLVT")
    faces.rows.loc[1, "usage"] = "Other"
    with pytest.raises(KeyError, match="Other"):
        data.parts(faces)


def test_without_usages_people_are_divided_and_not_faces():
    people = np.repeat(np.arange(29), 5)
    faces = divided("-" * 145, people=people)
    part = data.parts(faces)["part"]
    assert part.value_counts().to_dict() == {"learning": 125, "validation": 10, "test": 10}
    assert part.groupby(people).nunique().max() == 1


def test_without_usages_and_people_copies_are_divided_together():
    part = data.parts(MANY)["part"]
    assert part.groupby(MANY.images[:, 0, 0]).nunique().max() == 1
    assert part.groupby(part).size().min() >= 12


def test_twins_leave_the_drawn_parts_too():
    faces = divided("-" * 40)
    before = data.parts(faces)["part"]
    test, validation, learning = (
        np.flatnonzero(before == name)[0] for name in ("test", "validation", "learning")
    )
    pairs = np.sort([[test, validation], [test, learning]], axis=1)
    after = data.parts(dataclasses.replace(faces, twins=pairs))["part"]
    assert np.flatnonzero(before != after).tolist() == sorted([validation, learning])


def test_a_set_of_three_people_has_all_parts():
    assert sorted(letters(divided("---", people=[4, 5, 6]))) == ["l", "t", "v"]


def test_twins_are_looked_for_once_and_again_when_the_rule_changes(
    tmp_path, forms, known, monkeypatch
):
    source = str(write_zip(tmp_path / "x.zip", forms["kaggle"]))
    first = data.load(source)
    copies = [[i, j] for i, j in np.ndindex(32, 32) if i < j]
    copies = [p for p in copies if np.array_equal(*known.images[p])]
    assert first.twins.tolist() == copies
    assert len(copies) == 9
    monkeypatch.setattr(ferplus, "read", lambda _: pytest.fail("decoded again"))
    monkeypatch.setattr(data, "SPLIT_VERSION", config.SPLIT_VERSION + 1)
    monkeypatch.setattr(twins, "pairs", lambda images: np.array([[0, len(images) - 1]]))
    assert data.load(source).twins.tolist() == [[0, 31]]
    monkeypatch.setattr(data, "SPLIT_VERSION", config.SPLIT_VERSION)
    assert data.load(source).twins.tolist() == copies


def test_a_search_for_twins_that_was_stopped_starts_again(tmp_path, forms, monkeypatch):
    source = str(write_zip(tmp_path / "x.zip", forms["kaggle"]))

    def stop(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(twins, "pairs", stop)
        with pytest.raises(KeyboardInterrupt):
            data.load(source)
    assert len(data.load(source).twins) == 9


# --- the paper's sample --------------------------------------------------------------------------


def paired(count: int = 100) -> data.Faces:
    """Learning faces of which each second one is a twin of the next, then the other parts."""
    return divided("L" * count + "VVVTTT", [(i, i + 1) for i in range(0, count, 2)])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("train", "test"), [(50, 20), (None, 20), (None, None), (10, None)])
def test_the_papers_sample_is_of_learning_faces_and_leaks_no_twin(seed, train, test):
    sample = data.paper_sample(paired(), seed, train=train, test=test)
    side = sample["side"]
    tested = set(side.index[side == "test"])
    trained = set(side.index[side == "train"])
    assert len(tested) == (20 if test is None else test)
    assert len(trained) == train or (train is None and len(trained) >= 60)
    assert tested | trained <= set(range(100))
    assert not {i ^ 1 for i in tested} & trained
    assert len(sample) == len(tested | trained)
    assert sample["id"].tolist() == (2 * sample.index).tolist()
    assert sample.index.is_monotonic_increasing


def test_twins_within_a_side_of_the_papers_sample_stay():
    sample = data.paper_sample(paired(), 0, train=None, test=None)
    trained = set(sample.index[sample["side"] == "train"])
    assert sum(i ^ 1 in trained for i in trained) > 30


def test_the_papers_sample_keeps_people_together():
    people = np.repeat(np.arange(20), 5)
    sample = data.paper_sample(divided("L" * 100, people=people), 1, train=60, test=20)
    sides = sample["side"].groupby(people[sample.index]).agg(set)
    assert sides[sides.map(len) > 1].empty
    assert sample["group"].tolist() == people[sample.index].tolist()


def test_a_small_set_gives_all_its_learning_faces_to_the_sample():
    sizes = data.paper_sample(divided("L" * 50 + "VT"), 0)["side"].value_counts()
    assert sizes.to_dict() == {"train": 40, "test": 10}
    exact = data.paper_sample(divided("L" * 50 + "VT"), 0, train=45, test=5)["side"].value_counts()
    assert exact.to_dict() == {"train": 45, "test": 5}


def test_a_sample_that_twins_make_impossible_is_refused():
    with pytest.raises(UserError, match="ferplus has 100 faces, too few for 80 to train and 20"):
        data.paper_sample(paired(), 0, train=80, test=20)


def test_the_papers_sample_hangs_on_the_seed_alone():
    one, same, other = (data.paper_sample(paired(), seed, train=40, test=20) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, same)
    assert one["side"].to_dict() != other["side"].to_dict()


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


#: Raise `config.SPLIT_VERSION` (and say so in docs/protocol.md) when one of these changes.
TEST, VALIDATION = [10, 18, 24, 29], [1, 7, 8, 23]


def test_the_parts_of_orl_stay_what_they_are(orl):
    part, person = data.parts(orl)["part"], orl.rows["person"]
    assert sorted(set(person[part == "test"])) == TEST
    assert sorted(set(person[part == "validation"])) == VALIDATION
    assert part.value_counts().to_dict() == {"learning": 320, "validation": 40, "test": 40}
    sample = data.paper_sample(orl, 0, train=48, test=12)
    people = sample.groupby("side")["group"].agg(lambda group: sorted(set(group))).to_dict()
    assert people == {"test": [4, 16], "train": [6, 15, 30, 34, 38]}


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
    assert rows["side"].value_counts().to_dict() == {"train": 3200, "test": 758, "left out": 42}
    sides = [
        {image.tobytes() for image in real_faces.images[rows.index[rows["side"] == name]]}
        for name in ("train", "test", "left out")
    ]
    assert not sides[0] & (sides[1] | sides[2])
    assert len(sides[0]) < 3200  # there are copies, and they stay together
    assert len(np.unique(rows["group"])) == len(sides[0]) + len(sides[1] | sides[2])


def test_no_face_that_methods_learnt_from_is_a_twin_of_a_tested_one(real_faces):
    rows = data.split(real_faces, 3200, 800, 0)
    belongs = data.groups(real_faces)
    others = ~np.isin(belongs, rows.loc[rows["side"] != "train", "group"])
    tested = rows.index[rows["side"] == "test"]
    assert len(tested) == 758
    closest_one = closest(real_faces.images[tested], real_faces.images[others])
    assert 0.9 < closest_one <= 0.95


@pytest.fixture(scope="module")
def real_parts(real_faces) -> pd.Series:
    return data.parts(real_faces)["part"]


def digest(table: pd.DataFrame) -> str:
    text = table.to_csv(index=False, lineterminator="\n")
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def test_the_real_parts_stay_what_they_are(real_faces):
    """Raise `config.SPLIT_VERSION` when they change: trained networks have seen these faces."""
    assert digest(data.parts(real_faces)) == "23394e9c1f1559db"
    assert digest(data.paper_sample(real_faces, 0)[["id", "side"]]) == "8d3da72317a831d7"


def closest(one: np.ndarray, other: np.ndarray) -> float:
    """The largest correlation of an image of `one` with one of `other`, mirrored or not."""

    def standard(images):
        flat = images.reshape(len(images), -1).astype(np.float32)
        flat -= flat.mean(1, keepdims=True)
        return flat / np.linalg.norm(flat, axis=1, keepdims=True)

    other = standard(other)
    return max((standard(one[:, :, ::step]) @ other.T).max() for step in (1, -1))


def test_no_real_test_face_is_like_a_learning_face(real_faces, real_parts):
    """All test faces would take a minute: 60 of those that have a twin, and 60 others."""
    images, learning = real_faces.images, real_faces.images[real_parts == "learning"]
    held = real_parts.isin(["test", "validation"]).to_numpy()
    near = data.has_twin(real_faces.twins, ~held) & held
    random = np.random.default_rng(0)
    for kind in (near, held & ~near):
        positions = random.choice(np.flatnonzero(kind), 60, replace=False)
        assert 0.7 < closest(images[positions], learning) <= 0.95
    left_out = images[real_parts == "left out"]
    assert closest(images[near][:50], left_out) > 0.95


def test_the_real_papers_sample_leaks_nothing(real_faces, real_parts):
    sample = data.paper_sample(real_faces, 0)
    side = sample["side"]
    assert side.value_counts().to_dict() == {"train": 3200, "test": 800}
    assert set(real_parts[sample.index]) == {"learning"}
    tested, trained = (real_faces.images[side.index[side == name]] for name in ("test", "train"))
    assert 0.9 < closest(tested, trained) <= 0.95


def test_the_protocols_numbers_are_those_of_the_code(real_faces, real_parts, orl):
    text = (config.ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    table = {
        name: int(number.replace(",", ""))
        for name, number in re.findall(r"^\| ([a-z ]+) \| ([\d,]+) \|", text, re.M)
    }
    assert table == real_parts.value_counts().to_dict()
    usage = real_faces.rows["usage"]
    out = (real_parts == "left out").groupby(usage).sum()
    groups = data.copy_groups(real_faces.images)[real_faces.twins]
    unequal = (groups[:, 0] != groups[:, 1]).sum()
    old = data.split(real_faces, 3200, 800, 0)
    leaks, tested = ((old["side"] == name).sum() for name in ("left out", "test"))
    pairs = len(usage) * (len(usage) - 1) // 2
    for sentence in (
        f"Version {config.SPLIT_VERSION} of the rule",
        f"correlation of their pixels is above {float(twins.LIMIT)}",
        f"FER+ has {len(real_faces.twins):,} such pairs; {unequal:,} of them are not equal",
        f"left out ({out['Training']:,} faces)",
        f"left out ({out['PublicTest']} faces)",
        f"{leaks} of its 800 test faces have a twin",
        f"the other {tested} are scored",
        f"There are {pairs / 1e6:.0f} million pairs",
        f"{TEST[0]}, {TEST[1]}, {TEST[2]} and {TEST[3]} are for the test",
        "{}, {}, {} and {} for validation".format(*VALIDATION),
        "320 learning, 40 validation and 40 test faces",
    ):
        assert sentence in text, sentence
    assert out["PrivateTest"] == 0
