"""The standard denoisers of scikit-image, scipy, PyWavelets and deepinv. They need no training:
each has one strength, chosen per level on training images. All are told the noise level; 0 is the
identity."""

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.fft
import scipy.ndimage
import skimage.restoration
import torch

from fer_lib import metrics
from fer_lib.config import one_of
from fer_lib.methods import clipping, plans
from fer_lib.noise import corrupt
from fer_lib.tools.kept import kept
from fer_lib.tools.progress import Progress


@dataclass(frozen=True)
class Filter:
    """One method. denoise: (image (H, W) in [0, 1], noise level, strength) -> the denoised image.
    label: for a table. grid: the strengths that `curves` tries, from weak to strong. slow: takes so
    long that it is used only where it is asked for."""

    denoise: Callable[[np.ndarray, float, float], np.ndarray]
    label: str
    grid: tuple[float, ...]
    slow: bool = False


#: By the name in the column `method` of tables, in their order.
FILTERS: dict[str, Filter] = {}


def _register(name: str, label: str, grid: tuple[float, ...], **facts):
    """Add the function below to FILTERS."""
    return lambda denoise: FILTERS.setdefault(name, Filter(denoise, label, grid, **facts))


@_register("noisy", "noisy input", (1,))
def _identity(image, level, strength):
    return image


@_register(
    "band-limit", "band limit", (0.5, 0.35, 0.28, 0.22, 0.18, 0.15, 0.12, 0.1, 0.08, 0.06, 0.04)
)
def _band_limit(image, level, strength):
    """An ideal low-pass on the cosine transform, whose mirrored borders do not ring; strength: its
    cut-off in cycles a pixel."""
    waves = scipy.fft.dctn(image, norm="ortho")
    rows, columns = (np.arange(size) / (2 * size) for size in image.shape)
    waves[np.hypot(rows[:, None], columns) > strength] = 0
    return scipy.fft.idctn(waves, norm="ortho")


@_register("gaussian", "Gaussian filter", (0.3, 0.5, 0.6, 0.7, 0.85, 1, 1.2, 1.4, 1.7, 2, 2.5, 3))
def _gaussian(image, level, strength):
    """Strength: the standard deviation in pixels."""
    return scipy.ndimage.gaussian_filter(image, strength)


@_register("median", "median filter", (1, 3, 5, 7, 9, 11))
def _median(image, level, strength):
    """Strength: the side in pixels."""
    return scipy.ndimage.median_filter(image, size=int(strength))


@_register("bilateral", "bilateral filter", (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0))
def _bilateral(image, level, strength):
    """Tomasi & Manduchi 1998, equation 5; a spread of 2 pixels over space, cut at 6, is fixed.
    Strength: the spread over grays, in noise levels. Written out because scikit-image 0.26 reads
    its table of spatial weights with a wrong stride: its kernel's centre has no weight."""
    padded = np.pad(image, 6, mode="symmetric")
    total = weights = 0
    for row, column in np.ndindex(13, 13):
        shifted = padded[row : row + image.shape[0], column : column + image.shape[1]]
        distance = ((row - 6) ** 2 + (column - 6) ** 2) / 2**2
        distance = distance + ((shifted - image) / (strength * level)) ** 2
        weight = np.exp(-distance / 2)
        total, weights = total + weight * shifted, weights + weight
    return total / weights


@_register("tv", "total variation", (0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0))
def _total_variation(image, level, strength):
    """Chambolle 2004, of the Rudin-Osher-Fatemi model; strength: the weight, in noise levels."""
    return skimage.restoration.denoise_tv_chambolle(image, weight=strength * level)


@_register("wavelet", "wavelets, BayesShrink", (0.3, 0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0, 3.0))
def _wavelet(image, level, strength):
    """Chang, Yu & Vetterli 2000, with soft thresholds; strength: assumed noise, in noise levels."""
    return skimage.restoration.denoise_wavelet(
        image, sigma=strength * level, wavelet="db2", wavelet_levels=3, rescale_sigma=False
    )


@_register("nlm", "non-local means", (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5))
def _non_local_means(image, level, strength):
    """Buades, Coll & Morel 2005, section 5: 5x5 patches in a window of 15x15; strength: the decay
    of the weights, in noise levels. `sigma` stays 0: taking 2 level^2 from the distances, more than
    clamped noise puts there, makes all patches equal."""
    return skimage.restoration.denoise_nl_means(
        image, patch_size=5, patch_distance=7, h=strength * level, fast_mode=True
    )


@_register("bm3d", "BM3D", (0.6, 0.7, 0.8, 0.9, 1.0, 1.1), slow=True)
def _block_matching(image, level, strength):
    """Dabov et al. 2007, "BM3D", as deepinv has it; strength: assumed noise, in noise levels. For
    noisy images: where all blocks are alike to the bit, deepinv 0.5 leaves pixels out, as 0."""
    noisy = torch.from_numpy(image).float()[None, None]
    return _bm3d()(noisy, strength * level).squeeze().double().numpy()


@functools.cache
def _bm3d():
    from deepinv.models import BM3D  # takes a second

    # With cosine transforms alone: those with wavelets need one more package. In steps of 64
    # patches, not 2048, it makes the same faces in half the time.
    kinds = itertools.product(("spatial", "group"), ("ht", "wiener"))
    return BM3D(False, chunk_size=64, **{f"{a}_{b}_transform": "dct" for a, b in kinds})


def apply(name: str, noisy: torch.Tensor, level: float, strength: float) -> torch.Tensor:
    """Denoise noisy (N, 1, H, W) in [0, 1] of a known level: the same shape, float32, in [0, 1];
    what is slow is kept (see `kept`). Raises UserError for an unknown method."""
    one_of("method", name, FILTERS)
    if level == 0:
        return noisy

    def denoised(noisy: torch.Tensor) -> torch.Tensor:
        images = noisy.squeeze(1).double().numpy()
        outputs = np.stack([FILTERS[name].denoise(image, level, strength) for image in images])
        return torch.from_numpy(outputs).float().unsqueeze(1).clamp(0, 1)

    facts = (name, float(level), float(strength), plans.VERSION)
    return kept(denoised, noisy, *facts) if FILTERS[name].slow else denoised(noisy)


def curves(
    clean: torch.Tensor,
    levels: Sequence[float],
    *,
    ids,
    seed: int,
    names: Sequence[str] = tuple(name for name, one in FILTERS.items() if not one.slow),
    noise: str = "gaussian",
) -> pd.DataFrame:
    """Mean SSIM for every strength of every method's grid on TRAINING faces with their own noise.

    clean: (N, 1, H, W) in [0, 1]; 64 faces are enough. ids, seed: of the noise, which is clamped;
    a seed of its own keeps it apart from the evaluation's. names: of methods. noise: a name of
    `noise.NOISES`. Returns, for levels above 0, method, noise, level, scale (the level that
    strengths are relative to: the root mean square of noise that is not Gaussian), corrected (for
    clipping, behind the method; Gaussian noise only), strength and ssim (`metrics.ssim`)."""
    levels, rows = [level for level in levels if level > 0], []
    with Progress(f"tuning, {noise}", len(names) * len(levels)) as bar:
        for level in levels:
            noisy = corrupt(clean, level, ids, seed, noise=noise)
            gaussian = noise == "gaussian"
            scale = level if gaussian else (noisy - clean).square().mean().sqrt().item()
            for name in names:
                for strength in FILTERS[name].grid:
                    output = apply(name, noisy, scale, strength)
                    versions = (output, clipping.correct(output, scale)) if gaussian else (output,)
                    for corrected, images in enumerate(versions):
                        ssim = metrics.ssim(images, clean, 1.0).mean().item()
                        rows.append((name, noise, level, scale, bool(corrected), strength, ssim))
                bar.advance(f"{name}, level {level:g}")
    columns = ["method", "noise", "level", "scale", "corrected", "strength", "ssim"]
    return pd.DataFrame(rows, columns=columns)


def best(curves: pd.DataFrame, corrected: bool = False) -> pd.DataFrame:
    """Of `curves` of one noise, the row of the best mean SSIM for each method and level, in their
    order; of equals the weaker strength. corrected: which version is to be the best."""
    version = curves[curves["corrected"] == corrected]
    return version.loc[version.groupby(["method", "level"], sort=False)["ssim"].idxmax()]
