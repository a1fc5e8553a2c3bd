"""A training that is stopped goes on as if it had not been; what it records is what it did."""

import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import filelock
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from docs.publish import publish
from fer_lib import autoencoder, config, pipeline, training
from fer_lib.config import ModelConfig, Part, Recipe, TrainConfig, UserError
from fer_lib.tools import device, weights
from fer_lib.training import Trained

EPOCHS, BATCH = 3, 8  # 12 pictures: a batch of 8 and one of 4
STEPS = 2
FIXED = {
    "epochs": EPOCHS,
    "batch_size": BATCH,
    "learning_rate": 1e-3,
    "precision": "float32",
    "gradient_epochs": 2,
    "threads": 1,
}
PART = Part(data="0" * 64, name="sample", version=0)


def recipe(network: str = "cae", seed: int = 0, **changes) -> Recipe:
    changes = {**FIXED, **changes}
    return config.reconstruction(config.load("smoke"), PART, network, seed, width=1 / 32, **changes)


def fit(faces: np.ndarray, made: Recipe, start: Trained | None = None) -> Trained:
    task = training.Reconstruction(made.model, made.training.augmented)
    return training.fit(task, faces, made, start)


@pytest.fixture(scope="session")
def pictures(pictures) -> np.ndarray:
    return pictures[:12]


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch) -> Path:
    """An empty work folder, and nothing published."""
    monkeypatch.setattr(weights, "WORK", tmp_path)
    monkeypatch.setattr(weights, "REPORTS", tmp_path / "reports")
    monkeypatch.setattr(weights, "ROOT", tmp_path / "project")
    monkeypatch.delenv("FER_NETWORKS", raising=False)
    monkeypatch.setenv("FER_HEADLESS", "1")
    return tmp_path


@pytest.fixture(scope="module")
def whole_folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def whole(pictures, whole_folder) -> Trained:
    """The training that nothing interrupts; its checkpoint lies in `whole_folder`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "WORK", whole_folder)
        return fit(pictures, recipe())


def state(trained: Trained) -> dict[str, torch.Tensor]:
    return trained.model.state_dict()


def losses(trained: Trained) -> list[float]:
    return [line["train_loss"] for line in trained.history]


def assert_same(ours: Trained, theirs: Trained) -> None:
    """The same weights, losses and gradients, to the bit."""
    for name, tensor in state(theirs).items():
        assert torch.equal(state(ours)[name], tensor), name
    assert losses(ours) == losses(theirs)
    assert ours.gradients == theirs.gradients
    assert ours.key == theirs.key


def differ(ours: Trained, theirs: Trained) -> bool:
    return not all(torch.equal(state(ours)[name], state(theirs)[name]) for name in state(ours))


def stop_after(monkeypatch, module, name: str, calls: int):
    """Make `module.name` work `calls` times and then be what Ctrl-C makes of it."""
    original, count = getattr(module, name), iter(range(calls))

    def stopping(*arguments, **options):
        if next(count, None) is None:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    monkeypatch.setattr(module, name, stopping)


def forbid(monkeypatch, module, name: str):
    """Fail the test that calls `module.name`."""
    monkeypatch.setattr(module, name, lambda *given, **options: pytest.fail(f"{name} was called"))


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


# Stopped, resumed, found


STOPS = [
    pytest.param(weights, "save", 1, id="as epoch 2 is saved"),
    pytest.param(pipeline, "training_batch", STEPS, id="as epoch 2 begins"),
    pytest.param(pipeline, "training_batch", STEPS + 1, id="amid epoch 2"),
    pytest.param(pipeline, "training_batch", 2 * STEPS + 1, id="amid epoch 3"),
    pytest.param(pipeline, "training_batch", 1, id="before any checkpoint"),
]


@pytest.mark.parametrize(("module", "name", "calls"), STOPS)
def test_a_resumed_training_equals_an_uninterrupted_one(pictures, whole, module, name, calls):
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, module, name, calls)
        with pytest.raises(KeyboardInterrupt):
            fit(pictures, recipe())
    assert_same(fit(pictures, recipe()), whole)


def test_a_resumed_training_repeats_no_whole_epoch(pictures, monkeypatch):
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, pipeline, "training_batch", 2 * STEPS)
        with pytest.raises(KeyboardInterrupt):
            fit(pictures, recipe())
    batches = recorded(monkeypatch)
    trained = fit(pictures, recipe())
    assert len(batches) == STEPS
    assert [line["epoch"] for line in trained.history] == [1, 2, 3]


def test_a_finished_training_is_found_not_repeated(pictures, whole, whole_folder, monkeypatch):
    monkeypatch.setattr(weights, "WORK", whole_folder)
    forbid(monkeypatch, pipeline, "training_batch")
    forbid(monkeypatch, weights, "save")
    again = fit(pictures, recipe())
    assert_same(again, whole)
    assert again.history == whole.history
    assert not again.model.training


def test_a_training_is_kept_under_its_recipes_key_and_says_what_it_is(pictures, work):
    made = recipe("as-run", 5, epochs=1)
    trained = fit(pictures, made)
    file = checkpoint_file(work)
    assert file.parent.name == trained.key == made.key
    facts = weights.header(file)
    assert facts["key"] == made.key
    assert (
        Recipe(
            **{
                **facts["recipe"],
                "model": ModelConfig(**facts["recipe"]["model"]),
                "training": TrainConfig(**facts["recipe"]["training"]),
                "part": Part(**facts["recipe"]["part"]),
            }
        )
        == made
    )
    assert facts["faces"] == weights.digest(pictures)
    assert facts["gradients"] == trained.gradients
    assert facts["history"] == [{"epoch": 1, "train_loss": trained.history[0]["train_loss"]}]
    assert facts["made_with"]["precision"] == "float32"
    assert facts["made_with"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert {path.name for path in file.parent.iterdir()} == {file.name, "lock", "seconds.json"}


def test_equal_trainings_have_equal_files_but_for_their_seconds(pictures, work, monkeypatch):
    contents = []
    for factor in (1, 7):  # the second one on a slower machine
        clock = iter(np.arange(99.0) * factor)
        monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=clock.__next__))
        with pytest.MonkeyPatch.context() as patch:  # interrupted once
            stop_after(patch, pipeline, "training_batch", 2 * STEPS)
            with pytest.raises(KeyboardInterrupt):
                fit(pictures, recipe())
        trained = fit(pictures, recipe())
        file, taken = checkpoint_file(work), [epoch["seconds"] for epoch in trained.history]
        assert json.loads(file.with_name("seconds.json").read_text()) == taken
        assert all(seconds % factor == 0 and seconds > 0 for seconds in taken)
        contents.append(file.read_bytes())
        shutil.rmtree(file.parent)
    assert contents[0] == contents[1]


@pytest.mark.parametrize("damaged", [None, "", "[1.0, ", "{}", '["x"]', "[[]]", "7", "[1.0]"])
def test_seconds_that_are_lost_stop_no_training(pictures, whole, work, damaged):
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, pipeline, "training_batch", 2 * STEPS)
        with pytest.raises(KeyboardInterrupt):
            fit(pictures, recipe())
    notes = checkpoint_file(work).with_name("seconds.json")
    notes.unlink() if damaged is None else notes.write_text(damaged)
    trained = fit(pictures, recipe())
    assert_same(trained, whole)
    known = [1.0] if damaged == "[1.0]" else []
    taken = [epoch["seconds"] for epoch in trained.history]
    assert taken[: len(known)] == known
    assert all(map(math.isnan, taken[len(known) : 2]))
    assert taken[2] > 0


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: content[:-100], id="cut"),
        pytest.param(lambda content: b"", id="empty"),
        pytest.param(lambda content: content[:-9] + b"\x01" + content[-8:], id="one byte changed"),
        pytest.param(None, id="gone"),
    ],
)
def test_a_damaged_epoch_is_repeated_from_the_one_before(pictures, whole, work, capsys, damage):
    fit(pictures, recipe())
    file = checkpoint_file(work)
    content = file.read_bytes()
    file.unlink() if damage is None else file.write_bytes(damage(content))
    with pytest.MonkeyPatch.context() as patch:  # also if that is interrupted
        stop_after(patch, pipeline, "training_batch", 1)
        with pytest.raises(KeyboardInterrupt):
            fit(pictures, recipe())
    assert_same(fit(pictures, recipe()), whole)
    said = "damaged, delete it: " in capsys.readouterr().err
    assert said == (damage is not None)
    assert weights.finished(recipe().key)
    assert [len(weights.header(p)["history"]) for p in sorted(file.parent.glob("*.s*"))] == [3, 2]


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_epoch(pictures, whole, work):
    class Broken(training.Reconstruction):
        def loss(self, network, batch, progress):
            return super().loss(network, batch, progress) / (progress < 1 / 2)

    broken = Broken(recipe().model, recipe().training.augmented)
    where = f"{recipe().key}: the loss of batch 2, epoch 2, is inf"
    for _ in range(2):  # it says the same again: the epoch before is kept
        with pytest.raises(UserError, match=where):
            training.fit(broken, pictures, recipe())
        assert len(weights.header(checkpoint_file(work))["history"]) == 1


@pytest.mark.parametrize("rates", [[1e-3] * 4, [1e-2, 5e-3, 1e-4, 0.0]])
def test_our_adam_is_pytorchs_to_the_bit(rates):
    ours, theirs = (autoencoder.build(recipe().model, 0) for _ in range(2))
    adam = training.Adam(ours.parameters())
    reference = torch.optim.Adam(theirs.parameters(), fused=True)
    generator = torch.Generator().manual_seed(0)
    for rate in rates:
        for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            mine.grad = torch.randn(mine.shape, generator=generator)
            other.grad = mine.grad.clone()
        adam.step(rate)
        reference.param_groups[0]["lr"] = rate
        reference.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_a_weight_without_a_gradient_stays_as_it_is():
    ours, theirs = (nn.Linear(3, 2) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    adam, reference = (
        make(net.parameters()) for make, net in ((training.Adam, ours), (torch.optim.Adam, theirs))
    )
    for steps in range(3):
        for net in (ours, theirs):
            net.weight.grad = torch.full((2, 3), 0.5 + steps)
            net.bias.grad = torch.ones(2) if steps == 1 else None
        adam.step(1e-3)
        reference.step()
    torch.testing.assert_close(ours.weight, theirs.weight, rtol=0, atol=1e-7)
    torch.testing.assert_close(ours.bias, theirs.bias, rtol=0, atol=1e-7)


def test_a_small_training_does_not_load_pytorchs_compiler(work):
    """It takes two seconds, and so does every network that is loaded."""
    code = """
import sys
import numpy as np
from fer_lib import config, training
part = config.Part(data="0" * 64, name="sample", version=0)
made = config.reconstruction(config.load("smoke"), part, "cae", 0, width=1 / 32, epochs=1)
task = training.Reconstruction(made.model, False)
for _ in range(2):  # trained, then found
    training.fit(task, np.zeros((4, 48, 48), np.uint8), made)
sys.exit("torch._dynamo" in sys.modules)
"""
    environment = os.environ | {"FER_WORK": str(work)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_the_network_is_returned_in_eval_mode(whole):
    assert not whole.model.training


def test_a_checkpoint_begun_on_other_faces_is_refused(pictures):
    training.fit(Negative(), pictures, recipe(epochs=1))
    other = pictures.copy()
    other[3, 5, 7] ^= 1
    with pytest.raises(UserError) as error:
        training.fit(Negative(), other, recipe(epochs=1))
    message = str(error.value)
    assert message.startswith(f"{recipe(epochs=1).key} was begun on other faces: delete its folder")
    assert "\n" not in message


@pytest.mark.parametrize("damage", [lambda content: content[:-100], lambda content: b""])
def test_a_damaged_checkpoint_is_named(pictures, work, damage):
    trained = training.fit(Negative(), pictures, recipe(epochs=1))
    file = checkpoint_file(work)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(UserError) as error:
        training.fit(Negative(), pictures, recipe(epochs=1))
    assert f"{trained.key}/checkpoint.safetensors is damaged, delete it" in str(error.value)


# What is learnt


def test_the_loss_falls(pictures):
    made = recipe(epochs=6, batch_size=2, learning_rate=3e-3)
    trained = losses(fit(pictures, made))
    assert trained[-1] < 0.6 * trained[0]
    assert all(isinstance(loss, float) and loss > 0 for loss in trained)


def test_an_epochs_loss_is_the_mean_square_over_its_images(pictures, monkeypatch):
    """With steps too small to move anything, the loss is that of the initial network."""
    batches = recorded(monkeypatch)
    made = recipe(epochs=1, batch_size=10, learning_rate=1e-12)
    loss = fit(pictures, made).history[0]["train_loss"]
    model = autoencoder.build(made.model, 0).train()
    with torch.no_grad():
        each = [(model(x) - x).square().mean().item() for x in batches]
    assert [len(x) for x in batches] == [10, 2]
    assert loss == pytest.approx((10 * each[0] + 2 * each[1]) / 12, rel=1e-5)
    assert loss != pytest.approx(sum(each) / 2, rel=1e-3)


def shown(batches: list[torch.Tensor], pictures: np.ndarray) -> list[int]:
    """Which picture each image of the batches is; fails if one is none of them."""
    clean = pipeline.normalise(pipeline.resize(pipeline.to_unit(torch.tensor(pictures))))
    distance = torch.cdist(torch.cat(batches)[:, 0].flatten(1), clean[:, 0].flatten(1))
    nearest = distance.min(dim=1)
    assert nearest.values.max() < 0.01
    return nearest.indices.tolist()


def test_every_epoch_shows_every_picture_once_in_a_new_order(pictures, monkeypatch):
    batches = recorded(monkeypatch)
    fit(pictures, recipe(epochs=2, augmented=False))
    orders = [shown(batches[:STEPS], pictures), shown(batches[STEPS:], pictures)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(12))
    assert orders[0] != orders[1]
    assert list(range(12)) not in orders


def test_an_epoch_may_draw_a_few_of_all_pictures_others_each_time(pictures, monkeypatch):
    batches = recorded(monkeypatch)
    trained = fit(pictures, recipe(epochs=6, augmented=False, epoch_images=5, batch_size=4))
    assert [len(x) for x in batches] == [4, 1] * 6
    epochs = [shown(batches[n : n + 2], pictures) for n in range(0, 12, 2)]
    assert all(len(set(epoch)) == 5 for epoch in epochs)
    assert len({tuple(sorted(epoch)) for epoch in epochs}) > 1
    assert len(trained.history) == 6


def test_faces_are_augmented_where_the_recipe_says_so(pictures, monkeypatch):
    batches = recorded(monkeypatch)
    fit(pictures, recipe(epochs=1, augmented=True))
    with pytest.raises(AssertionError):
        shown(batches, pictures)


def test_both_arms_see_the_same_batches_and_another_seed_sees_others(pictures, monkeypatch):
    batches, runs = recorded(monkeypatch), (("cae", 0), ("cae-plain", 0), ("cae", 1))
    trained = [fit(pictures, recipe(name, seed, epochs=1)) for name, seed in runs]
    first, twin, other = (batches[i : i + STEPS] for i in (0, STEPS, 2 * STEPS))
    assert all(map(torch.equal, first, twin))
    assert not any(map(torch.equal, first, other))
    assert [one.model.config.residual for one in trained] == [True, False, True]
    assert len({one.key for one in trained}) == 3


def test_the_seed_decides_the_weights_whatever_the_global_state(pictures, work, monkeypatch):
    first = fit(pictures, recipe(epochs=1))
    other = fit(pictures, recipe(seed=1, epochs=1))
    monkeypatch.setattr(weights, "WORK", work / "again")
    torch.manual_seed(12345)
    assert_same(fit(pictures, recipe(epochs=1)), first)
    assert differ(first, other)


def test_training_changes_the_weights(whole):
    start = autoencoder.build(recipe().model, 0).state_dict()
    names = [name for name in start if name.endswith("weight")]
    assert not any(torch.equal(state(whole)[name], start[name]) for name in names)


def test_one_step_is_adams(pictures, monkeypatch):
    """Adam's first step is -rate * g / (|g| + 1e-8) for each gradient g; decay of the weights,
    which AdamW has, would move a norm's weight of 1 by a hundredth of the rate more."""
    batches = recorded(monkeypatch)
    made = recipe(epochs=1, batch_size=12)
    trained = fit(pictures, made)
    model = autoencoder.build(made.model, 0).train()
    (model(batches[0]) - batches[0]).square().mean().backward()
    moved, grads = [], []
    for before, after in zip(model.parameters(), trained.model.parameters(), strict=True):
        moved.append((after - before).flatten())
        grads.append(before.grad.flatten())
    moved, grads = torch.cat(moved), torch.cat(grads)
    clear = grads.abs() > 1e-4  # well above Adam's epsilon and float32's rounding
    assert clear.sum() > 300
    expected = -1e-3 * grads[clear] / (grads[clear].abs() + 1e-8)
    torch.testing.assert_close(moved[clear], expected, rtol=0, atol=3e-7)


# The loop by hand, on a network of two numbers


class Line(nn.Module):
    """a * x + b, and a weight on which no output depends."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1)
        self.idle = nn.Parameter(torch.ones(3))
        nn.init.constant_(self.conv.weight, 0.3)
        nn.init.constant_(self.conv.bias, 0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x) + 0 * self.idle.sum()


@dataclass
class Negative:
    """Learns the negative of a picture from a noisy one; keeps what it was called with."""

    noise: float = 0.1

    def __post_init__(self):
        self.seeds, self.progress, self.threads, self.types = [], [], [], []

    def build(self, seed: int) -> nn.Module:
        self.seeds.append(seed)
        return Line()

    def batch(self, faces: torch.Tensor, generator: torch.Generator):
        x = pipeline.to_unit(faces)
        return x + self.noise * torch.randn(x.shape, generator=generator), 1 - x

    def loss(self, network: nn.Module, batch, progress: float) -> torch.Tensor:
        output = network(batch[0])
        self.progress.append(progress)
        self.threads.append(torch.get_num_threads())
        self.types.append(output.dtype)
        return F.mse_loss(output.float(), batch[1])


def by_hand(pictures: np.ndarray, made: Recipe) -> tuple[list[float], np.ndarray]:
    """Each epoch's loss, and a and b in the end, in double precision and without torch's Adam."""
    settings, generator = made.training, torch.Generator().manual_seed(made.seed)
    values, m, v = np.array([0.3, 0.1]), np.zeros(2), np.zeros(2)
    means, step, steps = [], 0, settings.epochs * math.ceil(len(pictures) / settings.batch_size)
    for _ in range(settings.epochs):
        total = 0.0
        order = torch.randperm(len(pictures), generator=generator)
        for chosen in order.split(settings.batch_size):
            clean = pictures[chosen.numpy()] / 255
            shape = (len(chosen), 1, 48, 48)
            x = clean + 0.1 * torch.randn(shape, generator=generator).numpy()[:, 0]
            error = values[0] * x + values[1] - (1 - clean)
            total += (error**2).mean() * len(chosen)
            gradient = np.array([(2 * error * x).mean(), (2 * error).mean()])
            m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
            rate = settings.learning_rate
            if settings.schedule == "cosine":
                rate *= 0.5 * (1 + math.cos(math.pi * step / steps))
            step += 1
            corrected = m / (1 - 0.9**step), v / (1 - 0.999**step)
            values = values - rate * corrected[0] / (np.sqrt(corrected[1]) + 1e-8)
        means.append(total / len(pictures))
    return means, values


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_whole_training_is_what_a_hand_would_compute(pictures, schedule):
    made = recipe(seed=3, schedule=schedule, epochs=4, batch_size=5, learning_rate=0.05)
    trained = training.fit(Negative(), pictures, made)
    means, values = by_hand(pictures, made)
    np.testing.assert_allclose(losses(trained), means, rtol=1e-5)
    a, b = trained.model.conv.weight.item(), trained.model.conv.bias.item()
    np.testing.assert_allclose([a, b], values, rtol=1e-4)
    assert abs(a - 0.3) > 0.1


def test_a_training_resumed_later_goes_on_with_its_schedule(pictures):
    made = recipe(schedule="cosine", learning_rate=0.05)
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, weights, "save", 1)
        with pytest.raises(KeyboardInterrupt):
            training.fit(Negative(), pictures, made)
    resumed = training.fit(Negative(), pictures, made)
    means, values = by_hand(pictures, made)
    np.testing.assert_allclose(losses(resumed), means, rtol=1e-5)
    assert resumed.model.conv.weight.item() == pytest.approx(values[0], rel=1e-4)


def test_fewer_pictures_than_an_epoch_may_draw_are_all_drawn(pictures):
    made = recipe(epoch_images=100, schedule="cosine", learning_rate=0.05)
    means, _ = by_hand(pictures, made)
    np.testing.assert_allclose(losses(training.fit(Negative(), pictures, made)), means, rtol=1e-5)


def test_a_network_is_built_from_the_recipes_seed(pictures):
    task = Negative()
    training.fit(task, pictures, recipe(seed=5, epochs=1))
    assert task.seeds == [5]


def test_a_weight_on_which_no_loss_depends_stays(pictures):
    """Any decay of weights would move it: Adam's by the whole rate, AdamW's by a hundredth."""
    trained = training.fit(Negative(), pictures, recipe())
    assert torch.equal(trained.model.idle, torch.ones(3))


def test_a_task_is_told_the_share_that_is_done_before_each_step(pictures):
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, weights, "save", 1)
        with pytest.raises(KeyboardInterrupt):
            training.fit(Negative(), pictures, recipe())
    task = Negative()
    training.fit(task, pictures, recipe())
    assert task.progress == [n / (EPOCHS * STEPS) for n in range(STEPS, EPOCHS * STEPS)]


def test_the_rate_falls_to_zero_along_half_a_cosine(pictures):
    run = training._Run(Negative(), recipe(schedule="cosine"), "", None)
    assert [run.rate(share) for share in (0, 1 / 3, 1)] == pytest.approx([1e-3, 0.75e-3, 0])


@pytest.mark.parametrize(
    ("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_the_forward_pass_has_the_precision_that_is_asked_for(pictures, precision, dtype):
    task = Negative()
    trained = training.fit(task, pictures, recipe(epochs=1, precision=precision))
    assert set(task.types) == {dtype}
    assert trained.model.conv.weight.dtype == torch.float32


@pytest.mark.parametrize(("asked", "possible", "compiled"), [(1, 1, 1), (1, 0, 0), (0, 1, 0)])
def test_a_network_is_compiled_where_that_is_asked_for_and_possible(
    pictures, monkeypatch, asked, possible, compiled
):
    calls = []
    monkeypatch.setattr(torch, "compile", lambda model: calls.append(model) or model)
    monkeypatch.setattr(device, "can_compile", lambda where: bool(possible))
    training.fit(Negative(), pictures, recipe(epochs=1, compile=bool(asked)))
    assert len(calls) == compiled


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("asked", "used"), [(1, 1), (3, 3), (0, 2)])
def test_a_training_has_the_threads_of_its_recipe_and_gives_them_back(
    pictures, two_threads, asked, used
):
    task = Negative()
    training.fit(task, pictures, recipe(epochs=1, threads=asked))
    assert set(task.threads) == {used}
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(("asked", "tolerance"), [(1, 0), (0, 1e-3)])
def test_a_training_may_go_on_with_other_threads(
    pictures, two_threads, monkeypatch, asked, tolerance
):
    """With the same numbers where its recipe names the threads, as in smoke, quick and cpu; else
    sums are rounded otherwise, which moves the losses of epochs a little (docs/reliability.md)."""
    losses = []
    for later in (2, 1):
        with monkeypatch.context() as patch:
            patch.setattr(weights, "WORK", weights.WORK / str(later))
            with pytest.MonkeyPatch.context() as stopped:
                stop_after(stopped, pipeline, "training_batch", STEPS)
                with pytest.raises(KeyboardInterrupt):
                    fit(pictures, recipe(threads=asked))
            torch.set_num_threads(later)
            losses.append([e["train_loss"] for e in fit(pictures, recipe(threads=asked)).history])
            torch.set_num_threads(2)
    assert losses[0][0] == losses[1][0]
    np.testing.assert_allclose(*losses, rtol=tolerance)


def test_an_interrupted_training_gives_its_threads_back(pictures, two_threads, monkeypatch):
    stop_after(monkeypatch, weights, "save", 0)
    with pytest.raises(KeyboardInterrupt):
        training.fit(Negative(), pictures, recipe())
    assert torch.get_num_threads() == 2


def test_no_other_process_trains_the_same_meanwhile(pictures, work, monkeypatch):
    original, locked = weights.save, []

    def saving(path, *arguments, **facts):
        with pytest.raises(filelock.Timeout):
            filelock.FileLock(path.parent / "lock", timeout=0).acquire()
        locked.append(path)
        original(path, *arguments, **facts)

    monkeypatch.setattr(weights, "save", saving)
    trained = training.fit(Negative(), pictures, recipe())
    assert locked == [work / "models" / trained.key / "checkpoint.safetensors"] * EPOCHS


# Warm starts


@pytest.fixture(scope="module")
def first(pictures, tmp_path_factory) -> Trained:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "WORK", tmp_path_factory.mktemp("first"))
        return fit(pictures, recipe(seed=7, epochs=1))


def test_a_warm_start_starts_from_the_starts_weights(pictures, first):
    """With steps too small to move anything, it ends with them; statistics of norms go on."""
    made = replace(recipe(epochs=1, learning_rate=1e-12), start=recipe(seed=7, epochs=1))
    before = {name: tensor.clone() for name, tensor in state(first).items()}
    trained = fit(pictures, made, first)
    for name, tensor in trained.model.named_parameters():
        torch.testing.assert_close(tensor, before[name], rtol=1e-6, atol=1e-8)
    assert all(torch.equal(tensor, before[name]) for name, tensor in state(first).items())
    assert state(trained)["encoder.0.norm1.num_batches_tracked"] == 2 * STEPS
    assert [line["epoch"] for line in trained.history] == [1]
    assert trained.key == made.key != first.key


def test_a_warm_start_that_was_interrupted_equals_one_that_was_not(
    pictures, first, work, monkeypatch
):
    made = replace(recipe(), start=recipe(seed=7, epochs=1))
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, pipeline, "training_batch", STEPS + 1)
        with pytest.raises(KeyboardInterrupt):
            fit(pictures, made, first)
    resumed = fit(pictures, made, first)
    monkeypatch.setattr(weights, "WORK", work / "again")
    assert_same(resumed, fit(pictures, made, first))


@pytest.mark.parametrize("start", [None, recipe(seed=7, epochs=2)])
def test_a_start_that_is_not_the_recipes_is_refused(pictures, first, start):
    with pytest.raises(ValueError, match=r"`start` is not the training of its recipe"):
        fit(pictures, replace(recipe(), start=start), first)
    with pytest.raises(ValueError, match=r"`start` is not the training"):
        fit(pictures, replace(recipe(), start=recipe(seed=7, epochs=1)))


# Published networks


@pytest.fixture
def published(whole, whole_folder, work) -> Path:
    """The file of `whole` beside a report; the work folder is empty."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "WORK", whole_folder)
        return publish(whole.key, work / "reports" / "orl-smoke" / "networks")


def test_a_published_network_is_found_not_trained(pictures, whole, published, work, monkeypatch):
    forbid(monkeypatch, pipeline, "training_batch")
    loaded = fit(pictures, recipe())
    assert not loaded.model.training
    assert losses(loaded) == losses(whole)
    assert (loaded.gradients, loaded.key) == (whole.gradients, whole.key)
    assert not list(work.glob("models/*/checkpoint*"))
    for name, tensor in state(loaded).items():
        assert tensor.dtype == state(whole)[name].dtype
        torch.testing.assert_close(tensor, state(whole)[name], rtol=2**-11, atol=1e-7)


def test_another_recipe_is_not_taken_for_the_published_one(pictures, published):
    assert fit(pictures, recipe(epochs=1)).key != recipe().key


def test_precision_auto_means_what_this_machine_has(pictures, monkeypatch):
    for multiplies, dtype in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(device, "_multiplies_bfloat16", lambda where, here=multiplies: here)
        assert device.made_with("auto")["precision"] == dtype


def test_a_damaged_published_network_is_named(pictures, published):
    published.write_bytes(published.read_bytes()[:-100])
    with pytest.raises(UserError, match=f"networks/{published.name} is damaged, delete it"):
        fit(pictures, recipe())


# Gradients


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


@pytest.mark.parametrize("network", ["cae-plain", "as-run"])
def test_every_form_of_the_network_records_the_same_layers(pictures, whole, network):
    other = fit(pictures, recipe(network, epochs=1))
    assert [row["layer"] for row in other.gradients] == [r["layer"] for r in whole.gradients[:18]]


def test_a_gradients_norm_is_the_mean_over_the_steps(pictures, monkeypatch):
    batches = recorded(monkeypatch)
    made = recipe(epochs=1, learning_rate=1e-12, threads=1)
    trained = fit(pictures, made)
    # With one thread as well, and in the same memory layout: the first layers' gradients are small
    # sums of large terms, which float32 rounds differently, by up to 7%, with or in another.
    model, norms = autoencoder.build(made.model, 0).train(), []
    model = model.to(memory_format=torch.channels_last)
    with device.threads(1):
        for x in batches:
            x = x.contiguous(memory_format=torch.channels_last)
            model.zero_grad()
            (model(x) - x).square().mean().backward()
            norms.append([layer.weight.grad.norm().item() for _, layer in training.layers(model)])
    means = [row["norm"] for row in trained.gradients]
    np.testing.assert_allclose(means, np.mean(norms, axis=0), rtol=1e-3)
    assert not np.isclose(norms[0], norms[1], rtol=0.01).all()
