"""The loops behind `metrics.ssim`, which numba compiles when they are first called, in seconds.
torch would write every sum and product to memory. With s = x + y and d = x - y, 2xy is
(s^2 - d^2) / 2 and x^2 + y^2 is (s^2 + d^2) / 2: both factors of SSIM are quotients of such terms,
exactly 1 where d is 0. The compiler needs `contract` (a product and a sum are one instruction) and
`reassoc` (sums in any order) for vectors; in `_add_windows`, `contract` would round that 1."""

import functools

import numba
import numpy as np


def score(
    x: np.ndarray, y: np.ndarray, c1: float, c2: float, weights: tuple[float, ...], factor: float
) -> np.ndarray:
    """SSIM of images x, y (N, C, H, W) float64, contiguous: -> (N,), means over windows, channels.
    weights: of the window along one side; they sum to 1. factor: turns its weighted variances into
    the ones compared. c1, c2: the constants of SSIM, for the range of the images."""
    # In s and d, numerators and denominators of SSIM are twice as large: so are the constants.
    return _score(x, y, 2 * c1, 2 * c2, len(weights), factor, *_compiled_sums(weights))


@numba.njit(nogil=True, error_model="numpy")
def _score(x, y, c1, c2, side, factor, sum_down, sum_across):
    scores = np.zeros(len(x))
    down = np.empty((4, x.shape[3]))
    means = np.empty((4, x.shape[2] - side + 1, x.shape[3] - side + 1))
    for i in range(x.shape[0]):
        for channel in range(x.shape[1]):
            for top in range(means.shape[1]):
                sum_down(x[i, channel], y[i, channel], top, 1.0, down[0], down[1])
                sum_down(x[i, channel], y[i, channel], top, -1.0, down[2], down[3])
                for k in range(4):
                    sum_across(down[k], means[k, top])
            scores[i] = _add_windows(means.reshape(4, -1), factor, c1, c2, scores[i])
    return scores / (x.shape[1] * means[0].size)


@functools.cache
def _compiled_sums(weights: tuple[float, ...]):
    """The sums down and across a window, unrolled, since the weights are constants in them."""
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
def _add_windows(means, factor, c1, c2, total):
    """`total` plus the SSIM of all windows, from their means of s, s^2, d, d^2 (4, windows)."""
    for i in range(means.shape[1]):
        s, d = means[0, i] ** 2, means[2, i] ** 2
        var_s = factor * (means[1, i] - means[0, i] ** 2)
        var_d = factor * (means[3, i] - d)
        product = (s - d + c1) * (var_s - var_d + c2)
        total += product / ((s + d + c1) * (var_s + var_d + c2))
    return total
