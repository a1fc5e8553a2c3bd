"""The references as methods: each at its level, corrected, told or estimating the level."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fer_lib import config, metrics, noise, pipeline
from fer_lib.config import Lesson, TrainConfig
from fer_lib.methods import cost, filters, linear, mixture, supervision
from fer_lib.methods import figures as methods_figures
from fer_lib.methods import table as refs
from fer_lib.noise import PROTOCOLS
from fer_lib.tools import device, weights

NATIVE = PROTOCOLS["camera noise"]
SMALL = config.PROFILES["smoke"].references


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    """40 smooth pictures, uint8 (40, 48, 48), bright on one side."""
    waves = torch.rand(40, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    slope = torch.linspace(-0.3, 0.3, 48)
    images = pipeline.resize(waves, 48)[:, 0] * 0.6 + 0.2 + slope
    return (images.clamp(0, 1) * 255).round().to(torch.uint8).numpy()


@pytest.fixture(scope="module")
def clean(faces) -> torch.Tensor:
    return pipeline.to_unit(torch.tensor(faces))


@pytest.fixture(scope="module")
def noisy(clean) -> torch.Tensor:
    return NATIVE.corrupt(clean, 0.3, range(40), 0)


@pytest.fixture(scope="module")
def learnt(faces, tmp_path_factory) -> dict:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refs, "WORK", tmp_path_factory.mktemp("work"))
        return {name: r.method for name, r in refs.from_clean(faces, SMALL).items()}


def test_a_filter_takes_the_strength_of_the_level(noisy):
    method = refs.filters({"gaussian": {0.15: (0.15, 0.5), 0.3: (0.3, 2.0)}})["gaussian"].method
    assert torch.equal(method(noisy, NATIVE, 0.3), filters.apply("gaussian", noisy, 0.3, 2.0))
    assert torch.equal(method(noisy, NATIVE, 0.15), filters.apply("gaussian", noisy, 0.15, 0.5))
    assert torch.equal(method(noisy, NATIVE, 0.0), noisy)


def test_a_denoiser_is_made_once_for_each_level(noisy):
    made = []

    def build(level):
        made.append(level)
        return lambda images: images * level

    method = refs.per_level(build)
    for level in (0.3, 0.3, 0.5, 0.5):
        assert torch.equal(method(noisy, NATIVE, level), noisy * level)
    assert made == [0.3, 0.5]
    assert torch.equal(method(noisy, NATIVE, 0.0), noisy)


def test_the_blind_method_uses_each_images_own_level(clean):
    """Images of two levels in one batch: each meets the denoiser of its own."""
    mixed = torch.cat([NATIVE.corrupt(clean, s, range(40), 0) for s in (0.1, 0.4)])
    told = refs.estimated(
        refs.per_level(lambda level: lambda images: torch.full_like(images, level))
    )
    used = told(mixed, NATIVE, None)[:, 0, 0, 0]
    torch.testing.assert_close(used[:40], torch.full((40,), 0.1), atol=0.051, rtol=0)
    torch.testing.assert_close(used[40:], torch.full((40,), 0.4), atol=0.101, rtol=0)
    assert set(used.tolist()) <= set(torch.tensor(refs.LEVELS).tolist())


def test_what_learns_from_clean_faces_denoises(learnt, clean, noisy):
    before = metrics.mse(noisy, clean).mean()
    told = {"pca-8", "pca-32", "wiener", "clamped-wiener", "mixture"}
    assert set(learnt) == told | {"mixture-blind"}
    errors = {k: metrics.mse(m(noisy, NATIVE, 0.3), clean).mean() for k, m in learnt.items()}
    assert max(errors.values()) < 0.5 * before
    assert errors["clamped-wiener"] < errors["wiener"]  # these pictures are bright: much is clamped


def test_told_that_there_is_no_noise_nothing_happens(learnt, clean):
    for name in ("wiener", "clamped-wiener", "mixture"):
        assert torch.equal(learnt[name](clean, NATIVE, 0.0), clean)


def test_as_many_denoisers_are_kept_as_memory_holds(faces, tmp_path, monkeypatch):
    monkeypatch.setattr(refs, "WORK", tmp_path)
    prior = refs.learnt_mixture(faces, linear.fit(faces), SMALL)
    made = mixture.denoiser(prior, 0.3).estimators
    held = 4 * sum(e.whiten.numel() + e.restore.numel() for e in made)
    for count in (1, 5):
        monkeypatch.setattr(refs, "MEMORY", count * held)
        assert refs._affordable(prior) == count
    monkeypatch.setattr(refs, "MEMORY", 1)
    assert refs._affordable(prior) == 1


def test_the_prior_is_learnt_once_and_read_back_whole(faces, noisy, tmp_path, monkeypatch):
    monkeypatch.setattr(refs, "WORK", tmp_path)
    components = linear.fit(faces)
    first = refs.learnt_mixture(faces, components, SMALL)
    monkeypatch.setattr(mixture, "fit", None)  # would fail if called again
    again = refs.learnt_mixture(faces, components, SMALL)
    both = [mixture.denoiser(prior, 0.3)(noisy) for prior in (first, again)]
    assert torch.equal(*both)
    assert len(list((tmp_path / "priors").iterdir())) == 1


def test_other_faces_are_another_prior(faces, tmp_path, monkeypatch):
    monkeypatch.setattr(refs, "WORK", tmp_path)
    for some in (faces, faces[:20]):
        refs.learnt_mixture(some, linear.fit(some), SMALL)
    assert len(list((tmp_path / "priors").iterdir())) == 2


def test_a_network_for_gray_images_sees_and_gives_them_as_they_are(noisy):
    """Doubled, and clamped to [0, 1]: no resizing, no normalising."""
    model = torch.nn.Conv2d(1, 1, 1, bias=False)
    torch.nn.init.constant_(model.weight, 2.0)
    reference = refs.trained("gondara", model)
    output = reference.method(noisy, NATIVE, 0.3)
    torch.testing.assert_close(output, (2 * noisy).clamp(0, 1))
    assert (reference.parameters, reference.learns, reference.told) == (1, "pairs", False)


def test_the_papers_network_is_shown_what_it_was_trained_on(noisy):
    seen = []

    class Recorder(torch.nn.Conv2d):
        def forward(self, x):
            seen.append(x)
            return x

    output = refs.trained("cae", Recorder(1, 1, 1)).method(noisy, NATIVE, 0.3)
    assert seen[0].shape == (40, 3, 96, 96)
    assert output.shape == noisy.shape


def test_the_longest_lesson_bears_the_name_of_its_network():
    short, other = Lesson("compact", 30), Lesson("xie", 8)
    long = Lesson("compact", 24, start=short)
    again = long.again(1)
    chosen = replace(SMALL, networks=(short, long, again, other))
    study = SimpleNamespace(settings=replace(config.PROFILES["smoke"], references=chosen))
    label = refs.TRAINED["compact"][0]
    assert refs._named(study, long) == ("compact", label)
    assert refs._named(study, again) == ("compact", label)
    assert refs._named(study, short) == ("compact, 30 epochs", f"{label}, 30 epochs")
    assert refs._named(study, other) == ("xie", refs.TRAINED["xie"][0])


class Lessons:
    """Enough of a study for `refs.fit`: two epochs on 16 faces."""

    training = TrainConfig(batch_size=8, learning_rate=1e-3, gradient_epochs=0, epoch_images=16)
    settings = replace(
        config.PROFILES["smoke"], seed=5, references=replace(SMALL, training=training)
    )

    def __init__(self, faces):
        self.untested = lambda: faces[:16]


@pytest.fixture
def lessons(faces, tmp_path, monkeypatch) -> Lessons:
    monkeypatch.setattr(weights, "WORK", tmp_path)
    monkeypatch.setenv("FER_HEADLESS", "1")
    return Lessons(faces)


def test_a_lesson_starts_from_the_weights_of_another(lessons, monkeypatch):
    first = refs.fit(lessons, Lesson("xie", 1))
    seen = []
    build = refs.Continued.build
    monkeypatch.setattr(
        refs.Continued, "build", lambda self, seed: seen.append(seed) or build(self, seed)
    )
    step = refs.fit(lessons, Lesson("xie", 1, start=Lesson("xie", 1)))
    assert seen == [6]  # neither the images nor the noise of the first
    assert step.key != first.key
    assert len(step.history) == 1
    assert step.history[0]["train_loss"] < first.history[0]["train_loss"]
    again = refs.fit(lessons, Lesson("xie", 1)).model.state_dict()
    assert all(torch.equal(again[name], x) for name, x in first.model.state_dict().items())


@pytest.mark.slow
@pytest.mark.skipif(not device.can_compile(device.best()), reason="no compiler")
def test_a_compiled_network_may_meet_several_shapes(lessons):
    """Neighbor2Neighbor shows it whole images and halves."""
    references = lessons.settings.references
    references = replace(references, training=replace(references.training, compile=True))
    lessons.settings = replace(lessons.settings, references=references)
    assert len(refs.fit(lessons, Lesson("neighbor2neighbor", 1)).history) == 1


def test_what_a_continued_training_is_made_of(lessons):
    first = refs.fit(lessons, Lesson("xie", 1))
    task = refs.Continued(supervision.RESTORATIONS["xie"], first, 1)
    before = supervision.RESTORATIONS["xie"].facts()
    assert task.facts() == before | {"continues": first.key, "after": 1}
    built = task.build(0).state_dict()
    assert all(torch.equal(built[name], x) for name, x in first.model.state_dict().items())
    assert (task.name, task.recipe) == ("xie", supervision.RESTORATIONS["xie"].recipe)


def test_an_oracle_grows_from_a_narrower_network(lessons, noisy):
    narrow = refs.fit(lessons, Lesson("compact", 1))
    task = refs.Widened(supervision.RESTORATIONS["compact-large"], narrow, 1)
    with torch.inference_mode():
        small, large = (model(noisy[:4]) for model in (narrow.model, task.build(0)))
    torch.testing.assert_close(large, small, rtol=0, atol=1e-5)
    assert task.facts()["continues"] == narrow.key
    assert set(task.recipe) == {*task.task.recipe, "widening"}
    oracle = refs.fit(lessons, Lesson("compact-large", 1, start=Lesson("compact", 1)))
    assert oracle.model.head.weight.shape[0] == 2 * narrow.model.head.weight.shape[0]


def test_another_seed_is_another_training(lessons):
    keys = {refs.fit(lessons, Lesson("xie", 1, seed=seed)).key for seed in (0, 1)}
    assert len(keys) == 2


def test_a_lesson_has_a_share_of_the_learning_rate(lessons, monkeypatch):
    rates = []
    fit = refs.learning.fit
    monkeypatch.setattr(
        refs.learning, "fit", lambda *given: rates.append(given[-1].learning_rate) or fit(*given)
    )
    keys = {refs.fit(lessons, Lesson("xie", 1, rate=share)).key for share in (1.0, 0.5)}
    assert rates == [1e-3, 5e-4]
    assert len(keys) == 2


def test_budgets_count_both_courses_of_a_continued_training(lessons):
    first = Lesson("xie", 1, start=Lesson("xie", 1))
    chosen = (first, first.again(1))
    settings = replace(lessons.settings.references, networks=chosen)
    lessons.settings = replace(lessons.settings, references=settings)
    table = refs.budgets(lessons)
    assert table["images seen"].to_dict() == {refs.TRAINED["xie"][0]: 32}
    assert table["trainings"].tolist() == [2]
    courses = [refs.fit(lessons, lesson).history for lesson in (chosen[0], chosen[0].start)]
    seconds = sum(epoch["seconds"] for history in courses for epoch in history)
    assert table["minutes"].iloc[0] == pytest.approx(seconds / 60)
    image = torch.zeros(1, 1, 48, 48)
    operations = cost.flops(supervision.RESTORATIONS["xie"].build(0), image)
    assert table["trillion operations"].iloc[0] == pytest.approx(32 * operations / 1e12)


def test_both_mirror_images_have_the_same_say(noisy):
    """A method that adds a slope to the right adds nothing to the mean of both."""
    slope = torch.linspace(-0.1, 0.1, 48)
    method = refs.mirrored(lambda images, protocol, level: images + slope + level)
    torch.testing.assert_close(method(noisy, NATIVE, 0.3), noisy + 0.3)


def test_every_network_has_a_label_and_something_to_learn_from():
    named = {*supervision.RESTORATIONS, "cae", "cae-denoising"}
    assert set(refs.TRAINED) == named
    assert {learns for _, learns in refs.TRAINED.values()} <= set(methods_figures.LEARNS)
    assert set(methods_figures.LEARNS) == set(methods_figures.COLOURS)


def test_the_noise_is_that_of_the_protocol(clean, noisy):
    assert torch.equal(noisy, noise.gaussian(clean, 0.3, range(40), 0).clamp(0, 1))
