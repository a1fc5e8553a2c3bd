"""What more time, data or parameters bring: paired, and per doubling."""

import numpy as np
import pandas as pd
import pytest
import torch

from fer_lib import config
from fer_lib.config import Lesson
from fer_lib.learning import Trained
from fer_lib.methods import limit, supervision, table

IMAGES = 50
BASE = np.random.default_rng(0).uniform(0.2, 0.9, IMAGES)
SHORT, LONG, FEW = Lesson("compact", 2), Lesson("compact", 8), Lesson("compact", 8, 100)
AXES = {"time": (SHORT, LONG), "data": (FEW, LONG)}
PLACES = {
    SHORT: {"time": 200, "data": 400},
    LONG: {"time": 800, "data": 400},
    FEW: {"time": 800, "data": 100},
}


def rows(lesson: Lesson, ssim, level=0.3) -> pd.DataFrame:
    named = {"method": lesson.name, "seed": 0, "level": level}
    return pd.DataFrame({**named, "id": range(IMAGES), "ssim": ssim})


@pytest.fixture
def scores() -> pd.DataFrame:
    gains = {SHORT: 0.0, LONG: 0.04, FEW: -0.02}
    parts = [rows(lesson, BASE + gain) for lesson, gain in gains.items()]
    return pd.concat([*parts, *(rows(lesson, 1.0, 0.0) for lesson in gains)])


@pytest.fixture
def table(scores) -> pd.DataFrame:
    return limit.trend(AXES, PLACES, scores, 200)


def test_every_training_stands_on_its_axes_where_there_is_noise(table):
    assert table["axis"].tolist() == ["time", "time", "data", "data"]
    assert table["size"].tolist() == [200, 800, 100, 400]
    assert (table["level"] == 0.3).all()
    assert table["ssim"].tolist() == pytest.approx(
        [BASE.mean() + gain for gain in (0, 0.04, -0.02, 0.04)]
    )
    assert (table["ssim_lo"] < table["ssim"]).all()


def test_a_doubling_is_paired_and_counts_once(table, scores):
    """Two doublings lie between the trainings on both axes; images differ by far more."""
    found = limit.doublings(table, scores, 200).set_index("axis")
    assert found["gain"].to_dict() == pytest.approx({"time": 0.02, "data": 0.03})
    assert (found["hi"] - found["lo"]).max() < 1e-9
    assert found.loc["time", ["from", "to"]].tolist() == [200, 800]


def test_what_remains_is_paired_and_a_share_of_what_could_be_gained():
    """The second training of ours counts nothing: there is no oracle that grew from it."""
    gains = {("noisy", 0): 0.0, ("ours", 0): 0.3, ("ours", 1): 0.1, ("oracle", 0): 0.4}
    parts = [
        pd.DataFrame(
            {"method": name, "seed": seed, "level": level, "corrected": corrected}
            | {"id": range(IMAGES), "ssim": (BASE / 2 + gain) * (level > 0) * (not corrected)}
        )
        for (name, seed), gain in gains.items()
        for level in (0.0, 0.3)
        for corrected in (False, True)
    ]
    found = limit.remaining(pd.concat(parts), "ours", "oracle", 200)
    assert found["level"].tolist() == [0.3]
    assert found[["gap", "lo", "hi"]].to_numpy() == pytest.approx(np.full((1, 3), 0.1))
    assert found["share"].item() == pytest.approx(0.75)


def test_sizes_are_those_of_the_training():
    model = torch.nn.Conv2d(1, 2, 3)
    trained = Trained(model, [], [], "key")
    whole = limit.sizes(Lesson("compact", 3), trained, 8000, 30_000)
    assert whole == {"time": 24_000, "data": 30_000, "parameters": 20}
    longer = limit.sizes(Lesson("compact", 3, start=Lesson("compact", 2)), trained, 8000, 30_000)
    assert longer == whole | {"time": 40_000}
    few = limit.sizes(Lesson("compact", 3, 500), trained, 8000, 30_000)
    assert (few["data"], few["time"]) == (500, 1500)  # an epoch shows no face twice


@pytest.mark.parametrize("profile", config.PROFILES)
def test_profiles_vary_one_thing_at_a_time(profile):
    settings = config.load(profile).references
    assert set(settings.trend) == set(limit.AXES)
    for axis, lessons in settings.trend.items():
        things = {
            "time": [x.images(settings.training.epoch_images, 10**6) for x in lessons],
            "data": [x.faces for x in lessons],
            "parameters": [x.network for x in lessons],
        }
        different = {name: len(set(values)) for name, values in things.items()}
        assert different.pop(axis) == len(lessons) > 1
        assert set(different.values()) == {1}, axis


def test_what_is_trained_is_known():
    for settings in config.PROFILES.values():
        chosen = [*settings.references.networks, *sum(settings.references.trend.values(), ())]
        for lesson in chosen:
            assert lesson.network in table.TRAINED
            assert lesson.network == "cae-denoising" or lesson.network in supervision.RESTORATIONS
