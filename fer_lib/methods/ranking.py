"""Who leads and by how much, what works on other noise, and what more learning would bring."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fer_lib import evaluation, stats
from fer_lib.methods.plans import Schedule
from fer_lib.methods.table import Reference

#: A leader, its rivals in words, and their names.
Race = tuple[str, str, list[str]]


def races(references: dict[str, Reference]) -> list[Race]:
    """Who is set against whom: ours that learns from clean images against all that does not learn
    from noise, ours that learns from noise against all, and the same after no more images than its
    rivals had. Other versions of the leader are no rivals."""

    def rivals(leader: str, without: tuple[str, ...] = ()) -> list[str]:
        own = references[leader].family
        others = ((name, r) for name, r in references.items() if r.family != own)
        return [name for name, r in others if r.learns not in without]

    # A shorter training states its epochs: "compact, 8 epochs".
    shorter = [name for name in references if name.startswith("compact, ")]
    few = "all methods, after no more images than other networks had"
    clean = "all that learns from nothing or from clean images"
    return [
        ("mixture", clean, rivals("mixture", without=("pairs", "noisy"))),
        ("compact-mirrored", "all methods", rivals("compact-mirrored")),
        *((name, few, rivals(name)) for name in shorter),
    ]


def lead(scores: pd.DataFrame, races: Sequence[Race], metric: str = "ssim") -> pd.DataFrame:
    """How far the leader of each race is ahead of each of its rivals, at each level above 0:
    leader, among, level, method, the paired difference in `metric` (above 0: ahead), its interval,
    and p after Holm's correction over all rows of the race. scores: of `evaluation.score`. The
    leader counts as it is; of a rival the better version, which can only make the lead smaller."""
    tables, sign = [], evaluation.MEASURES[metric]
    for leader, among, rivals in races:
        rows = []
        for level, group in scores[scores["level"] > 0].groupby("level"):
            ours = sign * stats.matrix(group, metric, method=leader, corrected=False)
            for name in rivals:
                versions = group[group["method"] == name].groupby("corrected")
                each = (sign * stats.matrix(part, metric) for _, part in versions)
                theirs = max(each, key=np.mean)
                gain = stats.difference(ours, theirs)
                rows.append((leader, among, level, name, *gain.values, gain.p))
        columns = ["leader", "among", "level", "method", "difference", "lo", "hi", "p_holm"]
        table = pd.DataFrame(rows, columns=columns)
        tables.append(table.assign(p_holm=stats.holm(table["p_holm"].to_numpy())))
    return pd.concat(tables, ignore_index=True)


def firsts(pooled: pd.DataFrame, metric: str) -> list[str]:
    """The best methods by `metric`, at each level above 0 from weak to strong noise, each once."""
    noisy = pooled[pooled["level"] > 0]
    signed = noisy[metric] * evaluation.MEASURES[metric]
    return [*noisy.loc[signed.groupby(noisy["level"]).idxmax(), "method"].unique()]


def clear(table: pd.DataFrame) -> pd.Series:
    """Which rows are ahead beyond doubt, after Holm's correction."""
    return (table["difference"] > 0) & (table["p_holm"] < 1 - stats.LEVEL)


def told(row: pd.Series) -> str:
    """A difference with its interval, of a table of this module; in brackets where it is not clear
    after Holm's correction."""
    text = f"{row['difference']:+.3f} [{row['lo']:+.3f}, {row['hi']:+.3f}]"
    return text if row.get("p_holm", 0) < 1 - stats.LEVEL else f"({text})"


def against_filters(scores: pd.DataFrame, filters: Sequence[str]) -> pd.DataFrame:
    """How far each method is ahead of the best of `filters` by mean SSIM at each level of a noise:
    noise, level, filter, method, the paired difference in SSIM, its interval, and p after Holm's
    correction over all rows of the method."""
    rows = []
    for (noise, level), group in scores.groupby(["noise", "level"], sort=False):
        best = group[group["method"].isin(filters)].groupby("method")["ssim"].mean().idxmax()
        theirs = stats.matrix(group, "ssim", method=best)
        for name in group["method"][~group["method"].isin(filters)].unique():
            gap = stats.difference(stats.matrix(group, "ssim", method=name), theirs)
            rows.append((noise, level, best, name, *gap.values, gap.p))
    columns = ["noise", "level", "filter", "method", "difference", "lo", "hi", "p_holm"]
    table = pd.DataFrame(rows, columns=columns)
    corrected = table.groupby("method")["p_holm"].transform(lambda p: stats.holm(p.to_numpy()))
    return table.assign(p_holm=corrected)


#: What `trend` varies, one at a time, and what it counts.
AXES = {"time": "images seen", "data": "different faces", "parameters": "parameters"}


def trend(
    axes: dict[str, Sequence[Schedule]], sizes: dict[str, dict[str, int]], scores: pd.DataFrame
) -> pd.DataFrame:
    """One row per axis, training and level above 0: where it stands (`size`) and its SSIM. axes:
    the trainings on each axis, rising. sizes: of each by its name, the place on every axis. scores:
    of `evaluation.score`, methods named as the trainings are."""
    rows = [(axis, s.name, sizes[s.name][axis]) for axis, line in axes.items() for s in line]
    table = pd.DataFrame(rows, columns=["axis", "training", "size"])
    pooled = evaluation.pool(scores[scores["level"] > 0]).set_index("method")
    means = pooled[["level", "ssim", "ssim_lo", "ssim_hi"]]
    return table.join(means, on="training").reset_index(drop=True)


def doublings(table: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """What the last doubling on each axis brought: the paired difference in SSIM of the two largest
    trainings, for each doubling that lies between them, with its interval. table: of `trend`."""
    rows = []
    for (axis, level), group in table.groupby(["axis", "level"], sort=False):
        (below, small), (above, large) = group[["training", "size"]].to_numpy()[-2:]
        pair = (stats.matrix(scores, "ssim", method=m, level=level) for m in (above, below))
        gain = np.array(stats.difference(*pair).values) / np.log2(large / small)
        rows.append((axis, level, small, large, *gain))
    return pd.DataFrame(rows, columns=["axis", "level", "from", "to", "gain", "lo", "hi"])
