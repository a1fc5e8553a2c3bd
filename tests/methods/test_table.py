"""The methods as they are scored: each at its level, corrected, told or estimating the level."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from fer_lib import config, metrics, pipeline
from fer_lib.methods import filters, lessons, mixture, plans, table
from fer_lib.noise import PROTOCOLS
from fer_lib.training import Trained

NATIVE = PROTOCOLS["camera noise"]
SAMPLE = "train"


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
def study(faces) -> SimpleNamespace:
    """Enough of a study: the sample is the last ten faces, with ids from 130 up."""
    sides = {SAMPLE: (faces[30:], pd.DataFrame({"id": range(130, 140)}))}
    return SimpleNamespace(
        settings=config.load("smoke", seed=5),
        faces=SimpleNamespace(checksum="data"),
        side=sides.__getitem__,
        part=lambda name, version: (name, version),
        images={("untested", 0): faces}.__getitem__,
        trained=lambda name, seed: Trained(torch.nn.Conv2d(3, 3, 1), [], [], f"{name}-{seed}"),
    )


@pytest.fixture(scope="module")
def from_clean(study, tmp_path_factory) -> dict:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mixture, "WORK", tmp_path_factory.mktemp("work"))
        return table.from_clean(study)


@pytest.fixture(scope="module")
def learnt(from_clean) -> dict:
    return {name: reference.method for name, reference in from_clean.items()}


def curves(*rows: tuple) -> pd.DataFrame:
    columns = ["method", "level", "scale", "corrected", "strength", "ssim"]
    return pd.DataFrame(rows, columns=columns)


def test_a_filter_takes_the_best_strength_of_the_level_and_the_version(noisy):
    both = [
        ("gaussian", level, level, corrected, strength, ssim)
        for level, best in ((0.15, 0.5), (0.3, 2.0))
        for corrected, best in ((False, best), (True, best / 2))
        for strength, ssim in ((best, 0.9), (3.0, 0.1))
    ]
    for corrected, share in ((False, 1), (True, 0.5)):
        reference = table.filtered(curves(*both), corrected)["gaussian"]
        assert (reference.label, reference.learns, reference.told) == (
            "Gaussian filter", "nothing", True
        )  # fmt: skip
        for level, strength in ((0.3, 2.0), (0.15, 0.5)):
            expected = filters.apply("gaussian", noisy, level, strength * share)
            assert torch.equal(reference.method(noisy, NATIVE, level), expected)
        assert torch.equal(reference.method(noisy, NATIVE, 0.0), noisy)


def test_doing_nothing_needs_no_level():
    references = table.filtered(curves(("noisy", 0.3, 0.3, False, 1, 0.5)))
    assert not references["noisy"].told


def test_strengths_are_tuned_on_the_sample_with_noise_of_its_own(study, monkeypatch):
    seen = []
    monkeypatch.setattr(filters, "curves", lambda *given, **named: seen.append((given, named)))
    table.tune(study, (0.3,), noise="speckle")
    ((clean, levels), named), (sample, _) = seen[0], study.side(SAMPLE)
    assert len(clean) == plans.PLANS["smoke"].tuning
    expected = sample[named["ids"] - 130]  # each face with its own id
    assert torch.equal(clean, pipeline.to_unit(torch.tensor(expected)))
    assert len(set(named["ids"])) == len(clean)
    assert (levels, named["noise"], named["seed"]) == ((0.3,), "speckle", 6)


def test_a_denoiser_is_made_once_for_each_level(noisy):
    made = []

    def build(factor, level):
        made.append(level)
        return lambda images: images * factor * level

    method = table.per_level(build, 1)
    for level in (0.3, 0.3, 0.5, 0.5):
        assert torch.equal(method(noisy, NATIVE, level), noisy * level)
    assert made == [0.3, 0.5]
    assert torch.equal(method(noisy, NATIVE, 0.0), noisy)


def test_the_blind_method_uses_each_images_own_level(clean):
    """Images of two levels in one batch: each meets the denoiser of its own."""
    mixed = torch.cat([NATIVE.corrupt(clean, s, range(40), 0) for s in (0.1, 0.4)])
    method = table.per_level(lambda _, level: lambda x: torch.full_like(x, level), None)
    blind = table.estimated(method)
    used = blind(mixed, NATIVE, None)[:, 0, 0, 0]
    torch.testing.assert_close(used[:40], torch.full((40,), 0.1), atol=0.051, rtol=0)
    torch.testing.assert_close(used[40:], torch.full((40,), 0.4), atol=0.101, rtol=0)
    assert set(used.tolist()) <= set(torch.tensor(table.LEVELS).tolist())


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


def test_a_network_for_gray_images_sees_and_gives_them_as_they_are(noisy):
    """Doubled, and clamped to [0, 1]: no resizing, no normalising."""
    model = torch.nn.Conv2d(1, 1, 1, bias=False)
    torch.nn.init.constant_(model.weight, 2.0)
    reference = table.network("gondara", model)
    output = reference.method(noisy, NATIVE, 0.3)
    torch.testing.assert_close(output, (2 * noisy).clamp(0, 1))
    assert (reference.parameters, reference.learns, reference.told) == (1, "pairs", False)


@pytest.mark.parametrize("name", ["cae", "cae-denoising"])
def test_the_papers_network_is_shown_what_it_was_trained_on(noisy, name):
    seen = []

    class Recorder(torch.nn.Conv2d):
        def forward(self, x):
            seen.append(x)
            return x

    output = table.network(name, Recorder(1, 1, 1)).method(noisy, NATIVE, 0.3)
    assert seen[0].shape == (40, 3, 96, 96)
    assert output.shape == noisy.shape


def test_every_training_of_the_plan_is_a_method(study, monkeypatch):
    """Two of the paper's network, two of each schedule; the longest comes augmented as well."""
    seeds = []

    def train(study, recipe):
        seeds.append((recipe.training.epochs, recipe.seed))
        return Trained(torch.nn.Conv2d(1, 1, 1), [], [], recipe.key)

    monkeypatch.setattr(lessons, "train", train)
    references = table.networks(study)
    names = ("cae", "compact", "compact, 1 epochs", "compact-mirrored")
    assert list(references) == list(names)
    assert list(table.by_seed(references, 5)) == [(name, seed) for name in names for seed in (5, 6)]
    assert seeds == [(2, 5), (2, 6), (1, 5), (1, 6)]
    label = plans.NETWORKS["compact"].label
    assert [references[name].label for name in names] == [
        plans.NETWORKS["cae"].label, label, f"{label}, 1 epochs", plans.NETWORKS["compact"].mirrored
    ]  # fmt: skip
    assert {references[name].family for name in names[1:]} == {"compact"}


def test_each_training_has_its_method_and_the_first_one_stands_for_all():
    reference = table.Reference(label="", learns="pairs", methods=("first", "second"))
    assert reference.method == "first"
    assert table.by_seed({"x": reference}, 5) == {("x", 5): "first", ("x", 6): "second"}


def test_what_is_said_of_methods_stands_in_one_table(from_clean):
    about = table.about(from_clean)
    assert about.index[-2:].tolist() == ["mixture", "mixture-blind"]
    assert about.loc["mixture"].tolist() == ["our patch mixture", "clean", "told"]
    assert about.loc["mixture-blind"].tolist()[1:] == ["clean", "blind"]


def test_versions_of_the_mixture_are_one_family(from_clean):
    families = {name: reference.family for name, reference in from_clean.items()}
    assert families["mixture"] == families["mixture-blind"] == "mixture"
    assert {family for name, family in families.items() if "mixture" not in name} == {""}


def test_both_mirror_images_count_the_same(noisy):
    """A method that adds a slope to the right adds nothing to the mean of both."""
    slope = torch.linspace(-0.1, 0.1, 48)
    method = table.mirrored(lambda images, protocol, level: images + slope + level)
    torch.testing.assert_close(method(noisy, NATIVE, 0.3), noisy + 0.3)
