"""What notebooks learn from and score on, through the class that they use, leaks no test face.

The faces show their own position, so that a test sees which ones it was given.
"""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from fer_lib import config, data
from fer_lib.study import Study
from fer_lib.tools import twins

TOTAL, COPIED = 60, 20


def numbered(count: int) -> np.ndarray:
    """Images (count, 48, 48) of noise that bear their number in the first pixel."""
    images = np.random.default_rng(0).integers(0, 256, (count, 48, 48), dtype=np.uint8)
    images[:, 0, 0] = np.arange(count)
    return images


@pytest.fixture(params=["ferplus", "orl"])
def study(request, tmp_path) -> Study:
    """A study whose faces have ids that are no positions. FER+: face n is copied at 40 + n. ORL:
    six pictures a person."""
    copies = request.param == "ferplus"
    images = numbered(TOTAL)
    if copies:
        images[TOTAL - COPIED :] = images[:COPIED]
    people = "" if copies else np.arange(TOTAL) // 6
    rows = pd.DataFrame({"id": np.arange(TOTAL) * 3 + 7, "usage": "", "person": people})
    faces = data.Faces(request.param, images, rows, "sum", twins.pairs(images))
    settings = dataclasses.replace(config.load("smoke"), train_images=24, test_images=12)
    study = Study(settings, faces, tmp_path / "reports")
    study.write(data.split(faces, 24, 12, 0), "split")
    return study


def related(study: Study, positions: set[int]) -> set[int]:
    """The positions and those of the same person or picture, worked out without the library."""
    if study.faces.name == "orl":
        return {other for other in range(TOTAL) if other // 6 in {one // 6 for one in positions}}
    return {other for other in range(TOTAL) if other % 40 in {one % 40 for one in positions}}


def sides(study: Study) -> dict[str, set[int]]:
    """The positions of each side, from the table on disk."""
    table = pd.read_csv(study.folder / "tables" / "split.csv")
    return {
        name: {(number - 7) // 3 for number in table["id"][table["side"] == name]}
        for name in ("train", "test")
    }


def given(study: Study, images: np.ndarray) -> set[int]:
    """The positions at which `images` may have been: of two copies the first."""
    limit = 40 if study.faces.name == "ferplus" else TOTAL
    numbers = images[:, 0, 0].tolist()
    assert np.array_equal(images, study.faces.images[numbers])
    assert max(numbers) < limit
    return set(numbers)


def first_copies(study: Study, positions: set[int]) -> set[int]:
    return {one % 40 for one in positions} if study.faces.name == "ferplus" else positions


@pytest.mark.parametrize("side", ["train", "test"])
def test_a_side_is_that_side_and_no_other(study, side):
    images, rows = study.side(side)
    positions = sides(study)[side]
    assert {(number - 7) // 3 for number in rows["id"]} == positions == set(rows.index)
    assert given(study, images) == first_copies(study, positions)
    assert len(images) == {"train": 24, "test": 12}[side]


def test_images_and_rows_of_a_side_belong_together(study):
    for side in ("train", "test"):
        images, rows = study.side(side)
        assert np.array_equal(images, study.faces.images[(rows["id"].to_numpy() - 7) // 3])


def test_the_sides_share_no_copy_and_no_person(study):
    positions = sides(study)
    assert not related(study, positions["train"]) & positions["test"]


def test_what_other_methods_learn_from_holds_no_test_face_and_no_copy_of_one(study):
    tested = related(study, sides(study)["test"])
    expected = set(range(TOTAL)) - tested
    images = study.images(study.part("untested", version=0))
    assert len(images) == len(expected)
    assert given(study, images) == first_copies(study, expected)
    assert not given(study, images) & first_copies(study, tested)


@pytest.mark.parametrize(
    ("name", "version"), [("sample", 0), ("untested", 0), ("paper", 1), ("learning", 1)]
)
def test_no_training_learns_from_a_face_that_it_is_scored_on(study, name, version):
    learnt = given(study, study.images(study.part(name, version=version)))
    part = data.parts(study.faces)["part"]
    if name == "learning":
        tested = set(part.index[part.isin(["test", "validation"])])
        assert learnt == first_copies(study, set(part.index[part == "learning"]))
    elif name == "paper":
        tested = given(study, study.paper("test")[0])
        assert learnt == given(study, study.paper("train")[0])
        assert learnt | tested <= first_copies(study, set(part.index[part == "learning"]))
    else:
        tested = sides(study)["test"]
    assert tested
    assert learnt
    assert not learnt & first_copies(study, related(study, tested))


def test_the_papers_sample_keeps_the_sizes_of_its_sides(study):
    assert [len(study.paper(side)[0]) for side in ("train", "test")] == [24, 12]
