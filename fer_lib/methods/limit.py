"""How far the best is from what is possible: what more time, data and parameters bring."""

import numpy as np
import pandas as pd

from fer_lib import evaluation, stats
from fer_lib.config import Lesson
from fer_lib.learning import Trained

#: What is varied, one at a time, and what it is counted in.
AXES = {"time": "images seen", "data": "different faces", "parameters": "parameters"}


def sizes(lesson: Lesson, trained: Trained, epoch_images: int, faces: int) -> dict[str, int]:
    """Where a training stands on each axis; `faces` is the number that there is to learn from."""
    return {
        "time": lesson.images(epoch_images, faces),
        "data": lesson.faces or faces,
        "parameters": sum(p.numel() for p in trained.model.parameters()),
    }


def trend(
    axes: dict[str, tuple[Lesson, ...]],
    places: dict[Lesson, dict[str, int]],
    scores: pd.DataFrame,
) -> pd.DataFrame:
    """One row per axis, training and level above 0: where it stands (`size`) and its SSIM.

    axes: the trainings on each axis, rising. places: of each, see `sizes`. scores: as
    `evaluation.score` returns them, methods named as the lessons are.
    """
    rows = []
    for axis, lessons in axes.items():
        for lesson in lessons:
            own = scores[(scores["method"] == lesson.name) & (scores["level"] > 0)]
            for level, group in own.groupby("level"):
                ssim = stats.mean(evaluation.matrix(group, "ssim"))
                rows.append((axis, lesson.name, places[lesson][axis], level, *ssim.values))
    columns = ["axis", "training", "size", "level", "ssim", "ssim_lo", "ssim_hi"]
    return pd.DataFrame(rows, columns=columns)


def remaining(scores: pd.DataFrame, ours: str, oracle: str) -> pd.DataFrame:
    """How far `ours` is from `oracle`, at each level above 0, both methods of `scores`.

    Returns level; by how much the oracle's SSIM is higher, paired, with its interval; and `share`,
    what ours gains over the noisy input of what the oracle gains over it. No rows where `scores`
    has no oracle. Of ours, only the trainings that an oracle has grown from count.
    """
    rows = []
    plain = scores[~scores["corrected"] & (scores["level"] > 0)]
    seeds = plain["seed"][plain["method"] == oracle]
    plain = plain[plain["seed"].isin(seeds) | (plain["method"] == "noisy")]
    for level, group in plain.groupby("level") if len(seeds) else ():
        own, best, noisy = (
            evaluation.matrix(group, "ssim", method=name) for name in (ours, oracle, "noisy")
        )
        gap = stats.difference(best, own)
        share = (own.mean() - noisy.mean()) / (best.mean() - noisy.mean())
        rows.append((level, *gap.values, share))
    return pd.DataFrame(rows, columns=["level", "gap", "lo", "hi", "share"])


def doublings(table: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """What the last doubling on each axis brought: the paired difference in SSIM of the two largest
    trainings, for each doubling that lies between them, with its interval.

    table: as `trend` returns it.
    """
    rows = []
    for (axis, level), group in table.groupby(["axis", "level"], sort=False):
        (below, small), (above, large) = group[["training", "size"]].to_numpy()[-2:]
        ours, theirs = (
            evaluation.matrix(scores, "ssim", method=name, level=level) for name in (above, below)
        )
        gain = stats.difference(ours, theirs)
        rows.append((axis, level, small, large, *(np.array(gain.values) / np.log2(large / small))))
    return pd.DataFrame(rows, columns=["axis", "level", "from", "to", "gain", "lo", "hi"])
