"""Find twins, images that show nearly the same: copies, also moved, cut or turned a bit. The
correlation of their pixels, one of them mirrored or not, is above LIMIT, or each is of one gray."""

from fractions import Fraction

import numpy as np

LIMIT = Fraction(95, 100)
BLOCK = 6  # pixels: 8x8 blocks in a face of 48x48


def pairs(images: np.ndarray, *, rows: int = 1000) -> np.ndarray:
    """All pairs of twins in `images` (N, 48, 48) uint8: positions (m, 2) int32, sorted.
    Products of small vectors (`_sketch`), `rows` images at a time, give an upper bound of each
    correlation in float32. The few pairs near or above LIMIT are then compared in whole numbers,
    so all processors find the same pairs. FER+ has 638 million pairs, which take seven seconds."""
    starts, sketches, twins = range(0, len(images), rows), {}, set()
    for step in (1, -1):
        parts = [_sketch(images[i : i + rows, :, ::step]) for i in starts]
        sketches[step] = np.concatenate(parts)
    for start in starts:
        for step in (1, -1):
            bounds = sketches[1][start : start + rows] @ sketches[step][start:].T
            near = np.flatnonzero(bounds > float(LIMIT) - 1e-3)  # much faster than np.nonzero
            first, second = np.divmod(near, bounds.shape[1])
            for i, j in zip(first + start, second + start, strict=True):
                if i < j and _similar(images[i], images[j, :, ::step]):
                    twins.add((i, j))
    return np.array(sorted(twins), np.int32).reshape(-1, 2)


def _sketch(images: np.ndarray) -> np.ndarray:
    """Vectors (N, 65) float32, whose products are not below the correlations of the images. The
    correlation is the product of the images at mean 0 and length 1. The means of blocks are 64
    coordinates of these; the last number is the length of what they leave out, whose product is at
    most that of the lengths (Cauchy and Schwarz)."""
    count, height, width = images.shape
    centred = images - images.mean((1, 2), keepdims=True, dtype=np.float32)
    centred /= np.maximum(np.linalg.norm(centred, axis=(1, 2), keepdims=True), 1e-9)
    blocks = centred.reshape(count, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    kept = blocks.mean((2, 4)).reshape(count, -1) * BLOCK
    rest = np.sqrt(np.maximum(0, 1 - np.square(kept).sum(1, keepdims=True)))
    return np.hstack([kept, rest])


def _similar(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two images (48, 48) correlate above LIMIT, without any rounding."""
    both = np.stack([one.ravel(), other.ravel()]).astype(np.int64)
    sums = both.sum(axis=1)
    # Variances and covariance, times the square of the number of pixels.
    (xx, xy), (_, yy) = (both.shape[1] * (both @ both.T) - np.outer(sums, sums)).tolist()
    return xx == yy == 0 or (xy > 0 and xy**2 > LIMIT**2 * xx * yy)
