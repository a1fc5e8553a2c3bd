"""Image quality, one value per image, in float64. Ranges are always stated by the caller."""

import functools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
import torch

K1, K2 = 0.01, 0.03  # Wang et al. 2004; the defaults of scikit-image too
CHUNK = 4  # images that one thread scores at a time: bounds the memory


@dataclass(frozen=True)
class Window:
    """A square SSIM window: the weights along one side, which sum to 1, and the factor that turns
    its weighted variances into the ones compared."""

    weights: tuple[float, ...]
    correction: float


def _gaussian(sigma: float, radius: int) -> tuple[float, ...]:
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return tuple((weights / weights.sum()).tolist())


#: `uniform` is scikit-image's default, with sample variances; `gaussian` is Wang et al.'s own.
WINDOWS = {
    "uniform": Window((1 / 7,) * 7, correction=49 / 48),
    "gaussian": Window(_gaussian(sigma=1.5, radius=5), correction=1.0),
}


@dataclass(frozen=True)
class Scale:
    """What SSIM is told: each image is mapped to `gain * image + offset`, and its range is
    `data_range` after that, one number or one for each image (N,)."""

    data_range: float | torch.Tensor
    gain: float = 1.0
    offset: float = 0.0


def mse(images: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Mean squared error of each image: (N, C, H, W) twice -> (N,), on the images' own scale."""
    return (images.double() - reference.double()).square().mean(dim=(1, 2, 3))


def psnr(mse: torch.Tensor, data_range: float) -> torch.Tensor:
    """Peak signal-to-noise ratio in dB from each image's MSE; infinite where that is 0."""
    return 10 * torch.log10(data_range**2 / mse)


def ssim(
    images: torch.Tensor,
    reference: torch.Tensor,
    data_range: float | torch.Tensor,
    window: str = "uniform",
) -> torch.Tensor:
    """Structural similarity (Wang et al. 2004) of each image: (N, C, H, W) twice -> (N,) float64.

    data_range: one number, or one for each image (N,). Equal to
    `skimage.metrics.structural_similarity` (K1 = 0.01, K2 = 0.03, border cropped, channels
    averaged), for `uniform` at its defaults: a 7x7 window and sample covariance; for `gaussian` as
    in the paper: `gaussian_weights=True, sigma=1.5, use_sample_covariance=False`, 11x11.
    Raises ValueError as `ssim_at_scales` does.
    """
    return ssim_at_scales(images, reference, [Scale(data_range)], window=window)[0]


def ssim_at_scales(
    images: torch.Tensor,
    reference: torch.Tensor,
    scales: Sequence[Scale],
    *,
    window: str = "uniform",
) -> torch.Tensor:
    """SSIM at several scales for little more than the price of one: -> (len(scales), N) float64.

    `Scale(r, gain, offset)` gives `ssim(gain * images + offset, gain * reference + offset, r)`: the
    sums over the windows, which take most of the time, are the same at every scale.
    Takes CPU tensors of any strides and runs on as many threads as torch does.
    Raises ValueError if the window is unknown, the shapes differ, an image is smaller than the
    window, or a range or gain is not positive.
    """
    if window not in WINDOWS:
        raise ValueError(f"unknown window {window!r}, known: {', '.join(WINDOWS)}")
    if images.shape != reference.shape:
        raise ValueError(f"shapes differ: {tuple(images.shape)}, {tuple(reference.shape)}")
    side = len(WINDOWS[window].weights)
    if min(images.shape[-2:]) < side:
        raise ValueError(f"SSIM needs images of at least {side}x{side}")
    tables = [_constants(scale, len(images)) for scale in scales]
    return _in_chunks(images, reference, WINDOWS[window], np.stack(tables, axis=1)).T


def _constants(scale: Scale, count: int) -> np.ndarray:
    """(count, 3): C1, C2 and the shift of a sum of two pixels, on the images' unmapped scale.

    SSIM does not change if images and range are multiplied by the same number, so a gain is a
    smaller range, and only offset / gain remains. Both C are doubled: see `_score`.
    """
    spans = torch.as_tensor(scale.data_range, dtype=torch.float64).expand(count).numpy()
    if not (scale.gain > 0 and np.all(spans > 0)):
        raise ValueError("SSIM needs a positive range and a positive gain")
    spans = spans / scale.gain
    shift = np.full(count, 2 * scale.offset / scale.gain)
    return np.stack([2 * (K1 * spans) ** 2, 2 * (K2 * spans) ** 2, shift], axis=1)


def _in_chunks(images, reference, window: Window, constants: np.ndarray) -> torch.Tensor:
    """`_score` on all images, a few at a time on each thread: -> (N, scales)."""
    sums = _compiled_sums(window.weights)

    def score(start: int) -> np.ndarray:
        some = slice(start, start + CHUNK)
        x, y = (np.ascontiguousarray(a[some], np.float64) for a in (images, reference))
        return _score(x, y, constants[some], len(window.weights), window.correction, *sums)

    images, reference = images.numpy(), reference.numpy()
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        parts = list(threads.map(score, range(0, len(images), CHUNK)))
    return torch.from_numpy(np.concatenate(parts))


# From here on, plain loops that numba compiles when they are first called, in a few seconds: torch
# would write every sum and product to memory. They work on s = x + y and d = x - y, because
# 2xy = (s^2 - d^2) / 2 and x^2 + y^2 = (s^2 + d^2) / 2. Both terms of SSIM become quotients of such
# differences and sums, exactly 1 where d is 0, and an offset moves the mean of s and nothing else.
# `contract` makes one instruction of a product and a sum, `reassoc` lets a sum take any order: what
# the compiler needs for vectors. In `_add_windows`, `contract` would round 1 to its neighbours.


@numba.njit(nogil=True, error_model="numpy")
def _score(x, y, constants, side, correction, sum_down, sum_across):
    """SSIM of float64 images x, y (N, C, H, W) at `constants` (N, scales, 3): -> (N, scales)."""
    scores = np.zeros(constants.shape[:2])
    down = np.empty((4, x.shape[3]))
    means = np.empty((4, x.shape[2] - side + 1, x.shape[3] - side + 1))
    for i in range(x.shape[0]):
        for channel in range(x.shape[1]):
            for top in range(means.shape[1]):
                sum_down(x[i, channel], y[i, channel], top, 1.0, down[0], down[1])
                sum_down(x[i, channel], y[i, channel], top, -1.0, down[2], down[3])
                for k in range(4):
                    sum_across(down[k], means[k, top])
            _add_windows(means.reshape(4, -1), correction, constants[i], scores[i])
    return scores / (x.shape[1] * means[0].size)


@functools.cache
def _compiled_sums(weights: tuple[float, ...]):
    """The sums down and across a window. The weights are constants in both: only then does the
    compiler unroll the loops over them."""
    side, equal = len(weights), len(set(weights)) == 1

    @numba.njit(fastmath={"contract"})
    def sum_down(x, y, top, sign, sums, squares):
        """Weighted sums of v = x + sign * y and of v * v over `side` rows from `top`: -> (W,) each.

        Equal weights need only the rows that enter and leave, given the results of the row above.
        """
        if equal and top > 0:
            x0, y0, x1, y1 = x[top - 1], y[top - 1], x[top + side - 1], y[top + side - 1]
            for column in range(len(sums)):
                old, new = x0[column] + sign * y0[column], x1[column] + sign * y1[column]
                change = weights[0] * (new - old)
                sums[column] += change
                squares[column] += change * (new + old)
            return
        for column in range(len(sums)):
            total = square = 0.0
            for k in range(side):
                value = x[top + k, column] + sign * y[top + k, column]
                weighted = weights[k] * value
                total += weighted
                square += weighted * value
            sums[column], squares[column] = total, square

    @numba.njit(fastmath={"contract"})
    def sum_across(row, sums):
        """Weighted sums over neighbours: row (W,) -> (W - side + 1,)."""
        for column in range(len(sums)):
            total = 0.0
            for k in range(side):
                total += weights[k] * row[column + k]
            sums[column] = total

    return sum_down, sum_across


@numba.njit(error_model="numpy", fastmath={"reassoc"})
def _add_windows(means, correction, constants, scores):
    """Add SSIM of all windows to `scores` (scales,), from their means of s, s^2, d, d^2 (4, _)."""
    for k in range(len(scores)):
        c1, c2, shift = constants[k]
        for i in range(means.shape[1]):
            s, d = (means[0, i] + shift) ** 2, means[2, i] ** 2
            var_s = correction * (means[1, i] - means[0, i] ** 2)
            var_d = correction * (means[3, i] - d)
            product = (s - d + c1) * (var_s - var_d + c2)
            scores[k] += product / ((s + d + c1) * (var_s + var_d + c2))
