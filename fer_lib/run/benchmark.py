"""How much faster SSIM is here than in a loop over scikit-image: `python -m fer_lib.run.benchmark`."""

import itertools
import timeit

import numpy as np
import pandas as pd
import skimage.metrics
import torch

from fer_lib import metrics

#: What scikit-image is told for each window.
OPTIONS = {
    "uniform": {},
    "gaussian": {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False},
}


def loop(images, reference, data_range: torch.Tensor, window: str) -> np.ndarray:
    """SSIM of each image by scikit-image, one image after the other: -> (N,)."""
    pairs = zip(images.numpy(), reference.numpy(), data_range.tolist(), strict=True)
    options = {"channel_axis": 0, **OPTIONS[window]}
    ssim = skimage.metrics.structural_similarity
    return np.array([ssim(x, y, data_range=span, **options) for x, y, span in pairs])


def faces(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Noisy and clean stand-ins for faces (N, 3, 96, 96), and each clean one's range (N,)."""
    random = torch.Generator().manual_seed(0)
    clean = torch.rand(count, 3, 12, 12, generator=random, dtype=torch.float64)
    clean = torch.nn.functional.interpolate(clean, size=(96, 96), mode="bilinear")
    noisy = clean + 0.1 * torch.randn(clean.shape, generator=random, dtype=torch.float64)
    return noisy, clean, clean.flatten(1).amax(1) - clean.flatten(1).amin(1)


def compare(count: int = 64, repeats: int = 5) -> pd.DataFrame:
    """Both on `count` images, one row per window and range.

    Returns window, range, threads (of ours: the loop has one), loop_ms and ours_ms (per image, the
    least of `repeats`), ratio, and difference, the largest of any image.
    """
    noisy, clean, own = faces(count)
    ranges = {"1": torch.ones(count), "2": torch.full((count,), 2.0), "own": own}
    rows = []
    for window, (name, span) in itertools.product(OPTIONS, ranges.items()):
        measured = _measure((noisy, clean, span, window), repeats)
        rows.append((window, name, torch.get_num_threads(), *measured))
    columns = ["window", "range", "threads", "loop_ms", "ours_ms", "ratio", "difference"]
    return pd.DataFrame(rows, columns=columns)


def _measure(case: tuple, repeats: int) -> tuple[float, float, float, float]:
    """Milliseconds per image of both, their ratio, and the largest difference of the results."""
    difference = np.abs(loop(*case) - metrics.ssim(*case).numpy()).max()  # the first call compiles
    both = (lambda: loop(*case)), (lambda: metrics.ssim(*case))
    timed = [[timeit.timeit(f, number=1) for f in both] for _ in range(repeats)]
    theirs, ours = 1000 * np.min(timed, axis=0) / len(case[0])
    return theirs, ours, theirs / ours, difference


if __name__ == "__main__":
    print(compare().to_string(index=False))
