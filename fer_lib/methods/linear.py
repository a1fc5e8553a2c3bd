"""Denoisers that are one matrix, learnt from clean faces in closed form.
A linear autoencoder with k numbers in its code is at best the projection on the first k principal
axes (Baldi & Hornik 1989, Neural Networks 2): at noise s its error is about error(0) + s^2 k / n
for n pixels. Knowing s, the Wiener filter shrinks every axis by its own share of signal instead of
cutting; knowing that the noise was clamped as well, it is the best linear estimate there is."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from fer_lib.methods import clipping

#: Variance that rounding to 256 grays adds to every pixel: keeps every direction alive.
ROUNDING = 1 / 12 / 255**2
BATCH = 4000
#: Noisy images (N, 1, H, W) in [0, 1], of the size that it was learnt for -> denoised, the same.
Denoiser = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Components:
    """The principal components of clean faces of n = H x W pixels in [0, 1]. mean: (n,).
    axes: (n, n), one a column, the strongest first. variances: (n,) along the axes."""

    mean: np.ndarray
    axes: np.ndarray
    variances: np.ndarray


def fit(faces: np.ndarray) -> Components:
    """The components of `faces`, uint8 (N, H, W), and their mirror images; seconds for 35,000."""
    pixels = faces.reshape(len(faces), -1)
    mean, covariance = pixels.mean(axis=0, dtype=np.float64), 0.0
    for start in range(0, len(pixels), BATCH):  # float32 products, added in float64
        centred = pixels[start : start + BATCH].astype(np.float32) - mean.astype(np.float32)
        covariance = covariance + (centred.T @ centred).astype(np.float64)
    covariance = covariance / len(pixels)
    mirror = np.arange(mean.size).reshape(faces.shape[1:])[:, ::-1].ravel()
    shift = (mean - mean[mirror]) / 2
    covariance = (covariance + covariance[np.ix_(mirror, mirror)]) / 2 + np.outer(shift, shift)
    covariance = covariance / 255**2 + ROUNDING * np.eye(mean.size)
    variances, axes = np.linalg.eigh(covariance)
    mean = (mean + mean[mirror]) / 2 / 255
    return Components(mean, np.ascontiguousarray(axes[:, ::-1]), variances[::-1].copy())


def pca(components: Components, k: int) -> Denoiser:
    """The projection on the first k axes. Raises ValueError for a k that is not from 1 to n."""
    if not 1 <= k <= components.mean.size:
        raise ValueError(f"k {k}: give a number of axes from 1 to {components.mean.size}")
    kept = components.axes[:, :k]
    return _affine(components.mean, kept @ kept.T, components.mean)


def wiener(components: Components, level: float) -> Denoiser:
    """Every axis shrunk by w / (w + level^2), w its variance: the best linear estimate for white
    noise that is not clamped (Wiener 1949). Level 0 is the identity."""
    shrink = components.variances / (components.variances + level**2)
    matrix = (components.axes * shrink) @ components.axes.T
    return _affine(components.mean, matrix, components.mean)


def clamped_wiener(components: Components, level: float) -> Denoiser:
    """The best linear estimate from clamped noise of a known level: C G (G C G + D)^-1, C the
    covariance of clean pixels, G and D from `straighten`. The correction for clipping is in it.
    Level 0 is the identity. A few seconds for 48x48."""
    covariance = (components.axes * components.variances) @ components.axes.T
    centre, gain, noise = straighten(components.mean, np.diag(covariance), level)
    observed = gain[:, None] * covariance * gain + np.diag(noise)
    matrix = np.linalg.solve(observed, gain[:, None] * covariance).T
    return _affine(components.mean, matrix, centre)


def _affine(mean: np.ndarray, matrix: np.ndarray, centre: np.ndarray) -> Denoiser:
    """x = clamp(mean + matrix (y - centre))."""
    mean, matrix, centre = (torch.from_numpy(array).float() for array in (mean, matrix, centre))

    def denoise(noisy: torch.Tensor) -> torch.Tensor:
        restored = mean + (noisy.flatten(1) - centre) @ matrix.T
        return restored.reshape(noisy.shape).clamp(0, 1)

    return denoise


def straighten(mean: np.ndarray, variance: np.ndarray, level: float) -> tuple[np.ndarray, ...]:
    """Clamped noise as a straight line with noise around it: y = centre + gain (x - mean) + e.
    mean, variance: of clean pixels, any shape; they are taken as normal, cut off at 0 and 1.
    Returns centre, gain and the variance of e, which is uncorrelated with x: the statistical
    linearisation (Booton 1954) of the moments in `clipping`, averaged by Gauss-Hermite quadrature.
    Level 0 gives (mean, 1, 0)."""
    if level == 0:
        return mean, np.ones_like(mean), np.zeros_like(mean)
    nodes, weights = np.reshape(np.polynomial.hermite_e.hermegauss(21), (2, -1, *[1] * mean.ndim))
    x = np.clip(mean + np.sqrt(variance) * nodes, 0, 1)
    y, weights = clipping.mean(x, level), weights / weights.sum()
    x_mean, y_mean = (weights * x).sum(0), (weights * y).sum(0)
    x_part, y_part = x - x_mean, y - y_mean
    gain = (weights * x_part * y_part).sum(0) / (weights * x_part**2).sum(0)
    bend = (weights * (y_part - gain * x_part) ** 2).sum(0)
    noise = (weights * clipping.variance(x, level)).sum(0) + bend
    return y_mean + gain * (mean - x_mean), gain, noise
