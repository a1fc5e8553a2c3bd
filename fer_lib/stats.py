"""Intervals, p-values and verdicts of means over trainings and images.

Scores are arrays (seeds, images): one row a training, one column a test image. A method without a
training has one row. What is compared is paired: the same images with the same noise.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize
from scipy.special import stdtrit

LEVEL = 0.95
#: What is no further from 0 is 0: sums of float64 scores near 1 differ by less, in another order.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Estimate:
    """A mean, the ends of its 95% interval, and the two-sided p-value of the mean being 0."""

    mean: float
    lo: float
    hi: float
    p: float

    @property
    def values(self) -> tuple[float, float, float]:
        return self.mean, self.lo, self.hi


def matrix(scores: pd.DataFrame, metric: str, **where) -> np.ndarray:
    """The scores of one method, protocol and level as (seeds, images), images in order of id."""
    for column, value in where.items():
        scores = scores[scores[column] == value]
    return scores.pivot(index="seed", columns="id", values=metric).to_numpy()


def mean(scores: np.ndarray) -> Estimate:
    """The mean of `scores` (seeds, images) or (images,), as `difference` from 0."""
    return difference(scores, np.zeros(scores.shape[-1]))


def difference(ours: np.ndarray, theirs: np.ndarray) -> Estimate:
    """The mean paired difference ours - theirs, (seeds, images) or (images,) each.

    Images are always paired; trainings where both have as many (training i of both started from
    seed i). Each source of chance, trainings and images, adds (t * standard error)^2 to the square
    of the half width, with Student's t for its own number (Banerjee 1960, Sankhya 22, 357-358).
    Whatever the share of each source, the interval covers in at least 95% of cases, from two
    trainings on. With one training it covers what images vary, not what training varies. With one
    image there is no interval: its ends and p are nan.
    """
    ours, theirs = np.atleast_2d(ours, theirs)
    images = ours.mean(axis=0) - theirs.mean(axis=0)
    gap = float(images.mean())
    if len(images) < 2:
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
    """The p at which the interval of level 1 - p just reaches 0, so that both always agree."""
    if gap <= ROUNDING:
        return 1.0
    lowest = -50  # log10 of the smallest p that is told from 0
    if half_width(lowest) <= gap:
        return 0.0
    return float(10 ** optimize.brentq(lambda log10_p: half_width(log10_p) - gap, lowest, 0))


def verdict(difference: Estimate, better: str, worse: str) -> str:
    """`better` or `worse` if the interval is clear of zero on that side, else "undecided"."""
    if difference.lo > ROUNDING:
        return better
    return worse if difference.hi < -ROUNDING else "undecided"


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's (1979) adjusted p-values (P,): rejecting those below a level keeps the chance of any
    false rejection below that level."""
    order = np.argsort(p, kind="stable")
    steps = p[order] * (len(p) - np.arange(len(p)))
    adjusted = np.empty_like(steps)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted
