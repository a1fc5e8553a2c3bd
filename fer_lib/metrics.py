"""Image quality, one value per image, in float64. Ranges are always stated by the caller."""

import torch

WINDOW = 7  # side of the SSIM window in pixels


def mse(images: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Mean squared error of each image: (N, C, H, W) twice -> (N,), on the images' own scale."""
    return (images.double() - reference.double()).square().mean(dim=(1, 2, 3))


def psnr(mse: torch.Tensor, data_range: float) -> torch.Tensor:
    """Peak signal-to-noise ratio in dB from each image's MSE; infinite where that is 0."""
    return 10 * torch.log10(data_range**2 / mse)


def ssim(images: torch.Tensor, reference: torch.Tensor, data_range: float) -> torch.Tensor:
    """Structural similarity (Wang et al. 2004) of each image: (N, C, H, W) twice -> (N,).

    Equal to `skimage.metrics.structural_similarity` at its defaults (7x7 uniform window, sample
    covariance, K1 = 0.01, K2 = 0.03, border cropped, channels averaged), for a whole batch at once.
    Raises ValueError if an image is smaller than the window.
    """
    if min(images.shape[-2:]) < WINDOW:
        raise ValueError(f"SSIM needs images of at least {WINDOW}x{WINDOW}")
    pairs = zip(images.split(16), reference.split(16), strict=True)  # bounds the memory
    return torch.cat([_ssim(x.double(), y.double(), data_range) for x, y in pairs])


def _ssim(x: torch.Tensor, y: torch.Tensor, data_range: float) -> torch.Tensor:
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    moments = torch.stack([x, y, x * x + y * y, x * y])
    mean_x, mean_y, squares, product = _window_means(moments)
    both = mean_x.square() + mean_y.square()
    sample = WINDOW**2 / (WINDOW**2 - 1)  # unbiased variances and covariance
    variances, covariance = sample * (squares - both), sample * (product - mean_x * mean_y)
    luminance = (2 * mean_x * mean_y + c1) / (both + c1)
    structure = (2 * covariance + c2) / (variances + c2)
    return (luminance * structure).mean(dim=(1, 2, 3))


def _window_means(x: torch.Tensor) -> torch.Tensor:
    """Means over the windows that lie inside (..., H, W), as two products with band matrices."""
    return _band(x.shape[-2]) @ (x @ _band(x.shape[-1]).T)


def _band(size: int) -> torch.Tensor:
    """(size - WINDOW + 1, size): row i averages the WINDOW entries from i on."""
    ones = torch.ones(size - WINDOW + 1, size, dtype=torch.float64)
    return ones.triu().tril(WINDOW - 1) / WINDOW
