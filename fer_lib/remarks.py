"""What stands behind the paper's remarks on its pictures (chapter 5): brightness, signs, spots."""

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import uniform_filter

from fer_lib import metrics, pipeline
from fer_lib.testing import Result


def shown(images: torch.Tensor) -> torch.Tensor:
    """Images as matplotlib shows floats: what lies outside 0..1 is cut off, without rescaling."""
    return images.clamp(0, 1)


def brightness(results: list[Result], clean: torch.Tensor) -> pd.DataFrame:
    """Mean brightness as shown, and the share of pixels shown black, of each kind of image.

    clean: (N, 3, 96, 96) in the results' space. Returns level, images, brightness, black.
    """
    rows = []
    for result in results:
        kinds = {"raw": clean, "noisy": result.noisy, "output": result.output}
        for kind, images in kinds.items():
            seen = shown(images)
            black = (seen == 0).double().mean().item()
            rows.append((result.level, kind, seen.double().mean().item(), black))
    return pd.DataFrame(rows, columns=["level", "images", "brightness", "black"])


def ssim_terms(image: np.ndarray, other: np.ndarray, data_range: float) -> np.ndarray:
    """SSIM's two factors at every pixel of gray images (H, W): (2, H, W), luminance and structure.

    Wang et al. 2004, equations 6 and 9 to 10, with scikit-image's 7x7 window.
    """
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    x, y = (np.asarray(a, np.float64) for a in (image, other))
    mean_x, mean_y = uniform_filter(x, 7), uniform_filter(y, 7)
    variances = uniform_filter(x * x + y * y, 7) - mean_x**2 - mean_y**2
    covariance = uniform_filter(x * y, 7) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return np.stack([luminance, (98 / 48 * covariance + c2) / (49 / 48 * variances + c2)])


def lowest(images: torch.Tensor, clean: torch.Tensor, data_range: float) -> int:
    """Which image (N, C, H, W) has the lowest SSIM with its clean one, in the first channel."""
    scores = metrics.ssim(images[:, :1], clean[:, :1], data_range)
    return int(scores.argmin())


def negative_terms(results: list[Result], clean: torch.Tensor, data_range: float) -> pd.DataFrame:
    """Shares of pixels where SSIM's factors and SSIM are negative, against the clean image.

    Indexed by level, of the noisy input and of the output, in the first channel.
    """
    rows = {}
    for result in results:
        for kind, images in (("noisy", result.noisy), ("output", result.output)):
            pairs = zip(images[:, 0].numpy(), clean[:, 0].numpy(), strict=True)
            maps = np.stack([ssim_terms(image, raw, data_range) for image, raw in pairs])
            shares = [maps[:, 0] < 0, maps[:, 1] < 0, maps.prod(axis=1) < 0]
            rows[result.level, kind] = [share.mean() for share in shares]
    found = pd.DataFrame.from_dict(rows, orient="index", columns=["luminance", "structure", "SSIM"])
    found.index = pd.MultiIndex.from_tuples(found.index, names=["level", "images"])
    return found


def spectrum(residuals: torch.Tensor, bins: int = 24) -> pd.DataFrame:
    """Power of residuals (N, C, H, W) by spatial frequency, averaged over directions and images.

    Returns frequency (cycles per pixel, 0 to 0.5) and the share of the power in each bin.
    """
    size = residuals.shape[-1]
    centred = residuals.double() - residuals.double().mean(dim=(2, 3), keepdim=True)
    power = torch.fft.fft2(centred).abs().square().mean(dim=(0, 1)).numpy()
    across = np.fft.fftfreq(size)
    radius = np.hypot(across[:, None], across[None])
    place = np.minimum((radius / 0.5 * bins).astype(int), bins)  # corners beyond 0.5 go last
    sums = np.bincount(place.ravel(), power.ravel(), minlength=bins + 1)[:bins]
    frequency = (np.arange(bins) + 0.5) * 0.5 / bins
    return pd.DataFrame({"frequency": frequency, "share": sums / power.sum()})


def spot_size(power: pd.DataFrame) -> float:
    """Pixels from one spot to the next: one over the power's mean frequency."""
    return float(power["share"].sum() / (power["share"] * power["frequency"]).sum())


def unit(images: torch.Tensor, space: str) -> torch.Tensor:
    """Images of a space in [0, 1]."""
    return images if space == "unit" else pipeline.denormalise(images)
