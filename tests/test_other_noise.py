"""Moments of each noise by hand; one stream an image; nothing is clamped."""

import numpy as np
import pytest
import torch

from fer_lib import noise
from fer_lib.other_noise import NOISES, poisson, salt_and_pepper, speckle

LEVELS = {"gaussian": 0.3, "poisson": 20.0, "salt-and-pepper": 0.3, "speckle": 0.4}


def gray(value: float, count: int = 30) -> torch.Tensor:
    return torch.full((count, 1, 48, 48), value)


@pytest.mark.parametrize("peak", [1, 5, 20, 100])
@pytest.mark.parametrize("value", [0.25, 1.0])
def test_poisson_has_the_mean_of_the_image_and_the_variance_of_its_photons(peak, value):
    noisy = poisson(gray(value), peak, range(30), 0).double()
    variance = value / peak
    error = 4 * (variance / noisy.numel()) ** 0.5
    assert noisy.mean().item() == pytest.approx(value, abs=error)
    assert noisy.var().item() == pytest.approx(variance, rel=0.06)
    counts = noisy * peak
    torch.testing.assert_close(counts, counts.round(), atol=1e-4, rtol=0)


def test_poisson_does_not_depend_on_the_number_of_grays_in_the_image():
    """As that of scikit-image does: an image of two grays would get the variance of peak 2."""
    two = gray(0.5)
    two[..., 0, 0] = 1
    noisy = poisson(two, 200, range(30), 0)[..., 1:, 1:]
    assert noisy.var().item() == pytest.approx(0.5 / 200, rel=0.06)


def test_black_has_no_photons():
    assert poisson(gray(0.0), 5, range(30), 0).abs().max() == 0


@pytest.mark.parametrize("peak", [0, -1, float("nan")])
def test_poisson_refuses_a_peak_that_is_not_above_0(peak):
    with pytest.raises(ValueError, match="peak"):
        poisson(gray(0.5), peak, range(30), 0)


@pytest.mark.parametrize("fraction", [0.05, 0.3, 1.0])
def test_salt_and_pepper_replaces_the_fraction_half_and_half(fraction):
    noisy = salt_and_pepper(gray(0.5), fraction, range(30), 0)
    assert set(noisy.unique().tolist()) <= {0, 0.5, 1}
    error = 4 * (fraction / 2 / noisy.numel()) ** 0.5
    for value in (0, 1):
        share = (noisy == value).double().mean().item()
        assert share == pytest.approx(fraction / 2, abs=error)


def test_a_higher_fraction_replaces_the_pixels_of_a_lower_one_and_more():
    low, high = (salt_and_pepper(gray(0.5), level, range(30), 0) for level in (0.1, 0.4))
    assert torch.equal(low[low != 0.5], high[low != 0.5])
    assert (high != 0.5).sum() > 3 * (low != 0.5).sum()


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_salt_and_pepper_refuses_what_is_no_fraction(fraction):
    with pytest.raises(ValueError, match="fraction"):
        salt_and_pepper(gray(0.5), fraction, range(30), 0)


@pytest.mark.parametrize("value", [0.1, 0.8])
def test_speckle_grows_with_the_pixel(value):
    noisy = speckle(gray(value), 0.4, range(30), 0).double()
    assert noisy.mean().item() == pytest.approx(value, rel=0.01)
    assert noisy.std().item() == pytest.approx(0.4 * value, rel=0.02)


def test_speckle_of_white_is_gaussian_noise():
    white = gray(1.0)
    assert torch.equal(speckle(white, 0.4, range(30), 5), noise.gaussian(white, 0.4, range(30), 5))


@pytest.mark.parametrize("name", ["salt-and-pepper", "speckle"])
def test_level_0_is_the_identity_to_the_bit(name):
    images = torch.rand(4, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    assert torch.equal(NOISES[name][0](images, 0.0, range(4), 0), images)


@pytest.mark.parametrize("name", NOISES)
def test_an_images_noise_depends_on_its_id_and_the_seed_alone(name):
    add, level = NOISES[name][0], LEVELS[name]
    together = add(gray(0.5, 6), level, range(6), 0)
    order = [4, 1, 5, 0]
    for ids in (order, np.array(order), torch.tensor(order)):
        assert torch.equal(add(gray(0.5, 4), level, ids, 0), together[order])
    streams = torch.cat([together, add(gray(0.5, 6), level, range(6), 1)]).flatten(1).numpy()
    assert np.abs(np.corrcoef(streams)[np.triu_indices(12, 1)]).max() < 0.1


@pytest.mark.parametrize("name", NOISES)
def test_shape_and_type_are_kept_and_every_channel_has_its_own_draw(name):
    noisy = NOISES[name][0](torch.full((2, 3, 20, 30), 0.5), LEVELS[name], [7, 9], 0)
    assert noisy.shape == (2, 3, 20, 30)
    assert noisy.dtype == torch.float32
    assert not torch.equal(noisy[:, 0], noisy[:, 1])


@pytest.mark.parametrize("name", ["poisson", "speckle"])
def test_nothing_is_clamped(name):
    assert NOISES[name][0](gray(0.95), LEVELS[name], range(30), 0).max() > 1.1
