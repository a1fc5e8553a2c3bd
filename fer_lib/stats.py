"""Intervals, p-values and verdicts of means over trainings and images. Scores are arrays (seeds,
images): one row per training (one without), one column per test image."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize
from scipy.special import stdtrit

LEVEL = 0.95
#: A difference up to this counts as 0: the order of summation changes float64 means by less.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Estimate:
    """A mean, the ends of its 95% interval, and the two-sided p-value for a true mean of 0."""

    mean: float
    lo: float
    hi: float
    p: float

    @property
    def values(self) -> tuple[float, float, float]:
        return self.mean, self.lo, self.hi


def matrix(scores: pd.DataFrame, metric: str, **where) -> np.ndarray:
    """Scores of a method, protocol and level, chosen by `where`: (seeds, images sorted by id)."""
    for column, value in where.items():
        scores = scores[scores[column] == value]
    order = np.lexsort((scores["id"], scores["seed"]))  # several times as fast as pivot
    return scores[metric].to_numpy()[order].reshape(scores["seed"].nunique(), -1)


def mean(scores: np.ndarray) -> Estimate:
    """The mean of `scores` (seeds, images) or (images,), with the interval of `difference`."""
    return difference(scores, np.zeros(scores.shape[-1]))


def difference(ours: np.ndarray, theirs: np.ndarray) -> Estimate:
    """The mean paired difference ours - theirs, (seeds, images) or (images,) each.

    Images (with the same noise) are always paired; so are trainings if both sides have equally many
    (row i of both has the same seed). The squared half width is the sum of (t * standard error)^2
    over the sources of chance, trainings and images, with Student's t for the number of each
    (Banerjee 1960, Sankhya 22, 357-358). From two trainings on, the interval covers the true
    difference in at least 95% of cases, whatever each source contributes. With one training it
    leaves out the variation between trainings. One image, or an infinite score, gives nan for them.
    """
    ours, theirs = np.atleast_2d(ours, theirs)
    images = ours.mean(axis=0) - theirs.mean(axis=0)
    gap = float(images.mean())
    if len(images) < 2 or not np.isfinite(images).all():
        return Estimate(gap, np.nan, np.nan, np.nan)
    unpaired = len(ours) != len(theirs) and min(len(ours), len(theirs)) > 1
    sides = (ours, theirs) if unpaired else (ours - theirs,)
    sources = [images, *(side.mean(axis=1) for side in sides if len(side) > 1)]
    errors = np.array([source.std(ddof=1) / len(source) ** 0.5 for source in sources])
    freedom = np.array([len(source) - 1 for source in sources])

    def half_width(log10_p: float) -> float:
        return np.hypot.reduce(stdtrit(freedom, 10**log10_p / 2) * errors)

    half = float(half_width(np.log10(1 - LEVEL)))
    return Estimate(gap, gap - half, gap + half, _p_value(abs(gap), half_width))


def _p_value(gap: float, half_width) -> float:
    """The p whose interval of level 1 - p just reaches 0, so p and interval always agree."""
    if gap <= ROUNDING:
        return 1.0
    lowest = -50  # log10 of the smallest p that is distinguished from 0
    if half_width(lowest) <= gap:
        return 0.0
    return float(10 ** optimize.brentq(lambda log10_p: half_width(log10_p) - gap, lowest, 0))


def verdict(difference: Estimate, better: str, worse: str) -> str:
    """`better` if the whole interval is above 0, `worse` if it is below, else "undecided"."""
    if difference.lo > ROUNDING:
        return better
    return worse if difference.hi < -ROUNDING else "undecided"


def holm(p: np.ndarray) -> np.ndarray:
    """p-values (P,) adjusted by Holm's method (1979): if those below a level are rejected, the
    probability of any false rejection is at most that level."""
    order = np.argsort(p, kind="stable")
    steps = p[order] * (len(p) - np.arange(len(p)))
    return np.minimum(np.maximum.accumulate(steps), 1)[np.argsort(order)]
