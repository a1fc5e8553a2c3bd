"""The one function for images of one's own, and the networks that are published for it."""

import numpy as np
import pytest
import torch

from fer_lib import config, denoise, evaluation, learning, pipeline
from fer_lib.config import ROOT, ModelConfig, TrainConfig, UserError
from fer_lib.methods import table
from fer_lib.methods.supervision import RESTORATIONS, DenoisingAutoencoder
from fer_lib.methods.table import Continued, Widened
from fer_lib.noise import PROTOCOLS
from fer_lib.readers import orl
from fer_lib.run import publish
from fer_lib.tools import weights
from fer_lib.training import Reconstruction

ONCE = TrainConfig(epochs=1, batch_size=8, learning_rate=1e-3, gradient_epochs=0)
PUBLISHED = sorted((ROOT / "reports").glob("*/networks/*.safetensors"))


@pytest.fixture
def trained(pictures, tmp_path, monkeypatch) -> learning.Trained:
    monkeypatch.setattr(weights, "WORK", tmp_path / "work")
    monkeypatch.setattr(publish, "WORK", tmp_path / "work")
    monkeypatch.setattr(weights, "ROOT", tmp_path)
    monkeypatch.setenv("FER_HEADLESS", "1")
    return learning.fit(RESTORATIONS["compact"], pictures[:8], 3, ONCE)


@pytest.fixture
def networks(trained, tmp_path, monkeypatch):
    """A folder with one published network."""
    folder = tmp_path / "reports" / "some-run" / "networks"
    publish.publish(trained.key, folder)
    monkeypatch.setattr(denoise, "NETWORKS", folder)
    denoise.published.cache_clear()
    yield folder
    denoise.published.cache_clear()


def test_a_published_network_is_not_trained_again(networks, trained, pictures, monkeypatch):
    monkeypatch.setattr(learning, "_Run", None)
    found = learning.fit(RESTORATIONS["compact"], pictures[:8], 3, ONCE)
    assert (found.key, found.history) == (trained.key, trained.history)
    ours, theirs = found.model.state_dict(), trained.model.state_dict()
    assert ours.keys() == theirs.keys()
    for name in ours:  # half precision has 11 bits
        torch.testing.assert_close(ours[name], theirs[name], rtol=2**-11, atol=2**-24)
    assert not found.model.training


def test_another_training_is_not_taken_from_it(networks, trained, pictures):
    other = learning.fit(RESTORATIONS["compact"], pictures[:8], 4, ONCE)
    assert other.key != trained.key


def test_a_published_file_holds_weights_and_their_story_only(networks, trained):
    (file,) = networks.iterdir()
    tensors, facts = weights.load(file)
    assert file.stem == trained.key
    assert all(name.startswith("model.") for name in tensors)
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    assert facts["network"] == "compact"
    assert facts["seed"] == 3
    assert len(facts["history"]) == 1


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


def test_it_does_what_the_network_does_with_both_mirror_images(networks, trained, pictures):
    unit = pipeline.to_unit(torch.tensor(pictures[:5]))
    with torch.inference_mode():
        both = trained.model(unit).clamp(0, 1), trained.model(unit.flip(-1)).clamp(0, 1).flip(-1)
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


def test_of_several_trainings_the_longest_is_taken(networks, trained, pictures):
    """With what it continues."""
    longer = learning.fit(Continued(RESTORATIONS["compact"], trained, 1), pictures[:8], 3, ONCE)
    assert_chosen(longer, publish.publish(longer.key, networks))


def test_of_several_seeds_the_first_is_taken(networks, pictures):
    first = learning.fit(RESTORATIONS["compact"], pictures[:8], 2, ONCE)
    assert_chosen(first, publish.publish(first.key, networks))


def assert_chosen(training, file):
    """It is the one that is taken, whatever their keys: the names of both orders are tried."""
    for number in (0, 1):
        file = file.rename(file.with_name(f"compact-{'0z'[number]}{number:011d}.safetensors"))
        denoise.published.cache_clear()
        found = denoise.published("compact").state_dict()["tail.weight"]
        torch.testing.assert_close(found, training.model.state_dict()["tail.weight"].half().float())


def test_an_unknown_network_is_refused_with_the_known_ones(networks):
    with pytest.raises(UserError, match=r"no published network 'compct': choose one of compact$"):
        denoise.denoise(np.zeros((4, 4)), "compct")


def task_of(file) -> learning.Task:
    """What the training of a published network was."""
    name, _, _ = file.stem.rpartition("-")
    facts = weights.load(file)[1]
    if "continues" in facts:
        start = weights.published(facts["continues"])
        before = learning.load(task_of(start), start)
        grown = Continued if _network(start) == _network(file) else Widened
        return grown(RESTORATIONS[name], before, facts["after"])
    if name in RESTORATIONS:
        return RESTORATIONS[name]
    model = config.from_dict(ModelConfig, facts["model"])
    if name == "cae-denoising":
        return DenoisingAutoencoder(model, facts["rotation"])
    return Reconstruction(name, model, facts["training"]["rotation"])


def _network(file) -> str:
    return weights.load(file)[1]["network"]


@pytest.mark.parametrize("file", PUBLISHED, ids=lambda file: file.stem)
def test_what_is_published_is_what_the_code_would_train(file):
    """Its name is its key; with a stale one, nobody would find it."""
    task, (_, facts) = task_of(file), weights.load(file)
    made_of = {**task.facts(), "training": facts["training"], "seed": facts["seed"]}
    recipe = ("learning", *task.recipe)
    folder = weights.folder(task.name, recipe, **made_of, faces=facts["faces"])
    assert folder.name == file.stem
    assert len(facts["history"]) == facts["training"]["epochs"]


@pytest.mark.parametrize("file", PUBLISHED, ids=lambda file: file.stem)
def test_what_is_published_knows_faces_that_it_never_saw(file):
    """The autoencoder reproduces clean ORL faces, the others remove noise from them."""
    images, rows = orl.read()
    clean = pipeline.to_unit(torch.tensor(images[::40]))
    task, native = task_of(file), PROTOCOLS["camera noise"]
    sees = evaluation.network if task.name.startswith("cae") else table.restorer
    method = sees(learning.load(task, file).model)
    if isinstance(task, Reconstruction):
        constant = clean.flatten(1).var(dim=1).mean()
        assert (method(clean, native, 0) - clean).square().mean() < constant / 5
    else:
        noisy = native.corrupt(clean, 0.3, rows["id"][::40], 0)
        restored = method(noisy, native, 0.3)
        mse = [(x - clean).square().mean(dim=(1, 2, 3)) for x in (noisy, restored)]
        assert (mse[1] < mse[0] / 5).all()


def test_only_a_finished_training_is_published(trained, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="no training 'compact-x' in the work folder"):
        publish.publish("compact-x", tmp_path)
    file = tmp_path / "work" / "models" / trained.key / "checkpoint.safetensors"
    tensors, facts = weights.load(file)
    weights.save(file, tensors, **facts | {"history": []})
    with pytest.raises(UserError, match="has not finished"):
        publish.publish(trained.key, tmp_path)
    assert not list(tmp_path.glob("*.safetensors"))
