"""The one function for images of one's own, and the networks that are published for it."""

import numpy as np
import pytest
import torch

from fer_lib import config, denoise, evaluation, pipeline, training
from fer_lib.audit import plan
from fer_lib.config import ROOT, Recipe, UserError
from fer_lib.methods import lessons, plans, table
from fer_lib.methods.plans import Schedule
from fer_lib.noise import PROTOCOLS
from fer_lib.readers import orl
from fer_lib.tools import weights

PUBLISHED = sorted((ROOT / "reports").glob("*/networks/*.safetensors"))


def recipe(*stages: int, seed: int = 3) -> Recipe:
    """Of a short training of `compact`."""
    settings = config.load("smoke", seed)
    return plans.recipe(Schedule("compact", stages), settings, "data")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def trained() -> dict:
    """The trainings of all tests by their keys."""
    return {}


@pytest.fixture
def publish(pictures, work, trained, tmp_path, monkeypatch):
    """A function that trains a recipe and publishes it in a folder that FER_NETWORKS names."""
    for name in ("WORK", "REPORTS", "ROOT"):
        monkeypatch.setattr(weights, name, work)
    monkeypatch.setenv("FER_NETWORKS", str(tmp_path))
    monkeypatch.setenv("FER_HEADLESS", "1")
    denoise.published.cache_clear()

    def learn(recipe: Recipe) -> training.Trained:
        if recipe.key not in trained:
            start = learn(recipe.start) if recipe.start else None
            task = lessons.task(recipe)
            trained[recipe.key] = training.fit(task, pictures[:8], recipe, start)
        return trained[recipe.key]

    def put(recipe: Recipe, name: str) -> training.Trained:
        last = learn(recipe)
        path = weights.publish(last.key, tmp_path)
        path.rename(path.with_name(f"{name}.safetensors"))
        denoise.published.cache_clear()
        return last

    yield put
    denoise.published.cache_clear()


@pytest.fixture
def networks(publish) -> training.Trained:
    """One published network."""
    return publish(recipe(1), "one")


@pytest.mark.parametrize("shape", [(48, 48), (2, 48, 48), (31, 50), (2, 3, 20, 9), (1, 1), (0, 9)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.float16])
def test_shape_dtype_and_range_come_back(networks, shape, dtype):
    draw = np.random.default_rng(0).random(shape)
    images = (draw * 255).astype(dtype) if dtype is np.uint8 else draw.astype(dtype)
    if 0 in shape:
        with pytest.raises(UserError, match="holds no image"):
            denoise.denoise(images)
        return
    before = images.copy()
    restored = denoise.denoise(images)
    assert type(restored) is np.ndarray
    assert (restored.shape, restored.dtype) == (images.shape, images.dtype)
    assert restored.min() >= 0
    assert restored.max() <= (255 if dtype is np.uint8 else 1)
    assert (images == before).all()


def test_it_does_what_the_network_does_with_both_mirror_images(networks, pictures):
    unit = pipeline.to_unit(torch.tensor(pictures[:5]))
    with torch.inference_mode():
        both = networks.model(unit).clamp(0, 1), networks.model(unit.flip(-1)).clamp(0, 1).flip(-1)
        expected = sum(both) / 2
    restored = denoise.denoise(unit)
    torch.testing.assert_close(restored, expected, rtol=0, atol=2e-3)
    as_bytes = denoise.denoise(pictures[:5])
    assert (as_bytes == (restored[:, 0] * 255).round().byte().numpy()).all()


def test_colours_are_restored_one_by_one(networks, pictures):
    photo = np.stack([pictures[0], pictures[1], pictures[2]], axis=-1)
    restored, apart = denoise.denoise(photo), denoise.denoise(pictures[:3])
    assert restored.shape == (48, 48, 3)
    assert np.abs(restored.astype(int) - np.moveaxis(apart, 0, -1)).max() <= 1


def test_many_images_are_restored_in_parts(networks, pictures, monkeypatch):
    whole = denoise.denoise(pictures[:7])
    monkeypatch.setattr(denoise, "PIXELS", 2 * 48 * 48)
    assert np.abs(denoise.denoise(pictures[:7]).astype(int) - whole).max() <= 1


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.full((4, 4), 1.5), "range from 1.5 to 1.5"),
        (np.full((4, 4), -0.1), "range from -0.1"),
        (np.full((4, 4), np.nan), "range from nan"),
        (np.full((4, 4), 3), "int64"),
        (np.full((4, 4), True), "bool"),
        (np.zeros(4), "holds no image"),
        (np.zeros((0, 4, 4)), "holds no image"),
    ],
)
def test_what_is_no_image_is_refused_in_one_line(networks, images, message):
    with pytest.raises(UserError, match=message) as error:
        denoise.denoise(images)
    assert "\n" not in str(error.value)


def weight(model) -> torch.Tensor:
    return model.state_dict()["tail.weight"]


def assert_taken(trained) -> None:
    expected = weight(trained.model).half().float()
    torch.testing.assert_close(weight(denoise.published("compact")), expected)


@pytest.mark.parametrize("names", ["ab", "ba"])
def test_of_several_trainings_the_longest_is_taken_with_what_it_started_from(publish, names):
    publish(recipe(2), names[0])
    assert_taken(publish(recipe(1, 2), names[1]))


@pytest.mark.parametrize("names", ["ab", "ba"])
def test_of_several_seeds_the_first_is_taken(publish, names):
    first = publish(recipe(1), names[0])
    publish(recipe(1, seed=4), names[1])
    assert_taken(first)


def test_an_unknown_network_is_refused_with_the_known_ones(networks):
    message = r"unknown published network 'compct': choose one of compact$"
    with pytest.raises(UserError, match=message):
        denoise.denoise(np.zeros((4, 4)), "compct")


def test_where_none_is_published_it_says_where_they_are(tmp_path, monkeypatch):
    """As after `pip install .` in another environment."""
    for name in ("REPORTS", "ROOT"):
        monkeypatch.setattr(weights, name, tmp_path)
    monkeypatch.delenv("FER_NETWORKS", raising=False)
    denoise.published.cache_clear()
    with pytest.raises(UserError, match="FER_NETWORKS") as error:
        denoise.denoise(np.zeros((4, 4)))
    assert "\n" not in str(error.value)


def asked(path) -> Recipe:
    """The recipe of a published file, out of the plans of the profile that it was trained for."""
    facts, settings = weights.header(path), config.load("cpu")
    data = facts["recipe"]["part"]["data"]
    recipes = [r for wing in (config, plan, plans) for r in wing.recipes(settings, data)]
    return {stage.key: stage for r in recipes for stage in r.stages}[facts["key"]]


def task_of(recipe: Recipe) -> training.Task:
    if recipe.task == "reconstruction":
        return training.Reconstruction(recipe.model, recipe.training.augmented)
    return lessons.task(recipe)


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_what_is_published_is_what_a_plan_asks_for(path):
    """With another key, nobody would find it."""
    facts, recipe = weights.header(path), asked(path)
    assert weights.index()[recipe.key] == path  # whatever its name is
    assert facts["recipe"]["training"]["epochs"] == recipe.training.epochs
    assert weights.is_finished(facts)


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_what_is_published_knows_faces_that_it_never_saw(path):
    """The autoencoder reproduces clean ORL faces, the others remove noise from them."""
    images, rows = orl.read()
    clean = pipeline.to_unit(torch.tensor(images[::40]))
    recipe, native = asked(path), PROTOCOLS["camera noise"]
    model = training.load(task_of(recipe), path).model
    if recipe.task == "reconstruction":
        # A sigmoid cannot give the darker half of [-1, 1].
        wanted = clean.clamp(min=0.5) if recipe.model.output == "sigmoid" else clean
        constant = wanted.flatten(1).var(dim=1).mean()
        output = evaluation.network(model)(clean, native, 0)
        assert (output - wanted).square().mean() < constant / 5
    else:
        noisy = native.corrupt(clean, 0.3, rows["id"][::40], 0)
        restored = table.network(recipe.network, model).method(noisy, native, 0.3)
        mse = [(x - clean).square().mean(dim=(1, 2, 3)) for x in (noisy, restored)]
        assert (mse[1] < mse[0] / 5).all()
