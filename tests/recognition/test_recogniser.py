"""The recogniser: what it sees, what it learns, and from whom."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from fer_lib import config, pipeline, training
from fer_lib.readers.ferplus import EMOTIONS, VOTES
from fer_lib.recognition import plan, recogniser
from fer_lib.recognition.plan import RecogniserConfig
from fer_lib.recognition.recogniser import Recognition
from fer_lib.tools import weights

SMALL = RecogniserConfig(channels=(8, 8, 8), blocks=(1, 1, 1))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_single_votes_and_what_is_no_emotion_are_not_learnt():
    votes = np.array([[6, 2, 1, 0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 7, 1, 0, 0, 0, 2, 0]])
    shares = recogniser.targets(votes)
    assert shares.dtype == np.float32
    np.testing.assert_allclose(shares[0], [0.75, 0.25, 0, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(shares[1], [0, 0, 0, 1, 0, 0, 0, 0])


def test_the_same_seed_gives_the_same_network_and_leaves_the_global_state():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    one, two, other = (Recognition(SMALL).build(seed) for seed in (0, 0, 1))
    assert torch.equal(torch.rand(1), expected)
    pairs = list(zip(one.parameters(), two.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert any(
        not torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True)
    )


@pytest.mark.parametrize(
    ("flip", "expected"), [(0.5, lambda x: x), (0.0, lambda x: x.flip(-1))], ids=["as is", "mirror"]
)
def test_a_face_is_mirrored_and_otherwise_left_where_the_draws_say_so(monkeypatch, flip, expected):
    images = torch.rand((3, 1, 48, 48), generator=generator())
    draws = torch.full((5, 3), 0.5)
    draws[4] = flip
    monkeypatch.setattr(torch, "rand", lambda *size, **options: draws)
    torch.testing.assert_close(recogniser.warp(images, generator()), expected(images))


@pytest.mark.parametrize(("row", "axis"), [(2, -1), (3, -2)])
def test_the_largest_shift_is_a_tenth_of_the_side(monkeypatch, row, axis):
    images = torch.rand((2, 1, 40, 40), generator=generator())
    draws = torch.full((5, 2), 0.5)
    draws[row] = 1.0
    monkeypatch.setattr(torch, "rand", lambda *size, **options: draws)
    moved = recogniser.warp(images, generator())
    kept = 40 - round(40 * recogniser.SHIFT)
    torch.testing.assert_close(moved.narrow(axis, 0, kept), images.narrow(axis, 40 - kept, kept))


def test_what_is_warped_stays_in_range_and_a_plain_image_stays_plain():
    images = torch.rand((50, 1, 48, 48), generator=generator())
    warped = recogniser.warp(images, generator(1))
    assert warped.shape == images.shape
    assert warped.min() >= 0
    assert warped.max() <= 1
    torch.testing.assert_close(
        recogniser.warp(torch.full_like(images, 0.3), generator()), torch.full_like(images, 0.3)
    )


def test_only_the_noisy_one_learns_from_noise():
    faces = torch.full((40, 48, 48), 128, dtype=torch.uint8)
    votes = torch.rand((40, 8), generator=generator())
    clean, same = Recognition(SMALL).batch(faces, generator(), votes)
    assert same is votes
    assert clean.std() < 1e-6
    noisy, _ = Recognition(replace(SMALL, noise=True)).batch(faces, generator(), votes)
    spread = (noisy - 128 / 255).flatten(1).std(dim=1)
    assert spread.min() < 0.1  # levels from none ...
    assert spread.max() > 0.3  # ... to 0.6, clamped
    assert noisy.min() >= 0
    assert noisy.max() <= 1


class Study:
    """Enough of a study for `recogniser.train`: bright faces are happy, dark ones are sad."""

    def __init__(self):
        random = np.random.default_rng(0)
        happy = random.integers(0, 2, 96)
        self.faces = random.integers(0, 120, (96, 48, 48), dtype=np.uint8)
        self.faces[happy == 1] += 120
        votes = np.zeros((96, 10), dtype=int)
        votes[np.arange(96), np.where(happy, 1, 3)] = 10
        self.rows, self.happy = pd.DataFrame(votes, columns=[*VOTES]), happy

    def examples(self, part):
        assert part.name == "labelled learning"
        return self.faces, self.rows


def test_it_learns_each_face_s_own_votes(tmp_path, monkeypatch):
    for name in ("WORK", "REPORTS"):
        monkeypatch.setattr(weights, name, tmp_path)
    study, recipe = Study(), plan.recogniser(config.load("smoke"), "x", "clean")
    brief = replace(recipe.training, epochs=6, batch_size=16, learning_rate=3e-3)
    trained = recogniser.train(study, replace(recipe, model=SMALL, training=brief))
    chances = recogniser.probabilities(trained.model, pipeline.to_unit(torch.tensor(study.faces)))
    assert chances.shape == (96, len(EMOTIONS))
    torch.testing.assert_close(chances.sum(dim=1), torch.ones(96))
    guess = chances.argmax(dim=1).numpy()
    assert (guess == np.where(study.happy, 1, 3)).mean() > 0.95


def test_other_votes_are_another_training(tmp_path, monkeypatch):
    for name in ("WORK", "REPORTS"):
        monkeypatch.setattr(weights, name, tmp_path)
    study, recipe = Study(), plan.recogniser(config.load("smoke"), "x", "clean")
    brief = replace(recipe, model=SMALL, training=replace(recipe.training, epochs=1))
    recogniser.train(study, brief)
    study.rows = study.rows.iloc[::-1].reset_index(drop=True)
    with pytest.raises(config.UserError, match="begun on other faces"):
        recogniser.train(study, brief)


def test_it_does_not_depend_on_the_batch(monkeypatch):
    model = Recognition(SMALL).build(0).eval()
    images = torch.rand((7, 1, 48, 48), generator=generator())
    together = recogniser.probabilities(model, images)
    monkeypatch.setattr(recogniser, "BATCH", 1)
    torch.testing.assert_close(recogniser.probabilities(model, images[[3]]), together[[3]])


def test_labels_are_kept_by_the_training_that_is_resumed(tmp_path, monkeypatch):
    """An interrupted training ends with the weights of an undisturbed one."""
    monkeypatch.setattr(weights, "REPORTS", tmp_path)
    study, recipe = Study(), plan.recogniser(config.load("smoke"), "x", "noisy")
    model, brief = replace(SMALL, noise=True), replace(recipe.training, epochs=2)
    recipe = replace(recipe, model=model, training=brief)
    ends = []
    for folder, stops in (("a", False), ("b", True)):
        monkeypatch.setattr(weights, "WORK", tmp_path / folder)
        if stops:
            with monkeypatch.context() as patch:
                patch.setattr(training._Run, "record", _stop_after_one(training._Run.record))
                with pytest.raises(KeyboardInterrupt):
                    recogniser.train(study, recipe)
        ends.append(recogniser.train(study, recipe).model.state_dict())
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def _stop_after_one(record):
    def recording(self, epoch, *rest):
        if epoch == 2:
            raise KeyboardInterrupt
        record(self, epoch, *rest)

    return recording
