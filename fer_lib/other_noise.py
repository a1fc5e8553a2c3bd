"""Noise that is not white and Gaussian: photon counts, dead pixels, speckle (chapter 7).

As in `noise.gaussian`, every image draws from a stream of its own, named by (seed, image id), so
that all methods see identical noisy images. Nothing is clamped here: the caller clamps to [0, 1].
"""

from collections.abc import Callable

import numpy as np
import torch

from fer_lib import noise


def poisson(images: torch.Tensor, level: float, ids, seed: int) -> torch.Tensor:
    """Shot noise: counts of photons over their expected number at white, unclamped.

    images: (N, C, H, W) in [0, 1]. level: the peak, the expected count of a white pixel; a pixel x
    gets Poisson(peak x) / peak, of variance x / peak. ids: (N,) integers. The peak is stated,
    where `skimage.util.random_noise` takes it from the number of grays in each image. Raises
    ValueError for a peak that is not above 0.
    """
    if not level > 0:
        raise ValueError(f"peak {level}: give the expected count of a white pixel, above 0")
    expected = level * images.double().numpy()
    counts = [s.poisson(x) for s, x in zip(_streams(ids, seed), expected, strict=True)]
    return torch.from_numpy(np.stack(counts) / level).float()


def salt_and_pepper(images: torch.Tensor, level: float, ids, seed: int) -> torch.Tensor:
    """Replace the fraction `level` of all pixels of (N, C, H, W), half by 0 and half by 1.

    The pixels of a lower fraction are among those of a higher one. Level 0 is the identity. Raises
    ValueError for a fraction outside [0, 1].
    """
    if not 0 <= level <= 1:
        raise ValueError(f"fraction {level}: give a number from 0 to 1")
    draws = [s.random(images.shape[1:], dtype=np.float32) for s in _streams(ids, seed)]
    draw = torch.from_numpy(np.stack(draws))
    peppered = torch.where(draw < level / 2, torch.zeros_like(images), images)
    return torch.where(draw >= 1 - level / 2, torch.ones_like(images), peppered)


def speckle(images: torch.Tensor, level: float, ids, seed: int) -> torch.Tensor:
    """Multiplicative Gaussian noise: x (1 + level n) for (N, C, H, W), unclamped.

    The draw n is the one that `noise.gaussian` adds for the same id and seed. Level 0 is the
    identity.
    """
    draws = [s.standard_normal(images.shape[1:], dtype=np.float32) for s in _streams(ids, seed)]
    return images + level * images * torch.from_numpy(np.stack(draws))


def _streams(ids, seed: int) -> list[np.random.Generator]:
    return [np.random.default_rng((seed, int(number))) for number in ids]


#: By the name in the column `noise` of noise_evaluation.csv: its function and what a level means.
NOISES: dict[str, tuple[Callable, str]] = {
    "gaussian": (noise.gaussian, "standard deviation"),
    "poisson": (poisson, "expected photons of a white pixel"),
    "salt-and-pepper": (salt_and_pepper, "fraction of pixels replaced"),
    "speckle": (speckle, "standard deviation as a fraction of the pixel"),
}
