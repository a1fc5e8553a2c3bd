"""From a recipe to a trained network: the right task, the right start, the images that it saw."""

from dataclasses import replace

import numpy as np
import pytest

from fer_lib import config
from fer_lib.methods import lessons, plans, supervision
from fer_lib.methods.plans import Schedule
from fer_lib.tools import device, weights

SETTINGS = config.load("smoke")


class Study:
    """Enough of a study for `lessons.train`."""

    def __init__(self, faces: np.ndarray):
        self.faces = faces

    def images(self, part) -> np.ndarray:
        return self.faces


@pytest.fixture
def study(pictures, tmp_path, monkeypatch) -> Study:
    for name in ("WORK", "REPORTS", "ROOT"):
        monkeypatch.setattr(weights, name, tmp_path)
    monkeypatch.setenv("FER_HEADLESS", "1")
    return Study(pictures[:16])


def recipe(network: str, *stages: int, faces: int | None = None, **changes) -> config.Recipe:
    made = plans.recipe(Schedule(network, stages, faces), SETTINGS, "data")
    return replace(made, training=replace(made.training, **changes))


def test_each_recipe_has_its_task():
    task = lessons.task(recipe("noise2noise", 1))
    assert task == supervision.Restoration(plans.NETWORKS["noise2noise"].model)
    paper = lessons.task(recipe("cae-denoising", 1))
    assert paper == supervision.DenoisingAutoencoder(SETTINGS.model("cae"), augmented=True)


def test_a_stage_starts_from_the_weights_of_the_one_before_it(study):
    two = recipe("xie", 1, 1)
    second, first = lessons.train(study, two), lessons.train(study, two.start)
    assert second.history[0]["train_loss"] < first.history[0]["train_loss"]
    assert second.key != first.key
    alone = lessons.train(study, replace(two, start=None))
    names = list(first.model.state_dict())
    ours, theirs, scratch = (run.model.state_dict() for run in (second, first, alone))
    near = sum((ours[name] - theirs[name]).square().sum() for name in names)
    far = sum((ours[name] - scratch[name]).square().sum() for name in names)
    assert 0 < near < far / 10


def test_another_seed_is_another_training(study):
    one, other = (replace(recipe("gondara", 1), seed=seed) for seed in (0, 1))
    assert lessons.train(study, one).key != lessons.train(study, other).key


@pytest.mark.slow
@pytest.mark.skipif(not device.can_compile(device.best()), reason="no compiler")
def test_a_compiled_network_may_meet_several_shapes(study):
    """Neighbor2Neighbor shows it whole images and halves."""
    trained = lessons.train(study, recipe("neighbor2neighbor", 1, compile=True))
    assert len(trained.history) == 1


def test_images_seen_are_those_of_all_stages():
    three = recipe("compact", 2, 3, 4)  # of 48 images an epoch, where there are as many
    assert lessons.images_seen(three, 1000) == 9 * 48
    assert lessons.images_seen(three, 30) == 9 * 30  # an epoch shows no face twice
    paper = recipe("cae-denoising", 5)  # whose epochs show all faces
    assert lessons.images_seen(paper, 1000) == 5000
