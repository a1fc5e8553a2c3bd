"""MSE, PSNR, SSIM and GMSD against known answers, scikit-image and deepinv."""

import deepinv
import numpy as np
import pytest
import skimage.metrics
import torch

from fer_lib import metrics

GRAY, RGB = (9, 1, 48, 48), (5, 3, 96, 96)  # neither a multiple of what a thread scores at once
assert all(shape[0] % metrics.CHUNK for shape in (GRAY, RGB))
WINDOWS = {
    "uniform": {},
    "gaussian": {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False},
}


def noisy_pair(shape, data_range: float, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Smooth images and noisy copies, each with noise of its own strength; `spread` 1 fills the
    range, more leaves it."""
    random = np.random.default_rng(3)
    n, channels, height, width = shape
    grid = np.linspace(0, 3, height)[:, None] + np.linspace(0, 2, width)
    phase = random.uniform(0, 6, (n, channels, 1, 1))
    images = 0.5 + 0.5 * spread * np.sin(2 * grid + phase)
    noise = np.linspace(0.02, 0.6, n)[:, None, None, None] * random.standard_normal(shape)
    noisy = images + noise if spread > 1 else np.clip(images + noise, 0, 1)
    return images * data_range - data_range / 2, noisy * data_range - data_range / 2


def skimage_ssim(a, b, data_range: float, window: str = "uniform") -> list[float]:
    ssim = skimage.metrics.structural_similarity
    options = {"channel_axis": 0, "data_range": data_range, **WINDOWS[window]}
    return [ssim(x, y, **options) for x, y in zip(a, b, strict=True)]


@pytest.mark.parametrize("shape", [GRAY, RGB], ids=["gray", "rgb"])
@pytest.mark.parametrize("data_range", [1.0, 2.0])
@pytest.mark.parametrize("spread", [1.0, 1.7], ids=["inside", "outside"])
@pytest.mark.parametrize("window", WINDOWS)
def test_ssim_equals_scikit_image(shape, data_range, spread, window):
    b, a = noisy_pair(shape, data_range, spread)
    ours = metrics.ssim(torch.from_numpy(a), torch.from_numpy(b), data_range, window).numpy()
    assert ours.dtype == np.float64
    assert np.ptp(ours) > 0.2  # the images differ in quality: none stands in for another
    np.testing.assert_allclose(ours, skimage_ssim(a, b, data_range, window), rtol=0, atol=1e-12)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("brightness", [1e-3, 1.0, 255.0])
def test_ssim_of_dark_and_bright_images_with_flat_parts(window, brightness):
    a, b = (brightness * (x + 0.5) for x in noisy_pair(RGB, 1.0, 1.0))
    a[:, :, :40] = a[:, :, :, :40] = b[:, :, :, :60] = brightness
    b[0], a[1] = 0.0, brightness
    for span in (brightness, 1.0):
        ours = metrics.ssim(torch.from_numpy(a), torch.from_numpy(b), span, window)
        expected = skimage_ssim(a, b, span, window)
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-8)


def test_ssim_takes_images_of_any_strides_and_type():
    a, b = (x.astype(np.float32) for x in noisy_pair(GRAY, 1.0, 1.0))
    wide, turned = torch.from_numpy(a).expand(-1, 3, -1, -1), torch.from_numpy(b).mT
    ours = metrics.ssim(wide, turned.double().expand(-1, 3, -1, -1), 1.0)
    expected = skimage_ssim(a.astype(float), b.astype(float).swapaxes(2, 3), 1.0)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)
    rows = metrics.ssim(wide[1::2, :, 8:, ::2], wide[::2, :, 8:, ::2][:-1], 1.0)
    expected = skimage_ssim(a[1::2, :, 8:, ::2] * 1.0, a[::2, :, 8:, ::2][:-1] * 1.0, 1.0)
    np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-5)  # theirs is in float32


@pytest.mark.parametrize("threads", [1, 2])
def test_ssim_keeps_the_order_of_many_images(threads):
    a, b = map(torch.from_numpy, noisy_pair((103, 1, 16, 20), 1.0, 1.0))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    ours = metrics.ssim(a, b, 1.0)
    torch.set_num_threads(before)
    expected = skimage_ssim(a.numpy(), b.numpy(), 1.0)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)


def test_ssim_of_float32_images_is_computed_in_float64():
    a, b = (x.astype(np.float32) for x in noisy_pair(RGB, 1.0, 1.0))
    ours = metrics.ssim(torch.from_numpy(a), torch.from_numpy(b), 1.0).numpy()
    expected = skimage_ssim(a.astype(np.float64), b.astype(np.float64), 1.0)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-9)


def test_ssim_depends_on_the_stated_range():
    a, b = map(torch.from_numpy, noisy_pair(GRAY, 1.0, 1.0))
    assert (metrics.ssim(a, b, 1.0) - metrics.ssim(a, b, 2.0)).abs().max() > 0.01
    torch.testing.assert_close(metrics.ssim(a, b, 1.0), metrics.ssim(2 * a, 2 * b, 2.0))


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("shape", [GRAY, RGB], ids=["gray", "rgb"])
def test_identical_images_give_exactly_1(shape, window):
    a = torch.from_numpy(noisy_pair(shape, 1.0, 1.7)[0])
    for data_range in (1.0, 0.1):
        assert metrics.ssim(a, a.clone(), data_range, window).tolist() == [1.0] * shape[0]


def test_ssim_of_two_even_grays_is_the_luminance_term():
    a, b = torch.full((1, 1, 9, 9), 0.25), torch.full((1, 1, 9, 9), 0.75)
    expected = (2 * 0.25 * 0.75 + 1e-4) / (0.25**2 + 0.75**2 + 1e-4)
    assert metrics.ssim(a, b, 1.0).item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("window", "side"), [("uniform", 7), ("gaussian", 11)])
def test_ssim_refuses_images_smaller_than_its_window(window, side):
    for size in [(side - 1, 48), (48, side - 1), (1, 1)]:
        images = torch.zeros(2, 1, *size)
        with pytest.raises(ValueError, match=f"{side}x{side}"):
            metrics.ssim(images, images, 1.0, window)


def test_ssim_refuses_what_it_does_not_know():
    a = torch.rand(3, 1, 12, 12)
    with pytest.raises(ValueError, match="'box': choose one of uniform, gaussian"):
        metrics.ssim(a, a, 1.0, "box")
    with pytest.raises(ValueError, match="shapes differ"):
        metrics.ssim(a, a[:2], 1.0)
    for data_range in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="positive"):
            metrics.ssim(a, a, data_range)


@pytest.mark.parametrize(("window", "side"), [("uniform", 7), ("gaussian", 11)])
def test_ssim_takes_images_of_one_window(window, side):
    a, b = noisy_pair((3, 1, side, side), 1.0, 1.0)
    ours = metrics.ssim(torch.from_numpy(a), torch.from_numpy(b), 1.0, window)
    np.testing.assert_allclose(ours, skimage_ssim(a, b, 1.0, window), rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [GRAY, RGB], ids=["gray", "rgb"])
@pytest.mark.parametrize("data_range", [1.0, 2.0])
def test_mse_and_psnr_equal_scikit_image(shape, data_range):
    a, b = noisy_pair(shape, data_range, 1.7)
    mse = metrics.mse(torch.from_numpy(a), torch.from_numpy(b))
    psnr = metrics.psnr(mse, data_range)
    pairs = list(zip(a, b, strict=True))
    expected = [skimage.metrics.mean_squared_error(x, y) for x, y in pairs]
    np.testing.assert_allclose(mse, expected, rtol=1e-12)
    theirs = skimage.metrics.peak_signal_noise_ratio
    expected = [theirs(x, y, data_range=data_range) for x, y in pairs]
    np.testing.assert_allclose(psnr, expected, rtol=1e-12)
    assert mse.shape == psnr.shape == shape[:1]
    assert np.ptp(psnr.numpy()) > 3


def test_small_errors_of_float32_images_are_not_rounded_away():
    random = torch.Generator().manual_seed(0)
    a = torch.rand(4, 3, 96, 96, generator=random)
    b = a + 1e-3 * torch.randn(a.shape, generator=random)
    expected = ((a.numpy().astype(float) - b.numpy()) ** 2).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(metrics.mse(a, b), expected, rtol=1e-12)


def test_known_answers():
    black = torch.zeros(3, 3, 8, 8)
    gray = torch.stack([torch.full((3, 8, 8), value) for value in (0.1, 0.5, 1.0)])
    mse = metrics.mse(gray, black)
    assert mse.tolist() == pytest.approx([0.01, 0.25, 1.0], rel=1e-6)
    assert metrics.psnr(mse, 1.0).tolist() == pytest.approx([20, 6.0206, 0], abs=1e-4)
    assert metrics.psnr(mse, 2.0).tolist() == pytest.approx([26.0206, 12.0412, 6.0206], abs=1e-4)


@pytest.mark.parametrize("channels", [1, 3])
def test_gmsd_equals_deepinvs(channels):
    generator = torch.Generator().manual_seed(0)
    clean = torch.rand(4, channels, 24, 30, generator=generator)
    clean[0] = 0.5  # no gradient at all
    noisy = (clean + 0.2 * torch.randn(clean.shape, generator=generator)).clamp(0, 1)
    expected = deepinv.loss.metric.GMSD()(noisy, clean).double()
    found = metrics.gmsd(noisy, clean, 1.0)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert np.ptp(found[1:].numpy()) > 1e-3
    stretched = metrics.gmsd(2 * noisy - 1, 2 * clean - 1, 2.0)
    torch.testing.assert_close(stretched, found, rtol=1e-5, atol=1e-7)
    assert metrics.gmsd(clean, clean, 1.0).tolist() == [0] * 4


def test_psnr_without_an_error_is_infinite():
    assert metrics.psnr(torch.zeros(2, dtype=torch.float64), 1.0).tolist() == [np.inf, np.inf]
