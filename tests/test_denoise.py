"""The one function for images of one's own, and the networks that are published for it."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from docs import publish as publishing
from fer_lib import config, denoise, evaluation, pipeline, training
from fer_lib.config import ROOT, Recipe, UserError
from fer_lib.methods import lessons, plans, table
from fer_lib.methods.plans import Schedule
from fer_lib.noise import PROTOCOLS
from fer_lib.readers import orl
from fer_lib.readers.ferplus import EMOTIONS
from fer_lib.recognition.recogniser import Recognition
from fer_lib.run.chapters import WINGS
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
        path = publishing.publish(last.key, tmp_path)
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
@pytest.mark.parametrize("dtype", ["u1", "u2", ">u2", "f4", "f8", ">f4", "f2", np.longdouble])
def test_shape_dtype_and_range_come_back(networks, shape, dtype):
    draw, dtype = np.random.default_rng(0).random(shape), np.dtype(dtype)
    white = np.iinfo(dtype).max if dtype.kind == "u" else 1
    images = (draw * white).astype(dtype)
    if 0 in shape:
        with pytest.raises(UserError, match="holds no image"):
            denoise.denoise(images)
        return
    before = images.copy()
    restored = denoise.denoise(images)
    assert type(restored) is np.ndarray
    assert (restored.shape, restored.dtype) == (images.shape, images.dtype)
    assert restored.min() >= 0
    assert restored.max() <= white
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


def test_a_channel_axis_changes_nothing_and_transparency_is_kept(networks, pictures):
    gray, clear = pictures[0], pictures[1]
    expected = denoise.denoise(gray)
    assert (denoise.denoise(gray[..., None])[..., 0] == expected).all()
    assert (denoise.denoise(gray[None, ..., None])[0, ..., 0] == expected).all()
    for channels in ([gray, clear], [gray, gray, gray, clear]):
        last = denoise.denoise(np.stack(channels, axis=-1))
        first = denoise.denoise(np.stack(channels), axes="CHW")
        assert np.abs(np.moveaxis(last, -1, 0).astype(int) - first).max() <= 1
        assert np.abs(first[:-1].astype(int) - expected).max() <= 1
        assert (first[-1] == clear).all()


def test_axes_say_what_a_shape_does_not(networks, pictures):
    thin = pictures[:3, :2, :2]
    with pytest.raises(UserError, match=r"shape \(3, 2, 2\) has two readings: give axes="):
        denoise.denoise(thin)
    assert (denoise.denoise(thin, axes="HW")[1] == denoise.denoise(thin[1])).all()
    colour = denoise.denoise(np.moveaxis(thin, 0, -1), axes="HWC")
    assert (np.moveaxis(colour, -1, 0) == denoise.denoise(thin, axes="CHW")).all()
    for axes, message in (("WH", "unknown axes 'WH'"), ("HWC", "holds no image")):
        with pytest.raises(UserError, match=message):
            denoise.denoise(thin[0], axes=axes)


def test_whatever_numpy_can_read_is_restored(networks, pictures):
    unit = pictures[0] / 255
    expected = denoise.denoise(unit)
    for form in (unit.tolist(), pd.DataFrame(unit), unit.T.copy().T, np.asfortranarray(unit)):
        assert np.abs(denoise.denoise(form) - expected).max() < 1e-6
    assert (denoise.denoise(Image.fromarray(pictures[0])) == denoise.denoise(pictures[0])).all()
    colour = Image.fromarray(pictures[0]).convert("RGB")
    for mode in ("P", "CMYK"):  # numbers of colours in a palette; four channels, no transparency
        picture = colour.convert(mode)
        expected = denoise.denoise(np.asarray(picture.convert("RGB")))
        assert (denoise.denoise(picture) == expected).all()
    for view in (unit[::-1], np.rot90(unit), np.dstack([unit] * 3)[..., ::-1]):
        assert (denoise.denoise(view) == denoise.denoise(view.copy())).all()


@pytest.mark.parametrize(
    "dtype", [torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64]
)
def test_a_tensor_can_be_used_afterwards(networks, pictures, dtype):
    images = torch.tensor(pictures[:2]) if dtype is torch.uint8 else torch.rand(2, 9, 8)
    images = images.to(dtype).requires_grad_(dtype.is_floating_point)
    before = images.detach().clone()
    restored = denoise.denoise(images)
    assert (restored.dtype, restored.requires_grad) == (dtype, False)
    restored[0, 0] = 0
    weight = torch.ones((), requires_grad=True)
    (restored * weight).sum().backward()
    assert weight.grad > 0
    assert (images == before).all()


def test_errors_of_rounding_are_clipped(networks, pictures):
    unit = pictures[0] / 255
    assert unit.max() == 1
    assert np.abs(denoise.denoise(unit * (1 + 4e-16) - 1e-9) - denoise.denoise(unit)).max() < 1e-6


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("gpu", "unknown device 'gpu'"),
        (0, "unknown device '0'"),
        ("cuda:99", "there is no 'cuda:99'"),
    ],
)
def test_a_device_that_is_not_there_is_refused(networks, device, message):
    with pytest.raises(UserError, match=message):
        denoise.denoise(np.zeros((4, 4)), device=device)
    denoise.denoise(np.zeros((4, 4)), device="cpu")


def test_many_images_are_restored_in_parts(networks, pictures, monkeypatch):
    whole = denoise.denoise(pictures[:7])
    monkeypatch.setattr(denoise, "SIDE", 72)  # two faces
    assert np.abs(denoise.denoise(pictures[:7]).astype(int) - whole).max() <= 1


@pytest.mark.parametrize("size", [(230, 150), (149, 219)])
def test_a_large_image_is_restored_in_tiles_without_a_seam(publish, size, monkeypatch):
    """By a network that is published, since the reach of one trained for a second is small."""
    monkeypatch.setenv("FER_NETWORKS", str(ROOT / "reports" / "ferplus-cpu" / "networks"))
    denoise.published.cache_clear()
    random, (rows, columns) = np.random.default_rng(5), np.mgrid[0 : size[0], 0 : size[1]]
    clean = 0.5 + 0.3 * np.sin(rows / 17) * np.cos(columns / 23)
    noisy = (clean + 0.3 * random.standard_normal(size)).clip(0, 1)
    whole = denoise.denoise(noisy)
    monkeypatch.setattr(denoise, "SIDE", 64)
    assert 0 < np.abs(denoise.denoise(noisy) - whole).max() < 0.2 / 255


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.full((4, 4), 1.5), "range from 1.5 to 1.5"),
        (np.full((4, 4), -0.1), "range from -0.1"),
        (np.full((4, 4), 1.01), "scale or clip them"),
        (np.full((4, 4), np.nan), "hold NaN"),
        (np.full((4, 4), np.inf), "range from inf"),
        (np.full((4, 4), 3), "int64"),
        (np.full((4, 4), True), "bool"),
        (np.zeros(4), "holds no image"),
        (np.zeros((0, 4, 4)), "holds no image"),
        (np.zeros((4, 4), complex), "images of complex128"),
        (np.zeros((4, 4), object), "images of object"),
        (torch.zeros(4, 4, dtype=torch.complex64), "images of torch.complex64"),
        (torch.zeros(4, 4).to_sparse(), "give a dense one"),
        (torch.zeros(4, 4, device="meta"), "give a dense one"),
        ([[0.1], [0.2, 0.3]], "make no array"),
        ("photo.png", "images of <U9"),
        (None, "images of object"),
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
    recipes = [r for wing in WINGS.values() for r in wing.recipes(settings, data)]
    return {stage.key: stage for r in recipes for stage in r.stages}[facts["key"]]


def task_of(recipe: Recipe) -> training.Task:
    if recipe.task == "recognition":
        return Recognition(recipe.model)
    return lessons.task(recipe)


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_what_is_published_is_what_a_plan_asks_for(path):
    """With another key, nobody would find it."""
    facts, recipe = weights.header(path), asked(path)
    assert weights.index()[recipe.key] == path  # whatever its name is
    assert len(facts["history"]) == recipe.training.epochs
    assert facts["recipe"]["training"]["epochs"] == recipe.training.epochs


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_what_is_published_knows_faces_that_it_never_saw(path):
    """The autoencoder reproduces clean ORL faces, the denoisers remove noise from them, and the
    recognisers are sure that these faces, which smile or do not, are happy or neutral."""
    images, rows = orl.read()
    clean = pipeline.to_unit(torch.tensor(images[::40]))
    recipe, native = asked(path), PROTOCOLS["camera noise"]
    model = training.load(task_of(recipe), path).model
    if recipe.task == "recognition":
        faces = pipeline.to_unit(torch.tensor(images[::4]))
        sure, said = model(faces).softmax(dim=1).max(dim=1)
        happy, neutral = (
            (said == EMOTIONS.index(e)).float().mean() for e in ("happiness", "neutral")
        )
        assert sure.mean() > 0.6  # 0.13 before training
        assert min(happy, neutral) > 0.15
        assert happy + neutral > 0.9
        return
    sigmoid = recipe.task == "reconstruction" and recipe.model.output == "sigmoid"
    if sigmoid and weights.header(path)["history"][-1]["train_loss"] > 0.15:
        pytest.skip("chapter 3 trained it for a short time, or in vain: it ends near a constant")
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
