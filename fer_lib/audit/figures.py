"""Figures of chapter 5: tables in, a matplotlib Figure out."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fer_lib import paper

#: Of the noise factors, from none to strong, with marks that tell them apart without colour.
LEVELS = ("#440154", "#31688E", "#2A9D6B", "#B8860B")
MARKS = "osD^"
NETWORKS = ("#0072B2", "#56B4E9", "#D55E00", "#CC79A7")
READINGS = {
    "code": "output with clean face:\nwhat the code computes",
    "search": "noisy image with clean face:\nwhat our blind search had found",
}


def readings(table: pd.DataFrame) -> Figure:
    """Each printed SSIM of table I beside two readings of it, measured in the paper's own figures.

    table: the rows of docs/paper_figures.csv that have an id.
    """
    options = {"figsize": (9, 4.9), "sharex": True, "sharey": True, "layout": "constrained"}
    figure, axes = plt.subplots(1, len(READINGS), **options)
    for axis, (reading, title) in zip(axes, READINGS.items(), strict=True):
        axis.axline((0, 0), slope=1, color=".6", lw=1)
        for (level, rows), colour, mark in zip(table.groupby("level"), LEVELS, MARKS, strict=False):
            axis.plot(rows["printed"], rows[reading], mark, color=colour, label=f"factor {level:g}")
        gap = (table[reading] - table["printed"]).abs()
        note = f"off by {gap.mean():.3f} in the mean,\n{gap.max():.3f} at most"
        axis.text(0.04, 0.95, note, transform=axis.transAxes, va="top", fontsize=11)
        axis.set(xlabel="SSIM printed in table I", aspect="equal")
        axis.set_title(title, fontsize=12)
    axes[0].set_ylabel("SSIM measured in figures 6 to 9")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def losses(history: pd.DataFrame, floor: float) -> Figure:
    """Training losses, beside the paper's figure 4.

    history: label, epoch, train_loss. floor: the lowest that a sigmoid can reach.
    """
    figure, axis = plt.subplots(figsize=(8, 4.4), layout="constrained")
    for (label, rows), colour in zip(history.groupby("label", sort=False), NETWORKS, strict=False):
        axis.plot(rows["epoch"], rows["train_loss"], color=colour, label=label, lw=2)
    epochs = np.arange(len(paper.FIGURE_4)) + 1
    axis.plot(epochs, paper.FIGURE_4, "D", color="black", ms=4.5, label="the paper's figure 4")
    axis.axhline(floor, color=".35", ls="--", lw=1.2)
    note = f"no sigmoid gets below {floor:.3f}"
    axis.text(epochs[-1], 0.96 * floor, note, ha="right", va="top", fontsize=11, color=".25")
    axis.set(xlabel="epoch", ylabel="training loss (MSE on [-1, 1])", ylim=(0, None))
    axis.legend(loc="upper right")
    return figure


def tables(table: pd.DataFrame, scores: pd.DataFrame) -> Figure:
    """Tables I and II beside the paper's, with single images behind the means of table I.

    table: label and the columns of `procedure.summarise`. scores: of `procedure.score`, its first.
    """
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
    single = dict(tuple(scores.groupby("level")["ssim"]))
    violins = axes[0].violinplot(
        list(single.values()), list(single), widths=0.09, showextrema=False
    )
    for body in violins["bodies"]:
        body.set(facecolor=NETWORKS[0], alpha=0.25)
    axes[0].axhline(0, color=".4", lw=1)
    printed = paper.tables().assign(
        mse_lo=list(paper.MSE.values()), mse_hi=list(paper.MSE.values())
    )
    lines = [*table.groupby("label", sort=False), ("the paper", printed)]
    for axis, metric in zip(axes, ("ssim", "mse"), strict=True):
        for place, (label, rows) in enumerate(lines):
            last = place == len(lines) - 1
            style = (
                {"color": "black", "fmt": "D"} if last else {"color": NETWORKS[place], "fmt": "o-"}
            )
            x = rows["level"] + 0.012 * (place - 1)
            axis.errorbar(x, rows[metric], _ends(rows, metric), label=label, capsize=4, **style)
        axis.set(xlabel="noise factor", xticks=printed["level"])
    for level, ten in paper.SSIM_SAMPLES.items():
        axes[0].plot(np.full(len(ten), level + 0.035), ten, "D", color="black", ms=3, alpha=0.6)
    axes[0].set(ylabel="SSIM", title="Table I: single images, means of ten")
    axes[1].set(ylabel="MSE", title="Table II: one batch / number of batches", ylim=(0, None))
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _ends(rows: pd.DataFrame, metric: str) -> np.ndarray:
    """How far the ends of the intervals are from their middle, as `errorbar` wants it: (2, n)."""
    middle, low, high = (rows[name].to_numpy() for name in (metric, f"{metric}_lo", f"{metric}_hi"))
    return np.stack([middle - low, high - middle])


def ladder(table: pd.DataFrame) -> Figure:
    """From the printed number to the honest one, a row a rung. table: of `procedure.ladder`."""
    ways = dict(tuple(table.groupby("way", sort=False)))
    counts = [rows["rung"].nunique() for rows in ways.values()]
    options = {"figsize": (10, 7.4), "sharex": "col", "sharey": "row", "layout": "constrained"}
    figure, axes = plt.subplots(len(ways), 2, height_ratios=counts, **options)
    titles = ("one after the other, from the top", "each alone")
    for line, rows, title in zip(axes, ways.values(), titles, strict=True):
        names = rows["rung"].unique()
        for axis, metric, printed in zip(
            line, ("ssim", "mse"), (paper.SSIM, paper.MSE), strict=True
        ):
            _rungs(axis, rows, metric, printed)
        line[0].set_yticks(range(len(names)), names)
        line[0].set_title(title, loc="left", fontsize=12)
        line[0].invert_yaxis()
    axes[-1][0].set_xlabel("SSIM")
    axes[-1][1].set(xlabel="MSE", xscale="log")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def _rungs(axis: plt.Axes, rows: pd.DataFrame, metric: str, printed: dict) -> None:
    """A line a noise factor through all rungs, the printed numbers hollow beside the first."""
    for place, (level, group) in enumerate(rows.groupby("level")):
        y = np.arange(len(group)) + 0.17 * (place - 1.5)
        style = {"color": LEVELS[place], "fmt": MARKS[place], "ms": 5, "capsize": 2, "lw": 1.2}
        label = f"factor {level:g}"
        axis.errorbar(group[metric], y, xerr=_ends(group, metric), label=label, **style)
        label = "" if place else "printed"
        axis.plot(printed[level], -0.75, MARKS[place], color="black", mfc="none", label=label)
