"""The criteria of the study and their verdicts, which the README and docs/claims.md quote; every
difference is over all trainings and images at once, with the interval of `stats.difference`."""

import itertools
from collections.abc import Sequence

import jinja2
import pandas as pd

from fer_lib import stats

#: The sign of an improvement. PSNR is left out: it is infinite for a perfect output.
BETTER = {"ssim": 1, "mse": -1}
#: Of verdicts, one a row: `difference`, in `metric`, is "better" or "worse" by the sign in BETTER,
#: or "undecided" if its 95% interval contains 0.
COLUMNS = ["question", "protocol", "metric", "baseline", "at"]
COLUMNS += ["difference", "lo", "hi", "p", "verdict"]
ONE_TRAINING = "One training: the intervals leave out what training varies."


def words(template: str, **facts) -> str:
    """The Markdown that a template of the library makes of facts."""
    loader = jinja2.PackageLoader("fer_lib", ".")
    environment = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined)
    return environment.get_template(template).render(facts)


def p_text(p: float) -> str:
    """A p-value as text, without digits where it is too small for them to be reliable."""
    return "p < 1e-6" if p < 1e-6 else f"p = {p:.2g}"


def answers(
    scores: pd.DataFrame, method: str, baselines: Sequence[str] = ("noisy",)
) -> pd.DataFrame:
    """A table with COLUMNS, for each metric of BETTER. RQ1, is `method` effective? The method minus
    each of `baselines`, for each protocol and level. RQ2, does the level matter? The method at a
    level minus the same at the next lower one; the baseline is empty. scores: of
    `evaluation.score`."""
    rows = []
    for baseline, metric in itertools.product((*baselines, ""), BETTER):
        for protocol, group in scores.groupby("protocol", sort=False):
            levels = group["level"].unique().tolist()
            cases = {f"{at:g}": ((method, at), (baseline, at)) for at in levels}
            if not baseline:
                steps = itertools.pairwise(sorted(levels))
                cases = {f"{a:g} to {b:g}": ((method, b), (method, a)) for a, b in steps}
            for at, pair in cases.items():
                each = (stats.matrix(group, metric, method=m, level=x) for m, x in pair)
                gap = stats.difference(*each)
                verdict = stats.verdict(gap, *("better", "worse")[:: BETTER[metric]])
                row = ("RQ1" if baseline else "RQ2", protocol, metric, baseline, at)
                rows.append((*row, *gap.values, gap.p, verdict))
    return pd.DataFrame(rows, columns=COLUMNS)


def counts(answers: pd.DataFrame, metric: str) -> pd.DataFrame:
    """In how many cases with noise the output is clearly better or worse: a row per question and
    baseline with cases, better and worse, and the last two again where Holm's correction over the
    cases leaves them (5%): better_holm, worse_holm."""
    rows, found = answers[(answers["metric"] == metric) & (answers["at"] != "0")], {}
    for key, part in rows.groupby(["question", "baseline"], sort=False, dropna=False):
        firm = stats.holm(part["p"].to_numpy()) < 1 - stats.LEVEL
        up, down = (part["verdict"] == word for word in ("better", "worse"))
        found[key] = [len(part), up.sum(), down.sum(), (up & firm).sum(), (down & firm).sum()]
    columns = ["cases", "better", "worse", "better_holm", "worse_holm"]
    return pd.DataFrame.from_dict(found, orient="index", columns=columns)


def summary(answers: pd.DataFrame, name: str) -> str:
    """`counts` in words for what is called `name`, in Markdown, a paragraph a metric."""
    found = {metric: counts(answers, metric).itertuples(index=False) for metric in BETTER}
    return words("verdicts.j2", name=name, counts=found)
