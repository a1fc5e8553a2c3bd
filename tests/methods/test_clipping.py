"""The clamped normal variable by integration and by drawing; its inverse; its level, estimated."""

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import torch

from fer_lib import noise
from fer_lib.methods import clipping

GRAYS = np.array([0.0, 0.05, 0.3, 0.5, 0.9, 1.0])
LEVELS = (0.05, 0.15, 0.3, 0.5)


def moment(x: float, level: float, power: int) -> float:
    """E[clamp(x + level n, 0, 1) ** power] by integration over the part that is not clamped."""
    normal = scipy.stats.norm(x, level)
    inside = scipy.integrate.quad(lambda y: y**power * normal.pdf(y), 0, 1, points=[x])[0]
    return inside + normal.sf(1)


def noisy(clean: torch.Tensor, level: float) -> torch.Tensor:
    return noise.corrupt(clean, level, range(len(clean)), 3)


@pytest.fixture(scope="module")
def clean(pictures) -> torch.Tensor:
    return torch.from_numpy(pictures[:, None] / np.float32(255))


@pytest.mark.parametrize("level", LEVELS)
def test_mean_and_variance_are_the_integrals(level):
    mean = [moment(x, level, 1) for x in GRAYS]
    variance = [moment(x, level, 2) - moment(x, level, 1) ** 2 for x in GRAYS]
    np.testing.assert_allclose(clipping.mean(GRAYS, level), mean, atol=1e-7)
    np.testing.assert_allclose(clipping.variance(GRAYS, level), variance, atol=1e-7)


@pytest.mark.parametrize("level", LEVELS)
def test_mean_and_variance_are_those_of_the_noise_that_the_study_draws(level):
    black = torch.zeros(40, 1, 48, 48)
    drawn = noisy(black, level).double()
    error = 4 * level / drawn.numel() ** 0.5
    assert drawn.mean().item() == pytest.approx(clipping.mean(0.0, level), abs=error)
    assert drawn.var().item() == pytest.approx(clipping.variance(0.0, level), rel=0.03)


def test_known_answers():
    assert clipping.mean(0.0, 0.01) == pytest.approx(0.01 / (2 * np.pi) ** 0.5)  # half of a bell
    assert clipping.mean(0.5, 0.5) == pytest.approx(0.5)
    assert clipping.variance(0.5, 0.05) == pytest.approx(0.05**2)  # ten deviations from the ends
    assert clipping.variance(0.0, 0.01) == pytest.approx(1e-4 * (0.5 - 0.5 / np.pi))
    assert clipping.variance(0.5, 1e6) == pytest.approx(0.25, rel=1e-3)  # a coin


@pytest.mark.parametrize("level", LEVELS)
def test_the_inverse_undoes_the_mean(level):
    x = np.linspace(0, 1, 777)
    np.testing.assert_allclose(clipping.inverse(clipping.mean(x, level), level), x, atol=1e-4)
    assert clipping.inverse(np.array([0.0, 1.0]), level).tolist() == [0, 1]


@pytest.mark.parametrize("gray", [0.02, 0.2, 0.9])
def test_correcting_the_mean_of_many_noisy_images_gives_the_clean_one(gray):
    clean = torch.full((200, 1, 24, 24), gray)
    average = noisy(clean, 0.5).mean(dim=(0, 2, 3), keepdim=True)
    assert abs(average.item() - gray) > 0.05  # what a denoiser that averages is off by
    corrected = clipping.correct(average, 0.5)
    assert corrected.dtype == torch.float32
    assert corrected.item() == pytest.approx(gray, abs=0.01)


def test_there_is_nothing_to_correct_at_level_0(clean):
    assert torch.equal(clipping.correct(clean, 0.0), clean)


@pytest.mark.parametrize("level", [0.05, 0.15, 0.3, 0.5, 0.6])
def test_the_level_is_found_from_the_image_alone(clean, level):
    levels = clipping.estimate_level(noisy(clean, level))
    assert levels.shape == (24,)
    assert levels.mean().item() == pytest.approx(level, rel=0.06)
    # Without the clamping in its model, an estimate is a third too low at 0.5.
    naive = noisy(clean, level).std(dim=(1, 2, 3)).mean().item()
    assert abs(levels.mean().item() - level) < abs(naive - level)


def test_every_image_gets_its_own_level():
    gray = torch.full((3, 1, 48, 48), 0.4)
    images = torch.cat([gray[:1], noisy(gray, 0.1)[1:2], noisy(gray, 0.4)[2:]])
    none, low, high = clipping.estimate_level(images).tolist()
    assert none == 0
    assert low == pytest.approx(0.1, rel=0.1)
    assert high == pytest.approx(0.4, rel=0.2)  # one image: a standard error of 8%


@pytest.mark.parametrize("gray", [0.0, 1.0])
def test_a_black_or_a_white_image_has_a_level_too(gray):
    images = noisy(torch.full((8, 1, 48, 48), gray), 0.3)
    assert clipping.estimate_level(images).mean().item() == pytest.approx(0.3, rel=0.15)
