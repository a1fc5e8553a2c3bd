"""A training that is stopped goes on as if it had not been; what it records is what it did."""

import json
import re
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fer_lib import autoencoder, config, learning, pipeline, training
from fer_lib.config import PROFILES, ModelConfig, TrainConfig, UserError
from fer_lib.tools import weights

EPOCHS, BATCH = 3, 8  # 12 pictures: a batch of 8 and one of 4
STEPS = 2
RECIPE = ("learning", *training.Reconstruction.recipe)


def settings(**changes) -> config.Config:
    fixed = {"epochs": EPOCHS, "batch_size": BATCH, "learning_rate": 1e-3, "precision": "float32"}
    train = TrainConfig(**{**fixed, "gradient_epochs": 2, **changes})
    return replace(PROFILES["smoke"], training=train, model=ModelConfig(width=1 / 32))


@pytest.fixture(scope="session")
def pictures(pictures) -> np.ndarray:
    return pictures[:12]


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(weights, "WORK", tmp_path)
    monkeypatch.setenv("FER_HEADLESS", "1")
    return tmp_path


@pytest.fixture(scope="module")
def whole(pictures, tmp_path_factory) -> learning.Trained:
    """The training that nothing interrupts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "WORK", tmp_path_factory.mktemp("whole"))
        return training.fit(pictures, "cae", 0, settings())


def weights(trained: learning.Trained) -> dict[str, torch.Tensor]:
    return trained.model.state_dict()


def assert_same(ours: learning.Trained, theirs: learning.Trained) -> None:
    """The same weights, losses and gradients, to the bit."""
    for name, tensor in weights(theirs).items():
        assert torch.equal(weights(ours)[name], tensor), name
    losses = [[line["train_loss"] for line in one.history] for one in (ours, theirs)]
    assert losses[0] == losses[1]
    assert ours.gradients == theirs.gradients
    assert ours.key == theirs.key


def differ(ours: learning.Trained, theirs: learning.Trained) -> bool:
    return not all(
        torch.equal(weights(ours)[name], weights(theirs)[name]) for name in weights(ours)
    )


def stop_after(monkeypatch, module, name: str, calls: int):
    """Make `module.name` work `calls` times and then be what Ctrl-C makes of it."""
    original, count = getattr(module, name), iter(range(calls))

    def stopping(*arguments, **options):
        if next(count, None) is None:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    monkeypatch.setattr(module, name, stopping)


def recorded(monkeypatch) -> list[torch.Tensor]:
    """A list that every batch of the trainings to come is added to."""
    batches, original = [], pipeline.training_batch

    def recording(*arguments):
        batches.append(original(*arguments))
        return batches[-1]

    monkeypatch.setattr(pipeline, "training_batch", recording)
    return batches


def checkpoint_file(work: Path) -> Path:
    (file,) = work.glob("models/*/checkpoint.safetensors")
    return file


@pytest.mark.parametrize(
    ("module", "name", "calls"),
    [
        pytest.param(weights, "save", 1, id="as epoch 2 is saved"),
        pytest.param(pipeline, "training_batch", STEPS, id="as epoch 2 begins"),
        pytest.param(pipeline, "training_batch", STEPS + 1, id="amid epoch 2"),
        pytest.param(pipeline, "training_batch", 2 * STEPS + 1, id="amid epoch 3"),
        pytest.param(pipeline, "training_batch", 1, id="before any checkpoint"),
    ],
)
def test_a_resumed_training_equals_an_uninterrupted_one(pictures, whole, work, module, name, calls):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "WORK", work)
        stop_after(patch, module, name, calls)
        with pytest.raises(KeyboardInterrupt):
            training.fit(pictures, "cae", 0, settings())
    assert_same(training.fit(pictures, "cae", 0, settings()), whole)


def test_a_resumed_training_repeats_no_whole_epoch(pictures, work, monkeypatch):
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, pipeline, "training_batch", 2 * STEPS)
        with pytest.raises(KeyboardInterrupt):
            training.fit(pictures, "cae", 0, settings())
    batches = recorded(monkeypatch)
    trained = training.fit(pictures, "cae", 0, settings())
    assert len(batches) == STEPS
    assert [line["epoch"] for line in trained.history] == [1, 2, 3]


def test_a_finished_training_is_found_not_repeated(pictures, whole, monkeypatch):
    first = training.fit(pictures, "cae", 0, settings())
    stop_after(monkeypatch, pipeline, "training_batch", 0)
    stop_after(monkeypatch, weights, "save", 0)
    again = training.fit(pictures, "cae", 0, settings())
    assert_same(first, whole)
    assert_same(again, whole)
    assert again.history == first.history


def test_the_network_is_returned_in_eval_mode_after_training_and_when_found(pictures):
    for _ in range(2):
        assert not training.fit(pictures, "cae", 0, settings(epochs=1)).model.training


def test_the_loss_falls(pictures):
    trained = training.fit(pictures, "cae", 0, settings(epochs=6, batch_size=2, learning_rate=3e-3))
    losses = [line["train_loss"] for line in trained.history]
    assert losses[-1] < 0.6 * losses[0]
    assert all(isinstance(loss, float) and loss > 0 for loss in losses)


def test_an_epochs_loss_weighs_batches_by_their_size(pictures, monkeypatch):
    """With steps too small to move anything, the loss is that of the initial network."""
    batches = recorded(monkeypatch)
    still = settings(epochs=1, batch_size=10, learning_rate=1e-12)
    trained = training.fit(pictures, "cae", 0, still)
    model = autoencoder.build(ModelConfig(width=1 / 32), 0).train()
    with torch.no_grad():
        losses = [(model(x) - x).square().mean().item() for x in batches]
    assert [len(x) for x in batches] == [10, 2]
    loss = trained.history[0]["train_loss"]
    assert loss == pytest.approx((10 * losses[0] + 2 * losses[1]) / 12, rel=1e-5)
    assert loss != pytest.approx(sum(losses) / 2, rel=1e-3)


def test_every_epoch_shows_every_picture_once_in_a_new_order(pictures, monkeypatch):
    batches = recorded(monkeypatch)
    training.fit(pictures, "cae", 0, settings(epochs=2, rotation=0.0))
    clean = pipeline.normalise(pipeline.resize(pipeline.to_unit(torch.tensor(pictures))))
    seen = []
    for epoch in (batches[:STEPS], batches[STEPS:]):
        shown = torch.cat(epoch)[:, 0].flatten(1)
        either = [torch.cdist(shown, x[:, 0].flatten(1)) for x in (clean, clean.flip(-1))]
        distance, nearest = torch.minimum(*either).min(dim=1)
        assert distance.max() < 0.01
        seen.append(nearest.tolist())
    assert sorted(seen[0]) == sorted(seen[1]) == list(range(12))
    assert seen[0] != seen[1] != list(range(12))


def test_both_variants_see_the_same_batches_and_another_seed_sees_others(pictures, monkeypatch):
    batches, runs = recorded(monkeypatch), (("cae", 0), ("cae-plain", 0), ("cae", 1))
    short = settings(epochs=1)
    trained = [training.fit(pictures, variant, seed, short) for variant, seed in runs]
    first, twin, other = (batches[i : i + STEPS] for i in (0, STEPS, 2 * STEPS))
    assert all(map(torch.equal, first, twin))
    assert not any(map(torch.equal, first, other))
    assert [one.model.config.residual for one in trained] == [True, False, True]
    assert len({one.key for one in trained}) == 3


def test_the_seed_decides_the_weights_whatever_the_global_state(pictures, work, monkeypatch):
    short = settings(epochs=1)
    first = training.fit(pictures, "cae", 0, short)
    other = training.fit(pictures, "cae", 1, short)
    monkeypatch.setattr(weights, "WORK", work / "again")
    torch.manual_seed(12345)
    assert_same(training.fit(pictures, "cae", 0, short), first)
    assert differ(first, other)


def test_training_changes_the_weights(whole):
    start = autoencoder.build(ModelConfig(width=1 / 32), 0).state_dict()
    names = [name for name in start if name.endswith("weight")]
    assert not any(torch.equal(weights(whole)[name], start[name]) for name in names)


def test_one_step_is_adams(pictures, monkeypatch):
    """The first step of Adam moves each weight by the learning rate against its gradient's sign."""
    batches = recorded(monkeypatch)
    trained = training.fit(pictures, "cae", 0, settings(epochs=1, batch_size=12))
    model = autoencoder.build(ModelConfig(width=1 / 32), 0).train()
    (model(batches[0]) - batches[0]).square().mean().backward()
    moved, grads = [], []
    for before, after in zip(model.parameters(), trained.model.parameters(), strict=True):
        moved.append((after - before).flatten())
        grads.append(before.grad.flatten())
    moved, grads = torch.cat(moved), torch.cat(grads)
    clear = grads.abs() > 3e-6  # well above Adam's epsilon and float32's rounding
    assert clear.sum() > 300
    torch.testing.assert_close(moved[clear], -1e-3 * grads[clear].sign(), rtol=0.02, atol=1e-6)


def test_gradients_are_recorded_for_the_18_layers_of_the_first_epochs(whole):
    table = [(row["epoch"], row["depth"]) for row in whole.gradients]
    assert table == [(epoch, depth) for epoch in (1, 2) for depth in range(1, 19)]
    names = [row["layer"] for row in whole.gradients[:18]]
    assert names == [row["layer"] for row in whole.gradients[18:]]
    assert (names[0], names[-1]) == ("encoder.0.conv1", "decoder.10")
    assert not [name for name in names if "skip" in name]
    norms = [row["norm"] for row in whole.gradients]
    assert min(norms) > 0
    assert len(set(norms)) == 36


def test_the_twin_without_residuals_records_the_same_layers(pictures, whole):
    twin = training.fit(pictures, "cae-plain", 0, settings(epochs=1))
    assert [row["layer"] for row in twin.gradients] == [r["layer"] for r in whole.gradients[:18]]


def test_a_gradients_norm_is_the_mean_over_the_steps(pictures, monkeypatch):
    batches = recorded(monkeypatch)
    still = settings(epochs=1, learning_rate=1e-12)
    trained = training.fit(pictures, "cae", 0, still)
    # In the same memory layout: the first layers' gradients are small sums of large terms, which
    # float32 rounds differently, by up to 7%, in another.
    model, norms = autoencoder.build(ModelConfig(width=1 / 32), 0).train(), []
    model = model.to(memory_format=torch.channels_last)
    for x in batches:
        x = x.contiguous(memory_format=torch.channels_last)
        model.zero_grad()
        (model(x) - x).square().mean().backward()
        norms.append([layer.weight.grad.norm().item() for _, layer in learning.layers(model)])
    found = [row["norm"] for row in trained.gradients]
    np.testing.assert_allclose(found, np.mean(norms, axis=0), rtol=1e-3)
    assert not np.isclose(norms[0], norms[1], rtol=0.01).all()


def test_a_checkpoint_holds_its_own_config_and_nothing_pickled(pictures, work):
    trained = training.fit(pictures, "cae-plain", 5, settings(epochs=1))
    content = checkpoint_file(work).read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    facts = json.loads(header.pop("__metadata__")["facts"])
    assert (
        sum(np.ptp(entry["data_offsets"]) for entry in header.values()) == len(content) - 8 - length
    )
    assert config.from_dict(ModelConfig, facts["model"]) == trained.model.config
    assert config.from_dict(TrainConfig, facts["training"]) == settings(epochs=1).training
    assert facts["seed"] == 5
    files = {path.name for path in checkpoint_file(work).parent.iterdir()}
    assert files == {"checkpoint.safetensors", "lock"}


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: b"", id="empty"),
        pytest.param(lambda content: content[:-100], id="cut short"),
        pytest.param(lambda content: content[:4], id="cut very short"),
        pytest.param(lambda content: b"\xff" * len(content), id="garbage"),
        pytest.param(lambda content: content[:9] + b"!" + content[10:], id="bad header"),
    ],
)
def test_a_damaged_checkpoint_is_named(pictures, work, damage):
    trained = training.fit(pictures, "cae", 0, settings(epochs=1))
    file = checkpoint_file(work)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(UserError) as error:
        training.fit(pictures, "cae", 0, settings(epochs=1))
    message = str(error.value)
    assert f"{trained.key}/checkpoint.safetensors" in message
    assert "delete it" in message
    assert "\n" not in message
    assert str(work) not in message


def test_an_unknown_variant_is_refused_with_the_known_ones(pictures, work):
    with pytest.raises(UserError, match="cae, cae-plain"):
        training.fit(pictures, "cea", 0, settings())
    assert not list(work.iterdir())


def test_whatever_makes_a_training_is_in_its_key(pictures):
    def key(faces=pictures, seed=0, residual=True, **changes):
        made = settings(**changes)
        model = replace(made.model, residual=residual)
        ingredients = {"model": vars(model), "training": vars(made.training)}
        return weights.key(RECIPE, **ingredients, seed=seed, faces=weights.digest(faces))

    other = pictures.copy()
    other[3, 5, 7] ^= 1
    keys = [
        key(),
        key(faces=other),
        key(faces=pictures[::-1]),
        key(seed=1),
        key(residual=False),
        key(epochs=4),
        key(learning_rate=2e-3),
        key(rotation=5.0),
    ]
    assert len(set(keys)) == len(keys)
    assert key() == keys[0]
    assert key(faces=np.asfortranarray(pictures)) == keys[0]


@pytest.fixture
def copied_code(tmp_path, monkeypatch) -> Path:
    """A copy of the code that checkpoints are named after, to be edited."""
    source = Path(weights.__file__).parent
    for name in RECIPE:
        (tmp_path / f"{name}.py").write_text((source / f"{name}.py").read_text())
    monkeypatch.setattr(weights, "__file__", str(tmp_path / "checkpoint.py"))
    return tmp_path


def test_the_key_is_of_the_code_that_trains(copied_code):
    before = weights.key(RECIPE, seed=0)
    changes = [
        ("models", "stride=2, padding=1", "stride=2, padding=1, bias=False"),
        ("models", "torch.relu(self.norm1", "torch.tanh(self.norm1"),
        ("pipeline", "images * 2 - 1", "images * 2 - 1.5"),
        ("training", "F.mse_loss", "F.l1_loss"),
        ("learning", "torch.optim.Adam(", "torch.optim.AdamW("),
    ]
    keys = {before}
    for module, old, new in changes:
        path = copied_code / f"{module}.py"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        keys.add(weights.key(RECIPE, seed=0))
        path.write_text(text)
    assert len(keys) == 1 + len(changes)
    assert weights.key(RECIPE, seed=0) == before


@pytest.mark.parametrize("module", RECIPE)
def test_comments_docstrings_and_layout_leave_the_key(copied_code, module):
    path, before = copied_code / f"{module}.py", weights.key(RECIPE, seed=0)
    text = path.read_text()
    edited = re.sub(r'"""(.*?)"""', r'"""More words. \1"""', "# A comment.\n\n" + text, flags=re.S)
    edited = edited.replace("import torch\n", "import torch  # noqa\n")
    assert edited != text
    path.write_text(edited)
    assert weights.key(RECIPE, seed=0) == before


def test_tensors_and_facts_come_back_as_they_were_saved(tmp_path):
    tensors = {
        "a.b": torch.randn(3, 4, 5, 6).contiguous(memory_format=torch.channels_last),
        "a.c": torch.tensor(7, dtype=torch.int64),
        "ab": torch.arange(5, dtype=torch.uint8),
    }
    facts = {"history": [{"loss": 0.1 + 0.2}], "none": None}
    weights.save(tmp_path / "x" / "file.safetensors", tensors, **facts)
    loaded, told = weights.load(tmp_path / "x" / "file.safetensors")
    assert told == facts
    assert loaded.keys() == tensors.keys()
    assert all(torch.equal(loaded[name], tensors[name]) for name in tensors)
    assert weights.nested("a", loaded).keys() == {"b", "c"}
