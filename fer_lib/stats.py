"""Intervals and verdicts. All intervals are 95% and come from a seeded percentile bootstrap.

Scores are arrays (seeds, images): one row a training, one column a test image. A method without a
training has one row. What is compared is paired: the same images with the same noise.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean and the ends of its 95% interval."""

    mean: float
    lo: float
    hi: float

    @property
    def values(self) -> tuple[float, float, float]:
        return self.mean, self.lo, self.hi


def mean(scores: np.ndarray, resamples: int, seed: int = 0) -> Estimate:
    """The mean of `scores` (seeds, images) or (images,), with a hierarchical bootstrap interval.

    Each resample draws trainings, then images, both with replacement; the images are the same for
    all trainings, which keeps the pairing (Davison & Hinkley 1997, section 3.8).
    """
    return difference(scores, np.zeros_like(scores), resamples, seed)


def difference(ours: np.ndarray, theirs: np.ndarray, resamples: int, seed: int = 0) -> Estimate:
    """The mean paired difference ours - theirs, (seeds, images) or (images,) each.

    Images are paired always; rows where both have as many (training i of both started from seed i).
    Otherwise each side's trainings are drawn on their own.
    """
    draws = _draws(ours, theirs, resamples, seed)
    lo, hi = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(ours.mean() - theirs.mean()), float(lo), float(hi))


def p_value(ours: np.ndarray, theirs: np.ndarray, resamples: int, seed: int = 0) -> float:
    """Two-sided p of a `difference` of zero: normal, with the standard error of its bootstrap."""
    gap, error = abs(ours.mean() - theirs.mean()), _draws(ours, theirs, resamples, seed).std(ddof=1)
    return float(2 * ndtr(-gap / error) if error > 0 else gap == 0)


def _draws(ours: np.ndarray, theirs: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """(resamples,): the mean difference in each resample."""
    ours, theirs = np.atleast_2d(ours, theirs)
    rng = np.random.default_rng(seed)
    rows = other_rows = _weights(len(ours), resamples, rng)
    if len(theirs) != len(ours):
        other_rows = _weights(len(theirs), resamples, rng)
    columns = _weights(ours.shape[1], resamples, rng)
    return ((rows @ ours - other_rows @ theirs) * columns).sum(axis=1)


def verdict(difference: Estimate, better: str, worse: str) -> str:
    """`better` or `worse` if the interval is clear of zero on that side, else "undecided"."""
    if difference.lo > 0:
        return better
    return worse if difference.hi < 0 else "undecided"


def subset_means(scores: np.ndarray, size: int, resamples: int, seed: int = 0) -> np.ndarray:
    """Means of `size` different images, drawn `resamples` times: (images, ...) -> (resamples, ...).

    All columns share the draws. Raises ValueError if there are fewer images than `size`.
    """
    rng = np.random.default_rng(seed)
    weights = np.zeros((resamples, len(scores)))
    for row in weights:
        row[rng.choice(len(scores), size, replace=False)] = 1 / size
    return weights @ scores


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's (1979) adjusted p-values (P,): rejecting those below a level keeps the chance of any
    false rejection below that level."""
    order = np.argsort(p, kind="stable")
    steps = p[order] * (len(p) - np.arange(len(p)))
    adjusted = np.empty_like(steps)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def _weights(size: int, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """(resamples, size): how often each of `size` is drawn, as fractions that sum to 1."""
    return rng.multinomial(size, np.full(size, 1 / size), size=resamples) / size
