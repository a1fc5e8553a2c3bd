"""One matrix from clean faces: the whole basis, the error of a projection, the best shrinkage."""

import numpy as np
import pytest
import torch

from fer_lib import metrics, noise
from fer_lib.methods import clipping, linear
from fer_lib.readers import orl

SIDE, PIXELS = 16, 256  # every third pixel of the 48


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    return np.ascontiguousarray(orl.read()[0][:, ::3, ::3])


@pytest.fixture(scope="module")
def components(faces) -> linear.Components:
    return linear.fit(faces)


@pytest.fixture(scope="module")
def clean(faces) -> torch.Tensor:
    return torch.from_numpy(faces[:, None] / np.float32(255))


@pytest.fixture(scope="module")
def gray(clean) -> torch.Tensor:
    """The faces with less contrast, so that the clamp has nothing to do."""
    return 0.5 + 0.4 * (clean - 0.5)


def noisy(clean: torch.Tensor, level: float) -> torch.Tensor:
    return noise.corrupt(clean, level, range(len(clean)), 1)


def error(denoise, images: torch.Tensor, clean: torch.Tensor) -> float:
    return metrics.mse(denoise(images), clean).mean().item()


def test_the_components_are_those_of_the_faces_and_their_mirror_images(faces, components):
    both = np.concatenate([faces, faces[:, :, ::-1]]).reshape(800, -1) / 255
    expected = np.cov(both.T, bias=True) + np.eye(PIXELS) / 12 / 255**2
    np.testing.assert_allclose(components.mean, both.mean(axis=0), atol=1e-9)
    covariance = (components.axes * components.variances) @ components.axes.T
    np.testing.assert_allclose(covariance, expected, atol=1e-6)
    assert (np.diff(components.variances) <= 0).all()
    assert components.variances[-1] > 0


def test_all_components_are_the_identity(components, clean):
    output = linear.pca(components, PIXELS)(noisy(clean, 0.3))
    torch.testing.assert_close(output, noisy(clean, 0.3), atol=1e-5, rtol=0)


@pytest.mark.parametrize("k", [8, 64])
def test_the_error_of_a_projection_is_the_variance_it_leaves_out(components, clean, k):
    images = torch.cat([clean, clean.flip(-1)])
    left_out = (components.variances[k:] - linear.ROUNDING).sum() / PIXELS
    assert error(linear.pca(components, k), images, images) == pytest.approx(left_out, rel=0.03)
    assert left_out > 1e-4


@pytest.mark.parametrize("k", [16, 64, 128])
def test_noise_adds_its_share_of_the_kept_axes_to_the_error(components, gray, k):
    denoise, level = linear.pca(components, k), 0.05
    added = error(denoise, noisy(gray, level), gray) - error(denoise, gray, gray)
    assert added == pytest.approx(level**2 * k / PIXELS, rel=0.03)


@pytest.mark.parametrize("k", [0, -1, PIXELS + 1])
def test_a_number_of_axes_out_of_range_is_refused(components, k):
    with pytest.raises(ValueError, match="from 1 to 256"):
        linear.pca(components, k)


@pytest.mark.parametrize("build", [linear.wiener, linear.clamped_wiener])
def test_level_0_is_the_identity(components, clean, build):
    torch.testing.assert_close(build(components, 0.0)(clean), clean, atol=1e-4, rtol=0)


@pytest.mark.parametrize("level", [0.1, 0.3])
def test_shrinking_beats_every_projection(components, clean, level):
    images = noisy(clean, level)
    ladder = [error(linear.pca(components, 2**i), images, clean) for i in range(8)]
    assert error(linear.wiener(components, level), images, clean) < 0.95 * min(ladder)


def test_the_error_of_the_wiener_filter_is_the_predicted_one(gray):
    faces = (gray.squeeze(1).numpy() * 255).round().astype(np.uint8)
    components, level = linear.fit(faces), 0.05
    clean = torch.from_numpy(faces[:, None] / np.float32(255))
    shrink = components.variances / (components.variances + level**2)
    remaining = error(linear.wiener(components, level), noisy(clean, level), clean)
    assert remaining == pytest.approx(level**2 * shrink.mean(), rel=0.03)


@pytest.mark.parametrize("level", [0.3, 0.5])
def test_knowing_the_clamp_beats_correcting_for_it_afterwards(components, clean, level):
    images, plain = noisy(clean, level), linear.wiener(components, level)
    corrected = metrics.mse(clipping.correct(plain(images), level), clean).mean().item()
    clamped = error(linear.clamped_wiener(components, level), images, clean)
    assert clamped < 0.99 * corrected
    assert corrected < 0.99 * error(plain, images, clean)


def test_without_a_clamp_to_meet_both_filters_are_one(gray):
    faces = (gray.squeeze(1).numpy() * 255).round().astype(np.uint8)
    components = linear.fit(faces)
    outputs = [f(components, 0.02)(gray) for f in (linear.wiener, linear.clamped_wiener)]
    torch.testing.assert_close(*outputs, atol=1e-3, rtol=0)


@pytest.mark.parametrize("build", [linear.wiener, linear.clamped_wiener])
def test_a_mirror_image_is_denoised_to_the_mirror_image(components, clean, build):
    denoise, images = build(components, 0.3), noisy(clean, 0.3)[:5]
    torch.testing.assert_close(denoise(images.flip(-1)), denoise(images).flip(-1))


@pytest.mark.parametrize("level", [0.05, 0.3, 0.6])
def test_the_straight_line_is_the_one_through_draws(level):
    random, mean, variance = np.random.default_rng(0), np.array([0.1, 0.5, 0.8]), 0.04
    normal = mean[:, None] + variance**0.5 * random.standard_normal((3, 400_000))
    x = np.clip(normal, 0, 1)
    y = np.clip(x + level * random.standard_normal(x.shape), 0, 1)
    line = linear.straighten(mean, np.full(3, variance), level)
    for i in range(3):
        gain = np.cov(x[i], y[i])[0, 1] / x[i].var()
        rest = (y[i] - y[i].mean()) - gain * (x[i] - x[i].mean())
        expected = y[i].mean() + gain * (mean[i] - x[i].mean()), gain, rest.var()
        assert [part[i] for part in line] == pytest.approx(expected, rel=0.02)
