"""What clamping to [0, 1] does to noise: its mean and variance, its inverse, the level behind it.

A clamped noisy pixel is y = clamp(x + s n, 0, 1) with n standard normal. Its mean is not x: dark
pixels come out too bright and bright ones too dark, and its variance falls towards both ends
(Foi 2009, "Clipped noisy images: heteroskedastic modeling and practical denoising", Signal
Processing 89, section 3). What averages converges to the clamped mean; a look-up takes that back.
"""

import numpy as np
import torch
from scipy.ndimage import convolve, uniform_filter
from scipy.special import ndtr

#: Clean values at which the clamped mean is tabulated to be inverted.
TABLE = np.linspace(0, 1, 1001)
#: Difference of two Laplacians, of unit norm: blind to slopes and to upright or level edges
#: (Immerkaer 1996, "Fast noise variance estimation", CVIU 64, 300-302).
DETAIL = np.outer([1, -2, 1], [1, -2, 1]) / 6
#: The side of the window, in pixels, whose mean tells how much of the noise was clamped.
NEIGHBOURS = 5
#: Clean values that such a mean may stand for; also beyond [0, 1], since the mean is noisy itself.
BEYOND = np.linspace(-1, 2, 1501)
#: The side of the blocks, in pixels, of which the median one counts: texture fills fewer than half.
BLOCK = 11


def mean(x: np.ndarray, level) -> np.ndarray:
    """E[clamp(x + level n, 0, 1)] of clean values `x`, any real numbers; `level` above 0. With
    a = -x / s, b = (1 - x) / s, normal density f and distribution F, it is
    1 - F(b) + x (F(b) - F(a)) + s (f(a) - f(b))."""
    a, b = -x / level, (1 - x) / level
    return ndtr(-b) + x * (ndtr(b) - ndtr(a)) + level * (_density(a) - _density(b))


def variance(x: np.ndarray, level) -> np.ndarray:
    """Var[clamp(x + level n, 0, 1)] of clean values `x`; `level` above 0. With the symbols of
    `mean`, the second moment is 1 - F(b) + (x^2 + s^2) (F(b) - F(a)) + 2 x s (f(a) - f(b))
    + s^2 (a f(a) - b f(b))."""
    a, b = -x / level, (1 - x) / level
    inside, lower, upper = ndtr(b) - ndtr(a), _density(a), _density(b)
    second = ndtr(-b) + (x**2 + level**2) * inside + 2 * x * level * (lower - upper)
    second = second + level**2 * (a * lower - b * upper)
    return np.maximum(second - mean(x, level) ** 2, 0)


def _density(x: np.ndarray) -> np.ndarray:
    return np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)


def inverse(y: np.ndarray, level: float, table: np.ndarray = TABLE) -> np.ndarray:
    """The clean value whose clamped mean is `y`, between those of `table`; its ends beyond them."""
    return np.interp(y, mean(table, level), table)


def correct(images: torch.Tensor, level: float) -> torch.Tensor:
    """Denoised images (N, C, H, W), taken as clamped means, to the clean values behind them,
    float32 in [0, 1]. level: of the clamped noise, on that scale; 0 leaves images as they are."""
    if level == 0:
        return images
    return torch.from_numpy(inverse(images.numpy(), level)).float()


def estimate_level(noisy: torch.Tensor) -> torch.Tensor:
    """The noise level of each clamped noisy image, from the image alone: (N, 1, H, W) -> (N,).
    Immerkaer's filter for details leaves the noise and little else. For a level s, the mean around
    each pixel tells the clean value, and so how strong the clamped noise is there. The estimate is
    the s for which this agrees with the details of the median block. Fine detail of the picture
    itself counts as noise. Returns float64 from 0 to 1."""
    return torch.tensor([_level(image) for image in noisy.squeeze(1).double().numpy()])


def _level(image: np.ndarray) -> float:
    """Bisection: the higher the level in question, the weaker the details look beside it."""
    details = _blocks(convolve(image, DETAIL) ** 2)
    local = uniform_filter(image, NEIGHBOURS)
    low, high = 0.0, 1.0
    for _ in range(13):  # to 1/8192
        middle = (low + high) / 2
        expected = variance(inverse(local, middle, BEYOND), middle)
        above = np.median(details / _blocks(convolve(expected, DETAIL**2))) > 1
        low, high = (middle, high) if above else (low, middle)
    return low


def _blocks(squares: np.ndarray) -> np.ndarray:
    """Means over whole blocks inside a border of one pixel: (H, W) -> (rows, columns), above 0."""
    inner = squares[1:-1, 1:-1]
    rows, columns = (size // BLOCK for size in inner.shape)
    inner = inner[: rows * BLOCK, : columns * BLOCK]
    return inner.reshape(rows, BLOCK, columns, BLOCK).mean(axis=(1, 3)) + 1e-12
