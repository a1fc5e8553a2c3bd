"""A prior of patches: one class is the Wiener filter; more classes tell flat from textured."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from fer_lib import metrics, noise
from fer_lib.methods import linear, mixture
from fer_lib.methods.plans import MixtureConfig
from fer_lib.readers import orl

SETTINGS = MixtureConfig(side=8, step=4, classes=4, context=10)


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    """ORL, every third pixel: (400, 16, 16)."""
    return np.ascontiguousarray(orl.read()[0][:, ::3, ::3])


@pytest.fixture(scope="module")
def components(faces) -> linear.Components:
    return linear.fit(faces)


@pytest.fixture(scope="module")
def learnt(faces, components) -> mixture.Mixture:
    return mixture.fit(faces, components, SETTINGS)


@pytest.fixture(scope="module")
def clean(faces) -> torch.Tensor:
    return unit(faces)


@pytest.fixture(scope="module")
def patterns() -> np.ndarray:
    """Even grays and grays with a random texture, 300 of each: no matrix tells them apart."""
    random = np.random.default_rng(0)
    gray = random.uniform(0.4, 0.6, (600, 1, 1))
    texture = 0.25 * random.choice([-1, 1], (600, 16, 16))
    textured = (np.arange(600) % 2)[:, None, None]
    return np.round(255 * (gray + textured * texture)).astype(np.uint8)


def unit(faces: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(faces[:, None] / np.float32(255))


def noisy(clean: torch.Tensor, level: float) -> torch.Tensor:
    return noise.corrupt(clean, level, range(len(clean)), 1)


def error(denoise, images: torch.Tensor, clean: torch.Tensor) -> float:
    return metrics.mse(denoise(images), clean).mean().item()


@pytest.mark.parametrize("level", [0.1, 0.4])
def test_one_class_of_one_patch_is_the_wiener_filter_that_knows_the_clamp(
    faces, components, clean, level
):
    whole = mixture.fit(faces, components, MixtureConfig(side=16, step=1, classes=1, context=0))
    ours = mixture.denoiser(whole, level)(noisy(clean, level))
    theirs = linear.clamped_wiener(components, level)(noisy(clean, level))
    torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=0)


def test_classes_tell_flat_from_textured(patterns):
    train, clean = patterns[:400], unit(patterns[400:])
    components = linear.fit(train)
    prior = mixture.fit(train, components, replace(SETTINGS, classes=3, context=0))
    images = noisy(clean, 0.15)
    remaining = error(mixture.denoiser(prior, 0.15), images, clean)
    assert remaining < 0.75 * error(linear.clamped_wiener(components, 0.15), images, clean)


def test_the_context_helps_where_the_patch_is_lost_in_noise(faces, components, clean):
    settings = replace(SETTINGS, side=4, classes=2)
    errors = []
    for context in (0, 20):
        prior = mixture.fit(faces, components, replace(settings, context=context))
        errors.append(error(mixture.denoiser(prior, 0.5), noisy(clean, 0.5), clean))
    assert errors[1] < 0.8 * errors[0]


@pytest.mark.parametrize("level", [0.01, 0.1, 0.3, 0.6])
def test_the_error_falls_at_every_level(learnt, clean, level):
    images = noisy(clean, level)
    before = metrics.mse(images, clean).mean().item()
    assert error(mixture.denoiser(learnt, level), images, clean) < before * (1 - level)


def test_a_wrong_level_is_worse(learnt, clean):
    images = noisy(clean, 0.3)
    right, low, high = (error(mixture.denoiser(learnt, s), images, clean) for s in (0.3, 0.1, 0.6))
    assert right < 0.9 * min(low, high)


def test_a_mirror_image_is_denoised_to_the_mirror_image(learnt, clean):
    denoise, images = mixture.denoiser(learnt, 0.3), noisy(clean, 0.3)[:5]
    torch.testing.assert_close(denoise(images.flip(-1)), denoise(images).flip(-1))


def test_images_are_denoised_one_by_one(learnt, clean):
    denoise, images = mixture.denoiser(learnt, 0.3), noisy(clean, 0.3)[: mixture.BATCH + 3]
    together = denoise(images)
    assert together.shape == images.shape
    assert together.dtype == torch.float32
    torch.testing.assert_close(together[-1:], denoise(images[-1:]), atol=1e-5, rtol=0)


def test_the_same_faces_and_seed_give_the_same_prior(faces, components, learnt):
    again = mixture.fit(faces, components, SETTINGS)
    for one, other in zip(learnt.places, again.places, strict=True):
        for field in fields(one):
            assert np.array_equal(getattr(one, field.name), getattr(other, field.name))


def test_the_prior_is_the_one_that_its_version_declares(learnt):
    """Shares of the classes at each place, to three of 800 patches. If they are meant to change,
    raise `mixture.VERSION`: priors are kept by it."""
    assert mixture.VERSION == 1
    declared = [
        [0.180, 0.306, 0.319, 0.195],
        [0.265, 0.225, 0.218, 0.292],
        [0.269, 0.286, 0.191, 0.254],
        [0.159, 0.222, 0.285, 0.334],
        [0.215, 0.242, 0.358, 0.185],
        [0.282, 0.230, 0.348, 0.140],
    ]
    shares = [place.weights for place in learnt.places]
    np.testing.assert_allclose(shares, declared, atol=0.004, rtol=0)


def test_every_pixel_is_covered_and_the_middle_column_too(learnt):
    corners = {tuple(place.corner) for place in learnt.places}
    assert corners == {(row, column) for row in (0, 4, 8) for column in (0, 4)}


@pytest.mark.parametrize(("side", "step"), [(8, 3), (12, 5)])
def test_patches_that_leave_a_border_are_refused(faces, components, side, step):
    with pytest.raises(ValueError, match="do not reach all borders"):
        mixture.fit(faces, components, replace(SETTINGS, side=side, step=step))


def test_the_prior_is_learnt_once_and_read_back_whole(
    faces, components, learnt, clean, tmp_path, monkeypatch
):
    monkeypatch.setattr(mixture, "WORK", tmp_path)
    first = mixture.learnt(faces, components, SETTINGS)
    monkeypatch.setattr(mixture, "fit", None)  # would fail if called again
    again = mixture.learnt(faces, components, SETTINGS)
    images = noisy(clean, 0.3)[:5]
    outputs = [mixture.denoiser(prior, 0.3)(images) for prior in (learnt, first, again)]
    assert torch.equal(outputs[0], outputs[1])
    assert torch.equal(outputs[1], outputs[2])
    assert len(list((tmp_path / "priors").iterdir())) == 1


@pytest.mark.parametrize("change", ["faces", "settings", "version"])
def test_another_prior_is_another_file(faces, tmp_path, monkeypatch, change):
    monkeypatch.setattr(mixture, "WORK", tmp_path)
    few, settings = faces[:60], replace(SETTINGS, classes=1)
    mixture.learnt(few, linear.fit(few), settings)
    if change == "faces":
        few = faces[60:120]
    if change == "settings":
        settings = replace(settings, context=5)
    if change == "version":
        monkeypatch.setattr(mixture, "VERSION", mixture.VERSION + 1)
    mixture.learnt(few, linear.fit(few), settings)
    assert len(list((tmp_path / "priors").iterdir())) == 2


def test_numbers_are_counted_once_and_covariances_by_their_triangle(learnt):
    arrays = [learnt.axes, learnt.components.mean]
    arrays += [x for place in learnt.places for x in (place.weights, place.means)]
    length = SETTINGS.side**2 + SETTINGS.context
    triangles = sum(len(place.weights) for place in learnt.places) * length * (length + 1) / 2
    assert learnt.parameters == sum(array.size for array in arrays) + triangles
