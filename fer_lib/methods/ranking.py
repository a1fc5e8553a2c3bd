"""Who leads and by how much, what works on other noise, and what more learning would bring."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fer_lib import stats
from fer_lib.methods.plans import Schedule
from fer_lib.methods.table import Reference

#: A leader, its rivals in words, and their names.
Race = tuple[str, str, list[str]]


def races(references: dict[str, Reference]) -> list[Race]:
    """Who is set against whom: ours that learns from clean images against all that does not learn
    from noise, ours that learns from noise against all, and the same after no more images than its
    rivals had. Other versions of the leader are no rivals.
    """

    def rivals(leader: str, *, clean: bool = False) -> list[str]:
        return [
            name
            for name, reference in references.items()
            if reference.family != references[leader].family
            and not (clean and reference.learns in ("pairs", "noisy"))
        ]

    versions = [name for name, reference in references.items() if reference.family == "compact"]
    shorter = [name for name in versions if name not in ("compact", "compact-mirrored")]
    few = "all methods, after no more images than other networks had"
    clean = "all that learns from nothing or from clean images"
    return [
        ("mixture", clean, rivals("mixture", clean=True)),
        ("compact-mirrored", "all methods", rivals("compact-mirrored")),
        *((name, few, rivals(name)) for name in shorter),
    ]


def lead(scores: pd.DataFrame, races: Sequence[Race]) -> pd.DataFrame:
    """How far the leader of each race is ahead of each of its rivals, at each level above 0.

    scores: as `evaluation.score` returns them. The leader counts as it is; of a rival the better
    version counts, which can only make the lead smaller. Returns leader, among, level, method, the
    paired difference in SSIM with its interval, and p after Holm's correction over all rows of the
    race.
    """
    tables = []
    scores = scores[scores["level"] > 0]
    for leader, among, rivals in races:
        rows = []
        for level, group in scores.groupby("level"):
            ours = stats.matrix(group, "ssim", method=leader, corrected=False)
            for name in rivals:
                gain = stats.difference(ours, _best(group[group["method"] == name]))
                rows.append((leader, among, level, name, *gain.values, gain.p))
        columns = ["leader", "among", "level", "method", "difference", "lo", "hi", "p_holm"]
        table = pd.DataFrame(rows, columns=columns)
        tables.append(table.assign(p_holm=stats.holm(table["p_holm"].to_numpy())))
    return pd.concat(tables, ignore_index=True)


def _best(scores: pd.DataFrame) -> np.ndarray:
    """The SSIM (seeds, images) of the better version of one method at one level."""
    versions = [stats.matrix(group, "ssim") for _, group in scores.groupby("corrected")]
    return max(versions, key=np.mean)


def smallest_gains(scores: pd.DataFrame) -> pd.DataFrame:
    """Of each method under each noise its smallest gain in SSIM over doing nothing, over levels.

    Returns method, noise, the gain with its interval (`gain`, `lo`, `hi`), of all levels those with
    the smallest `lo`, and `generalises`: whether that is above 0.
    """
    rows = []
    for (noise, _), group in scores.groupby(["noise", "level"], sort=False):
        nothing = stats.matrix(group, "ssim", method="noisy")
        for name, part in group[group["method"] != "noisy"].groupby("method", sort=False):
            gain = stats.difference(stats.matrix(part, "ssim"), nothing)
            rows.append((name, noise, *gain.values))
    table = pd.DataFrame(rows, columns=["method", "noise", "gain", "lo", "hi"])
    smallest = table.loc[table.groupby(["method", "noise"], sort=False)["lo"].idxmin()]
    return smallest.assign(generalises=smallest["lo"] > stats.ROUNDING).reset_index(drop=True)


#: What `trend` varies, one at a time, and what it is counted in.
AXES = {"time": "images seen", "data": "different faces", "parameters": "parameters"}


def trend(
    axes: dict[str, Sequence[Schedule]], sizes: dict[str, dict[str, int]], scores: pd.DataFrame
) -> pd.DataFrame:
    """One row per axis, training and level above 0: where it stands (`size`) and its SSIM.

    axes: the trainings on each axis, rising. sizes: of each by its name, the place on every axis.
    scores: as `evaluation.score` returns them, methods named as the trainings are.
    """
    rows = []
    for axis, schedules in axes.items():
        for name in (schedule.name for schedule in schedules):
            noisy = scores[(scores["method"] == name) & (scores["level"] > 0)]
            for level, group in noisy.groupby("level"):
                ssim = stats.mean(stats.matrix(group, "ssim"))
                rows.append((axis, name, sizes[name][axis], level, *ssim.values))
    columns = ["axis", "training", "size", "level", "ssim", "ssim_lo", "ssim_hi"]
    return pd.DataFrame(rows, columns=columns)


def doublings(table: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """What the last doubling on each axis brought: the paired difference in SSIM of the two largest
    trainings, for each doubling that lies between them, with its interval.

    table: as `trend` returns it.
    """
    rows = []
    for (axis, level), group in table.groupby(["axis", "level"], sort=False):
        (below, small), (above, large) = group[["training", "size"]].to_numpy()[-2:]
        pair = (stats.matrix(scores, "ssim", method=m, level=level) for m in (above, below))
        gain = np.array(stats.difference(*pair).values) / np.log2(large / small)
        rows.append((axis, level, small, large, *gain))
    return pd.DataFrame(rows, columns=["axis", "level", "from", "to", "gain", "lo", "hi"])
