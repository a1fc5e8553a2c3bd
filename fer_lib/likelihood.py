"""How well procedures explain the paper's two tables (chapter 5).

Three facts are weighed at each level: the mean of the ten printed SSIM values, their standard
deviation, and the printed MSE with its rounding. What the same procedure would give with another
training is taken from the spread of its numbers about their trend over the widths.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.stats

from fer_lib import paper, stats

TEN = 10  # images in the paper's table I
TESTED = 800  # images in the paper's table II
LOWEST = -700.0  # log-likelihoods below are cut: they no longer differ in meaning


@dataclass(frozen=True)
class Trend:
    """Straight lines over log2(width), one per procedure and level, and the scatter about them.

    at_one: (P, L) the lines' values at width 1.
    spread: (P,) residual SD, pooled over levels; 0 without degrees of freedom.
    df: degrees of freedom of a procedure's spread.
    stretch: SD of a new training's value at width 1 about the line, in units of `spread`.
    """

    at_one: np.ndarray
    spread: np.ndarray
    df: int
    stretch: float


def trend(widths: np.ndarray, values: np.ndarray) -> Trend:
    """Least squares of `values` (W, P, L) on log2 of `widths` (W,), one training each."""
    x = np.log2(widths)
    design = np.stack([np.ones_like(x), x], axis=1)[:, : min(2, len(x))]
    flat = values.reshape(len(x), -1)
    line = np.linalg.pinv(design) @ flat
    residual = (flat - design @ line).reshape(values.shape)
    df = (len(x) - design.shape[1]) * values.shape[2]
    spread = np.sqrt((residual**2).sum(axis=(0, 2)) / max(df, 1))
    stretch = np.sqrt(1 + np.linalg.pinv(design.T @ design)[0, 0])
    return Trend(line[0].reshape(values.shape[1:]), spread, df, float(stretch))


@dataclass(frozen=True)
class Expected:
    """What procedures give: (P, L) each, and the spread (P, 1) and df of another training.

    ssim, sd: mean and SD of SSIM over images. log_mse and its standard error from the images.
    """

    ssim: np.ndarray
    sd: np.ndarray
    log_mse: np.ndarray
    log_mse_error: np.ndarray
    ssim_spread: np.ndarray
    mse_spread: np.ndarray
    df: int


@dataclass(frozen=True)
class Weighed:
    """Log-likelihoods (P, L) of tables I and II, and p-values (P,) of both and of each; `p_mse`
    (P, L) is that of each printed MSE."""

    table1: np.ndarray
    table2: np.ndarray
    p: np.ndarray
    p_table1: np.ndarray
    p_table2: np.ndarray
    p_mse: np.ndarray

    @property
    def scores(self) -> np.ndarray:
        return self.table1 + self.table2


def weigh(expected: Expected, levels) -> Weighed:
    """How likely the paper's facts are under each procedure.

    p-values combine the two-sided ones of single facts as a chi-square with one degree a fact.
    """
    parts = [_mean(expected, levels), _deviation(expected, levels), _loss(expected, levels)]
    mean, deviation, loss = (np.maximum(score, LOWEST) for score, _ in parts)
    p = np.stack([np.minimum(value, 1) for _, value in parts])
    combined = [_combined(p), _combined(p[:2]), _combined(p[2:])]
    return Weighed(mean + deviation, loss, *combined, p[2])


def _combined(p: np.ndarray) -> np.ndarray:
    """One p-value (P,) of the independent facts (F, P, L)."""
    square = scipy.stats.norm.isf(p / 2) ** 2
    return scipy.stats.chi2.sf(square.sum(axis=(0, 2)), p.shape[0] * p.shape[2])


def _law(df: int):
    return scipy.stats.t(df) if df else scipy.stats.norm


def _mean(e: Expected, levels) -> tuple[np.ndarray, np.ndarray]:
    """The mean of ten: Student's t, of the images' and the training's spread together."""
    ten = np.array([np.mean(paper.SSIM_SAMPLES[level]) for level in levels])
    scale = np.sqrt(e.sd**2 / TEN + e.ssim_spread**2)
    t = (ten - e.ssim) / scale
    return _law(e.df).logpdf(t) - np.log(scale), 2 * _law(e.df).sf(np.abs(t))


def _deviation(e: Expected, levels) -> tuple[np.ndarray, np.ndarray]:
    """The SD of ten, of a normal sample: a scaled chi."""
    ten = np.array([np.std(paper.SSIM_SAMPLES[level], ddof=1) for level in levels])
    square = (TEN - 1) * (ten / e.sd) ** 2
    law = scipy.stats.chi2(TEN - 1)
    p = 2 * np.minimum(law.cdf(square), law.sf(square))
    return law.logpdf(square) + np.log(2 * square / ten), p


def _loss(e: Expected, levels) -> tuple[np.ndarray, np.ndarray]:
    """The MSE: the chance that it would be printed with just these digits."""
    ends = np.log([paper.mse_ends(level) for level in levels]).T[:, None, :]  # (2, 1, L)
    scale = np.sqrt(e.log_mse_error**2 + e.mse_spread**2)
    lo, hi = (ends - e.log_mse) / scale
    outside = np.maximum(np.maximum(lo, -hi), 0)  # how far the interval is from what is expected
    near, far = np.where(lo > 0, lo, -hi), np.where(lo > 0, hi, -lo)
    law = _law(e.df)
    with np.errstate(divide="ignore"):
        across, beside = np.log(law.cdf(hi) - law.cdf(lo)), np.log(law.sf(near) - law.sf(far))
    return np.where(lo * hi < 0, across, beside), 2 * law.sf(outside)


def cube(table: pd.DataFrame, column: str) -> np.ndarray:
    """A column of the audit's table as (widths, procedures, levels), widths and levels rising."""
    wide = table.pivot(index=["width", "procedure"], columns="level", values=column)
    return wide.sort_index().to_numpy().reshape(table["width"].nunique(), -1, wide.shape[1])


def assess(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The audit's table with its `score` per row, and the ranking: one row a procedure.

    The ranking has, at the widest network and as predicted for width 1 (suffix `_at_1`), the score
    over all levels, and Holm's corrected p-values of both tables and of each, best first.
    """
    widths, levels = (np.sort(table[name].unique()) for name in ("width", "level"))
    columns = ("ssim_mean", "ssim_sd", "mse", "mse_sd")
    ssim, sd, mse, mse_sd = (cube(table, column) for column in columns)
    sd = np.maximum(sd, 1e-6)  # without noise, noisy against clean is 1 for every image
    error = mse_sd / mse * np.sqrt(1 / TESTED + 1 / table["n"].iloc[0])
    lines = trend(widths, ssim), trend(widths, np.log(mse))
    spreads = [line.spread[:, None] for line in lines]
    measured = zip(ssim, sd, np.log(mse), error, strict=True)
    here = [Expected(*values, *spreads, lines[0].df) for values in measured]
    weighed = [weigh(expected, levels) for expected in here]
    stretched = [line.stretch * spread for line, spread in zip(lines, spreads, strict=True)]
    at_one = [np.tanh(trend(widths, _open(ssim)).at_one), sd[-1], lines[1].at_one, error[-1]]
    predicted = weigh(Expected(*at_one, *stretched, lines[0].df), levels)
    table = table.sort_values(["width", "procedure", "level"])
    table["score"] = np.concatenate([found.scores.ravel() for found in weighed])
    table["mse_inside"] = np.concatenate([found.p_mse.ravel() for found in weighed]) >= 0.05
    return table, _ranking(weighed[-1], predicted)


def _ranking(widest: Weighed, predicted: Weighed) -> pd.DataFrame:
    columns = {}
    for suffix, found in (("", widest), ("_at_1", predicted)):
        columns[f"score{suffix}"] = found.scores.sum(axis=1)
        columns[f"score_table1{suffix}"] = found.table1.sum(axis=1)
        columns[f"score_table2{suffix}"] = found.table2.sum(axis=1)
        for name in ("p", "p_table1", "p_table2"):
            columns[f"{name}{suffix}"] = stats.holm(getattr(found, name))
    ranking = pd.DataFrame(columns).rename_axis("procedure").reset_index()
    return ranking.sort_values("score", ascending=False, kind="stable")


def _open(ssim: np.ndarray) -> np.ndarray:
    """SSIM on Fisher's scale, where a straight line cannot lead beyond 1."""
    return np.arctanh(np.clip(ssim, -0.9999, 0.9999))


def predictions(table: pd.DataFrame, chosen) -> pd.DataFrame:
    """Each of the paper's eight numbers at width 1 with a 95% prediction interval.

    Lines over log2 of the width, of SSIM on Fisher's scale and of the logarithm of MSE.

    Rows: chosen procedure and level, with `ssim`, `ssim_lo`, `ssim_hi` and the same for `mse`;
    the ends are missing where there are too few widths.
    """
    widths, levels = (np.sort(table[name].unique()) for name in ("width", "level"))
    found = table[table["procedure"].isin(chosen)]
    names = np.sort(found["procedure"].unique())
    keys = pd.MultiIndex.from_product([names, levels], names=["procedure", "level"])
    rows = pd.DataFrame(index=keys)
    for metric, column, forth, back in (
        ("ssim", "ssim_mean", _open, np.tanh),
        ("mse", "mse", np.log, np.exp),
    ):
        line = trend(widths, forth(cube(found, column)))
        half = _law(line.df).ppf(0.975) * line.stretch * line.spread[:, None]
        half = half if line.df else np.full_like(half, np.nan)
        for suffix, ends in (("", 0 * half), ("_lo", -half), ("_hi", half)):
            middle = line.at_one if suffix == "" else line.at_one + ends
            rows[f"{metric}{suffix}"] = back(middle).ravel()
    return rows.reset_index()
