"""Figures of the audit (chapter 5): tables in, a matplotlib Figure out."""

from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from fer_lib import paper
from fer_lib.figures import COLOURS

#: Okabe and Ito's colours, in the order of the procedures that a figure names.
LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
LEVEL_COLOURS = ("#440154", "#31688E", "#35B779", "#C9A400")


def fits(table: pd.DataFrame, named: dict[str, int]) -> Figure:
    """Both tables: every procedure as a thin line, `named` ones (label -> number) and the paper.

    table: rows of one width: procedure, level, ssim_mean, mse.
    """
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
    for axis, column in zip(axes, ("ssim_mean", "mse"), strict=True):
        wide = table.pivot(index="level", columns="procedure", values=column)
        lines = [list(zip(wide.index, line, strict=True)) for line in np.unique(wide.T, axis=0)]
        # One collection: thousands of lines of their own would take seconds to draw.
        thin = LineCollection(lines, colors=".75", linewidths=0.4, alpha=0.5, zorder=1)
        axis.add_collection(thin, autolim=False)
        for (label, number), colour in zip(named.items(), LINES, strict=False):
            axis.plot(wide.index, wide[number], "o-", color=colour, label=label, zorder=3)
        axis.set(xlabel="noise factor", xticks=wide.index)
    printed = paper.tables()
    half = printed["ssim"] - printed["ssim_lo"]
    diamond = {"fmt": "D", "color": COLOURS["paper"], "ms": 7, "zorder": 4, "label": "the paper"}
    axes[0].errorbar(printed["level"], printed["ssim"], yerr=half, capsize=4, **diamond)
    axes[1].errorbar(printed["level"], printed["mse"], **diamond)
    axes[0].set(ylabel="SSIM (Table I)", ylim=(-0.15, 1.05))
    axes[1].set(ylabel="MSE (Table II)", yscale="log", ylim=(5e-4, 1))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def profile(best: pd.DataFrame) -> Figure:
    """What each choice costs: the best score that each value of an axis allows.

    best: axis, value, score (log-likelihood below the best of all, so at most 0).
    """
    best = best[best.groupby("axis")["value"].transform("nunique") > 1]
    axes_names = best["axis"].drop_duplicates().tolist()
    options = {"figsize": (10, 6.4), "sharex": True, "layout": "constrained"}
    figure, axes = plt.subplots(3, -(-len(axes_names) // 3), **options)
    for axis in axes.flat[len(axes_names) :]:
        axis.set_axis_off()
    for axis in axes.flat[len(axes_names) - axes.shape[1] : len(axes_names)]:
        axis.tick_params(labelbottom=True)  # the lowest of each column
    for axis, name in zip(axes.flat, axes_names, strict=False):
        rows = best[best["axis"] == name].iloc[::-1]
        axis.barh(rows["value"], -rows["score"], color=LINES[0], height=0.6)
        axis.set_title(name, fontsize=11)
        axis.grid(axis="y", visible=False)
        axis.tick_params(labelsize=9)
    figure.get_layout_engine().set(h_pad=0.08)
    axes[0][0].set_xscale("symlog", linthresh=10)
    axes[0][0].set_xlim(0, max(10.0, -best["score"].min() * 1.5))
    figure.supxlabel("log-likelihood lost against the best procedure", fontsize=11)
    return figure


def ten_values(scores: dict[str, dict[float, np.ndarray]]) -> Figure:
    """SSIM of single images under named procedures at each level, and the paper's ten values."""
    levels = list(next(iter(scores.values())))
    figure, axes = plt.subplots(
        1, len(levels), figsize=(10, 4), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, level in zip(axes[0], levels, strict=True):
        columns = [found[level] for found in scores.values()]
        parts = axis.violinplot(columns, showextrema=False, widths=0.85)
        for body, colour in zip(parts["bodies"], LINES, strict=False):
            body.set(facecolor=colour, alpha=0.45)
        ten = paper.SSIM_SAMPLES[level]
        axis.plot(np.full(len(ten), len(columns) + 1), ten, "D", color="black", ms=4.5)
        axis.axhline(0, color=".5", lw=1)
        axis.set(title=f"factor {level:g}", xticks=[])
    axes[0][0].set_ylabel("SSIM of one image")
    handles = [*parts["bodies"], *axes[0][-1].get_lines()[:1]]
    figure.legend(handles, [*scores, "the paper's ten"], loc="outside lower center", ncols=3)
    return figure


def widths(table: pd.DataFrame, predicted: pd.DataFrame) -> Figure:
    """One procedure's numbers against the width, with its prediction for width 1.

    table: width, level, ssim_mean, mse. predicted: level, ssim, ssim_lo, ssim_hi and so for mse.
    """
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    names = (("ssim_mean", "ssim", paper.SSIM), ("mse", "mse", paper.MSE))
    for axis, (column, metric, printed) in zip(axes, names, strict=True):
        for place, (level, rows) in enumerate(table.groupby("level")):
            colour = LEVEL_COLOURS[place % len(LEVEL_COLOURS)]
            axis.plot(rows["width"], rows[column], "o", color=colour, label=f"factor {level:g}")
            goal = predicted[predicted["level"] == level].iloc[0]
            x = 2.0 ** (0.13 * (place - 1.5))  # side by side
            axis.plot([rows["width"].iloc[-1], x], [rows[column].iloc[-1], goal[metric]], ":",
                      color=colour, lw=1)  # fmt: skip
            ends = np.abs(goal[[f"{metric}_lo", f"{metric}_hi"]].astype(float) - goal[metric])
            axis.errorbar(x, goal[metric], yerr=ends.to_numpy()[:, None], fmt="s", color=colour,
                          capsize=4, mfc="white")  # fmt: skip
            axis.plot(2.0 ** (1 + 0.13 * (place - 1.5)), printed[level], "D", color=colour)
        axis.set_xscale("log", base=2)
        places = sorted({*table["width"], 1.0})
        axis.set_xticks([*places, 2], [*(str(Fraction(place)) for place in places), "paper"])
        axis.set(xlabel="width")
    axes[0].set_ylabel("SSIM")
    axes[1].set(ylabel="MSE", yscale="log")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def bars(table: pd.DataFrame, values: dict[str, str]) -> Figure:
    """A panel for each of `values` (column -> label): bars by level, coloured by kind of image.

    table: level, images, and the columns.
    """
    figure, axes = plt.subplots(1, len(values), figsize=(10, 3.6), layout="constrained")
    for axis, (column, label) in zip(np.atleast_1d(axes), values.items(), strict=True):
        wide = table.pivot_table(values=column, index="level", columns="images", sort=False)
        wide.plot.bar(ax=axis, color=LINES, width=0.75, rot=0, legend=False)
        axis.set(xlabel="noise factor", ylabel=label)
        axis.grid(axis="x", visible=False)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def terms(images: list[tuple[str, np.ndarray]], maps: list[tuple[str, np.ndarray]]) -> Figure:
    """Gray images (H, W) in [0, 1], then maps in [-1, 1] where red is negative."""
    count = len(images) + len(maps)
    figure, axes = plt.subplots(1, count, figsize=(10, 10 / count + 0.6), layout="constrained")
    for axis, (label, image) in zip(axes, images, strict=False):
        axis.imshow(image, cmap="gray", vmin=0, vmax=1)
        axis.set_title(label, fontsize=10)
    for axis, (label, image) in zip(axes[len(images) :], maps, strict=True):
        drawn = axis.imshow(image, cmap="RdBu", vmin=-1, vmax=1)
        axis.set_title(label, fontsize=10)
    for axis in axes:
        axis.set(xticks=[], yticks=[])
    figure.colorbar(drawn, ax=axes[-1], fraction=0.046)
    return figure


def spectra(powers: dict[str, pd.DataFrame]) -> Figure:
    """Shares of power by spatial frequency, a line each."""
    figure, axis = plt.subplots(figsize=(7, 3.8), layout="constrained")
    for (label, power), colour in zip(powers.items(), LINES, strict=False):
        axis.plot(power["frequency"], power["share"], color=colour, label=label)
    axis.set(xlabel="cycles per pixel (96x96)", ylabel="share of the error's power")
    axis.legend(fontsize=9)
    return figure


def rise(curves: dict[str, pd.Series]) -> Figure:
    """MSE against the noise factor, relative to factor 0, for named readings and the paper."""
    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    for (label, values), colour in zip(curves.items(), LINES, strict=False):
        axis.plot(values.index, values / values.iloc[0], "o-", color=colour, label=label)
    printed = pd.Series(paper.MSE)
    axis.plot(printed.index, printed / printed.iloc[0], "D", color="black", label="the paper")
    axis.set(xlabel="noise factor", ylabel="MSE relative to factor 0", yscale="log")
    axis.set_xticks(printed.index)
    for ticks in (axis.yaxis.set_major_formatter, axis.yaxis.set_minor_formatter):
        ticks("{x:g}")
    axis.legend(fontsize=9)
    return figure
