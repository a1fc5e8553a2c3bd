"""A study speaks through files, and every training learns from the faces that its recipe names."""

import io
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fer_lib import config, data, training
from fer_lib import study as studies
from fer_lib.config import UserError
from fer_lib.readers import sources
from fer_lib.study import Study


@pytest.fixture(scope="module")
def opened(tmp_path_factory) -> Study:
    """The smoke study of the ORL faces, split as chapter 1 does."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("FER_DATA", raising=False)
        patch.setattr(sources, "WORK", folder / "work")
        patch.setattr(studies, "REPORTS", folder / "reports")
        study = studies.open_study("smoke", seed=3)
    settings = study.settings
    split = data.split(study.faces, settings.train_images, settings.test_images, settings.seed)
    study.write(split, "split")
    return study


@pytest.fixture
def study(opened, tmp_path) -> Study:
    """The same with empty folders, but for the split."""
    copy = replace(opened, folder=tmp_path / "reports" / "orl-smoke")
    copy.write(opened.read("split"), "split")
    return copy


# Tables and figures


def test_a_study_is_opened_in_folders_named_after_data_and_profile(opened):
    assert opened.folder.name == "orl-smoke"
    assert opened.folder.parent.name == "reports"
    assert opened.settings == config.load("smoke", seed=3)


def test_a_table_comes_back_as_it_was_written(study):
    table = pd.DataFrame({"method": ["None", "NA", ""], "n": [1, 2, 3], "x": [0.5, 1e-9, -2.0]})
    study.write(table, "methods")
    pd.testing.assert_frame_equal(study.read("methods"), table)
    text = (study.folder / "tables" / "methods.csv").read_bytes()
    assert text == b"method,n,x\nNone,1,0.5\nNA,2,1e-09\n,3,-2\n"


@pytest.mark.parametrize(("options", "text"), [({}, "0.123457"), ({"digits": 3}, "0.123")])
def test_numbers_have_six_digits_unless_others_are_asked_for(study, options, text):
    study.write(pd.DataFrame({"x": [0.123456789]}), "x", **options)
    assert (study.folder / "tables" / "x.csv").read_text() == f"x\n{text}\n"


def test_a_table_that_no_chapter_has_written_is_named(study):
    with pytest.raises(UserError) as error:
        study.read("lead")
    assert str(error.value) == "no lead.csv in orl-smoke yet: run earlier notebooks"


def test_a_figure_is_saved_and_shown_with_its_words(study, monkeypatch):
    displayed = []
    monkeypatch.setattr("IPython.display.display", displayed.append)
    figure, axes = plt.subplots(figsize=(4, 2))
    axes.plot([0, 1], [1, 0], color="red")
    study.show(figure, "line", alt="A falling line.", caption="From $1$ to $0$.")
    saved = (study.folder / "figures" / "line.png").read_bytes()
    (image,) = displayed
    assert image.data == saved
    metadata = image.metadata
    assert (metadata["alt"], metadata["caption"]) == ("A falling line.", "From $1$ to $0$.")
    with Image.open(io.BytesIO(saved)) as picture:
        assert picture.width == pytest.approx(1.5 * metadata["width"], abs=1)
        assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
        colours = picture.convert("RGB").getcolors(100_000)
        assert any(r > 200 > 100 > max(g, b) for _, (r, g, b) in colours)
    assert not plt.fignum_exists(figure.number)


def test_of_ferplus_only_named_faces_are_shown_where_there_are_some(study):
    rows = study.faces.rows
    images, shown = study.shown(rows, 4)
    assert shown["id"].tolist() == rows["id"].iloc[[0, 100, 200, 300]].tolist()
    assert np.array_equal(images, study.faces.images[[0, 100, 200, 300]])
    assert len(study.shown(rows[:2], 5)[1]) == 2
    ids = np.arange(400) + 32_300  # three of them may be shown
    named = replace(study, faces=replace(study.faces, rows=rows.assign(id=ids)))
    images, shown = named.shown(named.faces.rows, 5)
    assert shown["id"].tolist() == [32_306, 32_410]
    assert np.array_equal(images, study.faces.images[[6, 110]])
    assert len(named.shown(named.faces.rows, 1)[0]) == 1


def test_the_same_figure_is_the_same_file(study, monkeypatch):
    monkeypatch.setattr("IPython.display.display", lambda image: None)
    for name in ("one", "two"):
        figure, axes = plt.subplots(figsize=(2, 1))
        axes.imshow(np.arange(12).reshape(3, 4))
        study.show(figure, name, alt="", caption="")
    files = [(study.folder / "figures" / f"{name}.png").read_bytes() for name in ("one", "two")]
    assert files[0] == files[1]


# Which faces


def test_the_old_split_is_read_from_its_table(study):
    split = study.read("split")
    ids = study.faces.rows["id"].to_numpy()
    for side, size in (("train", 48), ("test", 12)):
        images, rows = study.side(side)
        assert rows["id"].tolist() == split["id"][split["side"] == side].tolist()
        assert len(images) == size
        positions = [int(np.flatnonzero(ids == one)[0]) for one in rows["id"]]
        assert np.array_equal(images, study.faces.images[positions])


NOW = config.SPLIT_VERSION
PARTS = [("sample", 0), ("untested", 0), ("paper", NOW), ("learning", NOW)]


@pytest.mark.parametrize(("name", "version"), PARTS)
def test_a_part_is_faces_that_a_training_can_learn_from(study, name, version):
    images = study.images(study.part(name, version=version))
    assert images.dtype == np.uint8
    assert images.shape[1:] == (48, 48)
    assert images.flags.c_contiguous
    assert len(images) == {"sample": 48, "paper": 48}.get(name, len(images))


def test_a_part_is_of_this_studys_data_and_settings(study):
    part = study.part("untested", version=0, count=7)
    assert part == study.settings.part(study.faces.checksum, "untested", version=0, count=7)
    assert (part.data, part.seed, part.count) == (study.faces.checksum, 3, 7)
    assert study.part("paper").version == config.SPLIT_VERSION


def test_the_old_sample_is_the_training_side_and_the_untested_hold_it(study):
    sample = study.images(study.part("sample", version=0))
    assert np.array_equal(sample, study.side("train")[0])
    untested = study.images(study.part("untested", version=0))
    held = {image.tobytes() for image in untested}
    assert {image.tobytes() for image in sample} <= held
    assert not {image.tobytes() for image in study.side("test")[0]} & held


def test_nothing_is_learnt_from_faces_that_choose_or_score(study):
    parts = data.parts(study.faces)["part"]
    assert set(parts) >= {"learning", "validation", "test"}
    learning = study.images(study.part("learning"))
    assert np.array_equal(learning, study.faces.images[parts[parts == "learning"].index])
    kept = {image.tobytes() for image in study.faces.images[parts.isin(["validation", "test"])]}
    assert not kept & {image.tobytes() for image in learning}


def test_the_papers_sample_lies_within_the_learning_faces(study):
    train, test = (study.paper(side)[0] for side in ("train", "test"))
    learning = {image.tobytes() for image in study.images(study.part("learning"))}
    sides = [{image.tobytes() for image in images} for images in (train, test)]
    assert np.array_equal(study.images(study.part("paper")), train)
    assert sides[0] | sides[1] <= learning
    assert not sides[0] & sides[1]
    assert (len(train), len(test)) == (48, 12)


@pytest.mark.parametrize("count", [1, 7, 48])
def test_fewer_faces_of_a_part_are_evenly_spaced(study, count):
    whole = study.images(study.part("sample", version=0))
    fewer = study.images(study.part("sample", version=0, count=count))
    assert len(fewer) == count
    positions = [48 * n // count for n in range(count)]
    assert np.array_equal(fewer, whole[positions])


def test_no_face_is_taken_twice_where_a_part_has_fewer(study):
    whole, rows = study.examples(study.part("learning"))
    many, same = study.examples(study.part("learning", count=10**6))
    assert np.array_equal(many, whole)
    assert same["id"].is_unique


@pytest.mark.parametrize("name", ["learning", "validation", "test"])
def test_labelled_faces_of_a_part_are_those_with_a_majority(study, name):
    """ORL has no emotions: some are made up."""
    emotions = np.where(study.faces.rows["id"] % 3, "fear", "")
    faces = replace(study.faces, rows=study.faces.rows.assign(emotion=emotions))
    named = replace(study, faces=faces)
    _, whole = named.examples(named.part(name))
    _, rows = named.examples(named.part(f"labelled {name}"))
    assert set(rows["emotion"]) == {"fear"}
    assert len(rows) == (whole["emotion"] == "fear").sum() < len(whole)


@pytest.mark.parametrize(("name", "version"), [("trial", NOW), ("learning", 0), ("paper", 99)])
def test_a_part_that_no_rule_makes_is_refused(study, name, version):
    with pytest.raises(UserError, match=f"'{name}' of version {version}"):
        study.images(study.part(name, version=version))


def test_a_part_of_other_faces_is_refused(study):
    """Its recipe's key would name faces that the network has not seen."""
    part = replace(study.part("sample", version=0), data="0" * 64)
    with pytest.raises(UserError, match=r"'sample' .*other faces"):
        study.images(part)


@pytest.mark.parametrize(("name", "version"), [("sample", 0), ("paper", NOW)])
@pytest.mark.parametrize("change", [{"seed": 4}, {"train": 40}, {"test": 20}])
def test_a_part_has_the_size_and_the_seed_that_it_names(study, name, version, change):
    part = replace(study.part(name, version=version), **change)
    draw = data.paper_sample if version else data.split
    drawn = draw(study.faces, train=part.train, test=part.test, seed=part.seed)
    expected = study.faces.images[drawn.index[drawn["side"] == "train"]]
    assert np.array_equal(study.images(part), expected)


# Trainings


@pytest.fixture
def asked(monkeypatch) -> list:
    """What `training.fit` is asked for; nothing is trained."""
    calls = []
    monkeypatch.setattr(training, "fit", lambda *given: calls.append(given) or "trained")
    return calls


def test_the_papers_network_is_trained_as_the_plan_of_its_chapters_says(study, asked):
    planned = config.recipes(study.settings, study.faces.checksum)
    for network, seed in (("cae", 3), ("cae", 4), ("cae-plain", 3), ("cae-plain", 4)):
        assert study.trained(network, seed) == "trained"
    assert [given[2] for given in asked] == planned
    for task, faces, recipe in asked:
        assert task == training.Reconstruction(recipe.model, recipe.training.augmented)
        assert np.array_equal(faces, study.side("train")[0])


def test_a_recipe_decides_task_and_faces(study, asked):
    part = study.part("paper")
    recipe = config.reconstruction(study.settings, part, "as-run", 9, augmented=False)
    study.reconstruct(recipe)
    ((task, faces, given),) = asked
    assert task == training.Reconstruction(study.settings.model("as-run"), False)
    assert np.array_equal(faces, study.paper("train")[0])
    assert given == recipe


def test_validation_faces_are_of_their_part_and_evenly_spaced(opened):
    images, ids = opened.validation(7)
    parts = data.parts(opened.faces)
    places = np.flatnonzero(parts["part"] == "validation")
    assert len(images) == len(set(ids)) == 7
    assert set(ids) <= set(parts["id"].iloc[places])
    assert np.array_equal(images[0], opened.faces.images[places[0]])
    assert len(opened.validation(10**6)[0]) == len(places)
