"""The criteria of the study and their verdicts, which the README and docs/claims.md quote; every
difference is over all trainings and images at once, with the interval of `stats.difference`."""

import itertools
from collections.abc import Sequence

import pandas as pd

from fer_lib import stats
from fer_lib.stats import matrix

#: The sign of an improvement. PSNR is left out: it is infinite for a perfect output.
BETTER = {"ssim": 1, "mse": -1}
COLUMNS = ["question", "protocol", "metric", "baseline", "at", "difference", "lo", "hi", "verdict"]
#: The question that is asked, by baseline.
ASKED = {
    "noisy": "better than doing nothing",
    "blur": "better than one Gaussian blur",
    "": "does more noise make it worse",
}
ONE_TRAINING = "One training: the intervals leave out what training varies."


def p_text(p: float) -> str:
    """A p-value as text, without digits where it is too small for them to be reliable."""
    return "p < 1e-6" if p < 1e-6 else f"p = {p:.2g}"


def answers(
    scores: pd.DataFrame, method: str, baselines: Sequence[str] = ("noisy",)
) -> pd.DataFrame:
    """The tables of `rq1`, against each baseline, and of `rq2`, in all metrics of BETTER."""
    parts = [rq1(scores, method, over=name, metric=m) for name in baselines for m in BETTER]
    return pd.concat([*parts, *(rq2(scores, method, metric=m) for m in BETTER)], ignore_index=True)


def rq1(
    scores: pd.DataFrame, method: str, *, over: str = "noisy", metric: str = "ssim"
) -> pd.DataFrame:
    """Is `method` effective? "effective" if it scores better than the baseline `over`, "harmful" if
    worse, "undecided" if the 95% interval of the paired difference contains 0. scores: of
    `evaluation.score`. Returns a table with COLUMNS, one row per protocol and level; `difference`
    is `metric` of the method minus that of the baseline."""
    rows, words = [], ("effective", "harmful")
    for (protocol, level), group in scores.groupby(["protocol", "level"], sort=False):
        pair = (matrix(group, metric, method=name) for name in (method, over))
        rows.append(_row("RQ1", protocol, metric, over, f"{level:g}", *pair, words))
    return pd.DataFrame(rows, columns=COLUMNS)


def rq2(scores: pd.DataFrame, method: str, *, metric: str = "ssim") -> pd.DataFrame:
    """Does the level matter? "worse" or "better" is the score of `method` at a level compared with
    the next lower level, "undecided" if the 95% interval of the paired difference contains 0.
    Returns a table with COLUMNS, one row per protocol and pair of neighbouring levels; `difference`
    is `metric` at the higher level minus that at the lower one, the baseline is empty."""
    rows, words = [], ("better", "worse")
    for protocol, group in scores.groupby("protocol", sort=False):
        for low, high in itertools.pairwise(sorted(group["level"].unique())):
            pair = (matrix(group, metric, method=method, level=level) for level in (high, low))
            rows.append(_row("RQ2", protocol, metric, "", f"{low:g} to {high:g}", *pair, words))
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(question, protocol, metric, baseline, at, ours, theirs, words) -> tuple:
    gap = stats.difference(ours, theirs)
    verdict = stats.verdict(gap, *words[:: BETTER[metric]])
    return question, protocol, metric, baseline, at, *gap.values, verdict


def sentences(answers: pd.DataFrame, metric: str = "ssim") -> list[str]:
    """The verdicts of `answers` by one metric, in Markdown: a line per question and baseline."""
    chosen = answers[answers["metric"] == metric]
    groups = chosen.groupby(["question", "baseline"], sort=False)
    return [f"**{name}** ({ASKED[over]}): {_by_protocol(rows)}." for (name, over), rows in groups]


def summary(answers: pd.DataFrame, name: str, metric: str = "ssim") -> str:
    """Both questions in words, for what is called `name`: in how many cases with noise."""
    rows = answers[(answers["metric"] == metric) & (answers["at"] != "0")]
    yes = rows["verdict"].isin(["effective", "worse"]).groupby([rows["question"], rows["baseline"]])
    blur, noisy, steps = yes.agg(["sum", "size"]).itertuples(index=False)
    return (
        f"**{name} is better than doing nothing in {noisy.sum} of {noisy.size} cases with noise, "
        f"and better than one Gaussian blur in {blur.sum}; its output is worse where there is more "
        f"noise in {steps.sum} of {steps.size} steps.**"
    )


def _by_protocol(rows: pd.DataFrame) -> str:
    """The verdicts on one question as text; protocols with the same verdicts share a clause."""
    same = {}
    for protocol, verdicts in rows.groupby("protocol", sort=False):
        parts = verdicts.groupby("verdict", sort=False)["at"].agg(", ".join)
        answer = ", ".join(f"{verdict} at {at}" for verdict, at in parts.items())
        same.setdefault(answer, []).append(f"*{protocol}*")
    if len(same) == 1:
        return f"{answer}, in all protocols"
    return "; ".join(f"{answer} ({', '.join(names)})" for answer, names in same.items())
