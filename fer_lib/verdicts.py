"""The criteria of the study and their verdicts: what the README or a claim quotes is decided here.

Differences, intervals and p-values are those of `stats`: over all trainings and images at once.
"""

import itertools

import numpy as np
import pandas as pd

from fer_lib import evaluation, stats

#: The sign of a better score.
BETTER = {"ssim": 1, "psnr": 1, "mse": -1}
VANISHED = 10  # times smaller: below, gradients count as vanished


def p_text(p: float) -> str:
    """A p-value in words: far tails are not known to their digits."""
    return "p < 1e-6" if p < 1e-6 else f"p = {p:.2g}"


def questions(
    scores: pd.DataFrame, method: str, *, baseline: str = "noisy", metric: str = "ssim"
) -> pd.DataFrame:
    """The answers to RQ1 (at each level) and RQ2 (from each level to the next) for `method`.

    scores: as `evaluation.score` returns them, with rows of `method` and `baseline`.
    RQ1: the method is effective (harmful) at a level if it scores better (worse) than the baseline,
    the 95% interval of the paired difference clear of zero. RQ2: it gets worse (better) from a
    level to the next, by the same rule. Returns one row per question, protocol and comparison:
    question, protocol, at, difference (method minus baseline; higher level minus lower), lo, hi
    and verdict.
    """
    rows = []
    for protocol, group in scores.groupby("protocol", sort=False):
        levels = sorted(group["level"].unique())
        ours, theirs = (
            {level: evaluation.matrix(group, metric, method=name, level=level) for level in levels}
            for name in (method, baseline)
        )
        pairs = [("RQ1", f"{level:g}", ours[level], theirs[level]) for level in levels]
        pairs += [
            ("RQ2", f"{low:g} to {high:g}", ours[high], ours[low])
            for low, high in itertools.pairwise(levels)
        ]
        for question, at, these, those in pairs:
            words = ("effective", "harmful") if question == "RQ1" else ("better", "worse")
            gap = stats.difference(these, those)
            verdict = stats.verdict(gap, *words[:: BETTER[metric]])
            rows.append((question, protocol, at, *gap.values, verdict))
    columns = ["question", "protocol", "at", "difference", "lo", "hi", "verdict"]
    return pd.DataFrame(rows, columns=columns)
