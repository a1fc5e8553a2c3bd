"""Image quality, one value per image, in float64. The caller always gives the value range."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
import torch.nn.functional as F

from fer_lib import config
from fer_lib.tools import fast_ssim

K1, K2 = 0.01, 0.03  # constants of SSIM (Wang et al. 2004), as in scikit-image
CHUNK = 4  # images that one thread scores at a time: limits the memory
GMSD_C = 0.0026  # constant of GMSD (Xue et al. 2014), for the range 1
_BELL = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
#: Windows of SSIM: weights along one side, and a factor on variances and covariances. `uniform` is
#: scikit-image's default (49/48: sample variances of 49 pixels); `gaussian` is Wang et al.'s.
WINDOWS = {
    "uniform": ((1 / 7,) * 7, 49 / 48),
    "gaussian": (tuple((_BELL / _BELL.sum()).tolist()), 1.0),
}


def mse(images: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Mean squared error of each image: two (N, C, H, W) -> (N,), in squared pixel values."""
    return (images.double() - reference.double()).square().mean(dim=(1, 2, 3))


def psnr(mse: torch.Tensor, data_range: float) -> torch.Tensor:
    """Peak signal-to-noise ratio 10 log10(data_range^2 / mse) in dB; infinite where `mse` is 0."""
    return 10 * torch.log10(data_range**2 / mse)


def gmsd(images: torch.Tensor, reference: torch.Tensor, data_range: float) -> torch.Tensor:
    """Gradient magnitude similarity deviation (Xue et al. 2014, IEEE TIP 23, 684-695) of each of
    two (N, C, H, W) -> (N,) float64, the mean over channels; 0 for equal images, the more the
    worse. It is taken at full size: Xue et al. halve their pictures, which are not as small."""
    scores = []  # by chunks, which stay in the processor's cache
    for pair in zip(images.split(CHUNK), reference.split(CHUNK), strict=True):
        a, b = (_gradients(part.double() / data_range) for part in pair)
        similarity = (2 * a * b + GMSD_C) / (a**2 + b**2 + GMSD_C)
        scores.append(similarity.std(dim=(2, 3), correction=0).mean(dim=1))
    return torch.cat(scores)


def _gradients(images: torch.Tensor) -> torch.Tensor:
    """The length of Prewitt's gradient at each pixel, of the same shape."""
    x = F.pad(images, (1, 1, 1, 1), mode="replicate")
    rows = x[..., :-2, :] + x[..., 1:-1, :] + x[..., 2:, :]
    columns = x[..., :-2] + x[..., 1:-1] + x[..., 2:]
    across, down = rows[..., :-2] - rows[..., 2:], columns[..., :-2, :] - columns[..., 2:, :]
    return (across.square() + down.square()).sqrt() / 3


def ssim(
    images: torch.Tensor, reference: torch.Tensor, data_range: float, window: str = "uniform"
) -> torch.Tensor:
    """Structural similarity (Wang et al. 2004) of each image: two (N, C, H, W) -> (N,) float64.
    The mean over all windows inside the image, and over channels, of
    (2 m_x m_y + c1) (2 cov_xy + c2) / ((m_x^2 + m_y^2 + c1) (var_x + var_y + c2)), with
    c1 = (K1 data_range)^2 and c2 = (K2 data_range)^2. It is 1 for equal images, and can be negative
    for anticorrelated ones. Equal to `skimage.metrics.structural_similarity`: `uniform` with its
    defaults (7x7, sample covariance), `gaussian` with the settings of Wang et al. (11x11,
    `gaussian_weights=True, sigma=1.5, use_sample_covariance=False`). Takes CPU tensors of any
    strides; uses as many threads as torch. Raises ValueError if the shapes differ, an image is
    smaller than the window or the range is not positive, and UserError for an unknown window."""
    config.one_of("window", window, WINDOWS)
    weights, factor = WINDOWS[window]
    if images.shape != reference.shape:
        raise ValueError(f"shapes differ: {tuple(images.shape)}, {tuple(reference.shape)}")
    if min(images.shape[-2:]) < len(weights):
        raise ValueError(f"SSIM needs images of at least {len(weights)}x{len(weights)}")
    if not data_range > 0:
        raise ValueError(f"SSIM needs a positive range, not {data_range}")
    constants = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    x, y = images.numpy(), reference.numpy()

    def score(start: int) -> np.ndarray:
        chunk = slice(start, start + CHUNK)
        pair = (np.ascontiguousarray(a[chunk], np.float64) for a in (x, y))
        return fast_ssim.score(*pair, *constants, weights, factor)

    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        parts = list(threads.map(score, range(0, len(x), CHUNK)))
    return torch.from_numpy(np.concatenate(parts))
