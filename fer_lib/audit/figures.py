"""Figures of chapter 5: tables in, a matplotlib Figure out."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fer_lib import paper
from fer_lib.config import NETWORKS
from fer_lib.figures import STYLES
from fer_lib.tools.plots import LEVELS, legend, line, panels, spread

#: Marks of the noise factors, weakest first, which distinguish them without colour.
MARKS = "osD^"
#: Of the trainings of one figure, which are told apart by the line; the colour is the method's.
DASHES = ("-", "--", ":", "-.")
READINGS = {
    "code": "output with clean face:\nwhat the code computes",
    "search": "noisy image with clean face:\nwhat our blind search had found",
}
WAYS = {"cumulative": "one after the other, from the top", "alone": "each alone"}


def readings(table: pd.DataFrame) -> Figure:
    """Each SSIM printed in table I against two readings of it, measured in the paper's figures;
    table: the rows of docs/paper_figures.csv with an id of 0 or more (faces found in FER+)."""
    figure, axes = panels(2, 2, 4.9, sharex=True)
    figure.set_figwidth(9)
    for axis, (reading, title) in zip(axes, READINGS.items(), strict=True):
        axis.axline((0, 0), slope=1, color=".6", lw=1)
        for (level, rows), colour, mark in zip(table.groupby("level"), LEVELS, MARKS, strict=False):
            axis.plot(rows["printed"], rows[reading], mark, color=colour, label=f"factor {level:g}")
        gap = (table[reading] - table["printed"]).abs()
        note = f"off by {gap.mean():.3f} in the mean,\n{gap.max():.3f} at most"
        axis.text(0.04, 0.95, note, transform=axis.transAxes, va="top", fontsize=11)
        axis.set(title=title, xlabel="SSIM printed in table I", aspect="equal")
    axes[0].set_ylabel("SSIM measured in figures 6 to 9")
    legend(figure, axes[0])
    return figure


def losses(history: pd.DataFrame, bounds: dict[str, float], printed: dict) -> Figure:
    """Training losses, a kind of line a label and a line a seed, with the paper's printed curves.
    history: label, network, seed, epoch, train_loss; networks without additions have their own
    colour. bounds: the losses "floor", the lowest for a sigmoid, and optionally "constant", of the
    best constant image. printed: by label, one loss per epoch."""
    figure, axis = plt.subplots(figsize=(8, 5), layout="constrained")
    groups = history.groupby(["label", "network"], sort=False)
    for ((label, network), rows), dashes in zip(groups, itertools.cycle(DASHES)):
        method = "cae" if NETWORKS[network].blocks and NETWORKS[network].residual else "cae-plain"
        look = {"color": STYLES[method]["color"], "ls": dashes, "lw": 2, "alpha": 0.8}
        for number, (_, run) in enumerate(rows.groupby("seed")):
            axis.plot(run["epoch"], run["train_loss"], label="" if number else label, **look)
    for (label, values), mark in zip(printed.items(), "Ds", strict=False):
        style = {"color": "black", "ms": 4.5, "mfc": "black" if mark == "D" else "white"}
        axis.plot(range(1, len(values) + 1), values, mark, label=label, **style)
    notes = {"floor": "no sigmoid gets below", "constant": "best constant image:"}
    for name, value in bounds.items():
        axis.axhline(value, color=".35", ls="--", lw=1.2)
        note, look = f"{notes[name]} {value:.3f}", {"ha": "right", "va": "top", "size": 11}
        axis.text(history["epoch"].max(), 0.96 * value, note, color=".25", **look)
    axis.set(xlabel="epoch", ylabel="training loss (MSE on [-1, 1])", ylim=(0, None))
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def tables(table: pd.DataFrame, scores: pd.DataFrame) -> Figure:
    """Our tables I and II beside the paper's, single images behind the means of table I. table:
    label and the columns of `procedure.summarise`. scores: `procedure.score`, first label."""
    figure, axes = panels(2, 2, 4.6, sharey=False)
    single = dict(tuple(scores.groupby("level")["ssim"]))
    violins = axes[0].violinplot([*single.values()], [*single], widths=0.09, showextrema=False)
    plt.setp(violins["bodies"], facecolor=(blue := STYLES["cae"]["color"]), alpha=0.25)
    axes[0].axhline(0, color=".4", lw=1)
    printed = paper.tables()
    printed[["mse_lo", "mse_hi"]] = printed[["mse", "mse"]].to_numpy()
    groups = [*table.groupby("label", sort=False), ("the paper", printed)]
    for axis, metric in zip(axes, ("ssim", "mse"), strict=True):
        for place, (label, rows) in enumerate(groups):
            ours = {"fmt": MARKS[place % 4] + DASHES[place % 4], "color": blue}
            style = {"fmt": "D", "color": "black"} if label == "the paper" else ours
            style |= {"ms": 6, "capsize": 4, "label": label}
            line(axis, rows, metric, by="level", shift=0.012 * (place - 1), **style)
        axis.set(xlabel="noise factor", xticks=paper.LEVELS)
    for level, ten in paper.SSIM_SAMPLES.items():
        axes[0].plot([level + 0.035] * len(ten), ten, "D", color="black", ms=3, alpha=0.6)
    axes[0].set(ylabel="SSIM", title="Table I: single images, means of ten")
    axes[1].set(ylabel="MSE", title="Table II: one batch / number of batches", ylim=(0, None))
    legend(figure, axes[0])
    return figure


def ladder(table: pd.DataFrame) -> Figure:
    """From the printed number to the honest one, one row per rung; table: `procedure.ladder`."""
    counts = table.groupby("way", sort=False)["rung"].nunique()
    figure, axes = panels(4, 2, 3.7, sharex="col", sharey="row", height_ratios=counts)
    for (left, right), way in zip(axes.reshape(-1, 2), counts.index, strict=True):
        rows = table[table["way"] == way]
        _rungs(left, rows, "ssim", paper.SSIM)
        _rungs(right, rows, "mse", paper.MSE)
        left.set_yticks(range(counts[way]), rows["rung"].unique())
        left.set_title(WAYS[way], loc="left")
        left.invert_yaxis()
    axes[-2].set_xlabel("SSIM")
    axes[-1].set(xlabel="MSE", xscale="log")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def _rungs(axis: plt.Axes, rows: pd.DataFrame, metric: str, printed: dict) -> None:
    """One line per noise factor through all rungs; hollow marks at the top: printed numbers."""
    for place, (level, group) in enumerate(rows.groupby("level")):
        y = np.arange(len(group)) + 0.17 * (place - 1.5)
        style = {"color": LEVELS[place], "fmt": MARKS[place], "ms": 5, "capsize": 2, "lw": 1.2}
        label = f"factor {level:g}"
        axis.errorbar(group[metric], y, xerr=spread(group, metric), label=label, **style)
        label = "" if place else "printed"
        axis.plot(printed[level], -0.75, MARKS[place], color="black", mfc="none", label=label)
