"""Figures of the references: tables in, a matplotlib Figure out."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fer_lib import figures

#: Okabe and Ito's colours, one for each thing to learn from, and its name in a legend.
COLOURS = {"nothing": "#999999", "clean": "#0072B2", "pairs": "#D55E00", "noisy": "#009E73"}
LEARNS = {
    "nothing": "nothing learnt",
    "clean": "clean images",
    "pairs": "noisy and clean images",
    "noisy": "noisy images alone",
}


def tuning(curves: pd.DataFrame, labels: dict[str, str]) -> Figure:
    """SSIM on training faces against strength, a panel a method, a line a level, the best marked.

    curves: method, level, strength, ssim, of one version.
    """
    methods = curves["method"].unique()
    rows = -(-len(methods) // 4)
    figure, axes = plt.subplots(
        rows, 4, figsize=(10, 2.5 * rows), sharey=True, squeeze=False, layout="constrained"
    )
    shades = _shades(curves["level"])
    for axis, name in zip(axes.flat, methods, strict=False):
        for level, line in curves[curves["method"] == name].groupby("level"):
            best = line.loc[line["ssim"].idxmax()]
            axis.plot(
                line["strength"], line["ssim"], color=shades[level], label=f"factor {level:g}"
            )
            axis.plot(best["strength"], best["ssim"], "o", ms=5, color=shades[level])
        axis.set_title(labels[name], fontsize=11)
    for axis in axes.flat[len(methods) :]:
        axis.set_visible(False)
    figure.supylabel("SSIM")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def ranking(table: pd.DataFrame) -> Figure:
    """Every method's SSIM with its interval, a panel a level, the best on top of the last one.

    table: method, label, learns, level, ssim, ssim_lo, ssim_hi and the same corrected (hollow).
    """
    levels = sorted(table["level"].unique())
    order = table[table["level"] == levels[-1]].sort_values("ssim")["method"].tolist()
    figure, axes = plt.subplots(
        1, len(levels), figsize=(10, 0.27 * len(order) + 1.3), sharey=True, layout="constrained",
        squeeze=False,
    )  # fmt: skip
    for axis, level in zip(axes[0], levels, strict=True):
        rows = table[table["level"] == level].set_index("method").loc[order]
        for metric, style, shift in (("ssim", {}, 0), ("ssim_corrected", {"mfc": "white"}, -0.25)):
            for learns, group in rows.groupby("learns", sort=False):
                place = np.array([order.index(name) for name in group.index]) + shift
                spread = np.abs(
                    group[[f"{metric}_lo", f"{metric}_hi"]].T - group[metric]
                ).to_numpy()
                axis.errorbar(
                    group[metric], place, xerr=spread, fmt="o", ms=4.5, color=COLOURS[learns],
                    label=LEARNS[learns] if metric == "ssim" else None, **style,
                )  # fmt: skip
        axis.set(title=f"factor {level:g}", xlabel="SSIM")
        axis.set_yticks(range(len(order)), rows["label"])
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


#: What a method costs, by column of cost.csv.
COSTS = {"milliseconds": "ms an image, one core", "flops": "operations an image"}


def quality_and_cost(table: pd.DataFrame) -> Figure:
    """SSIM against time and arithmetic for an image, a column a level; numbers name the methods,
    larger dots keep more numbers.

    table: method, label, learns, parameters, level, ssim and those of COSTS, in the order of
    numbering. Methods whose arithmetic is not counted are not in its panels.
    """
    levels = sorted(table["level"].unique())
    figure, axes = plt.subplots(
        len(COSTS), len(levels), figsize=(10, 7.6), sharex="row", sharey="col", squeeze=False,
        layout="constrained",
    )  # fmt: skip
    numbers = {name: number for number, name in enumerate(table["method"].unique(), 1)}
    for line, (column, meaning) in zip(axes, COSTS.items(), strict=True):
        for axis, level in zip(line, levels, strict=True):
            rows = table[(table["level"] == level) & table[column].notna()]
            _numbered(axis, rows[column], rows, numbers)
            axis.set(title=f"factor {level:g}", xscale="log", xlabel=meaning)
        line[0].set_ylabel("SSIM")
    for learns, colour in COLOURS.items():
        axes[0][0].scatter([], [], color=colour, label=LEARNS[learns])
    figure.legend(loc="outside lower center", ncols=4)
    return figure


def _numbered(axis, cost: pd.Series, rows: pd.DataFrame, numbers: dict[str, int]) -> None:
    """Each method as a dot with its number beside it."""
    sizes = 12 + 9 * np.log10(rows["parameters"])
    axis.scatter(cost, rows["ssim"], sizes, color=rows["learns"].map(COLOURS), alpha=0.85)
    for place, ssim, name in zip(cost, rows["ssim"], rows["method"], strict=True):
        axis.annotate(
            numbers[name], (place, ssim), xytext=(4, 3), textcoords="offset points", fontsize=8
        )


def noise_types(table: pd.DataFrame, labels: dict[str, str], meanings: dict[str, str]) -> Figure:
    """SSIM against the level, one panel a noise, one line a method with its interval.

    table: method, noise, level, ssim, ssim_lo, ssim_hi. labels: of the methods, in their order;
    meanings: what the level of each noise is.
    """
    noises = table["noise"].unique()
    figure, axes = plt.subplots(2, 2, figsize=(10, 7.4), sharey=True, layout="constrained")
    colours = dict(zip(labels, figures.sns.color_palette("colorblind", len(labels)), strict=True))
    for axis, noise in zip(axes.flat, noises, strict=True):
        for name in labels:
            line = table[(table["noise"] == noise) & (table["method"] == name)]
            spread = np.abs(line[["ssim_lo", "ssim_hi"]].T - line["ssim"]).to_numpy()
            axis.errorbar(
                line["level"], line["ssim"], yerr=spread, fmt="o-", ms=4, capsize=2,
                color=colours[name], label=labels[name],
            )  # fmt: skip
        axis.set(title=noise, xlabel=meanings[noise], xticks=line["level"])
        if noise == "poisson":
            axis.invert_xaxis()  # fewer photons are more noise
        axis.set_ylabel("SSIM")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def restored(clean: np.ndarray, rows: Sequence[tuple[str, np.ndarray, np.ndarray]]) -> Figure:
    """Faces and, beside each, what is left of error: clean (n, H, W); rows of (label, images
    (n, H, W) in [0, 1], scores (n,)). Red is too bright, blue too dark, full at 0.5."""
    count = len(clean)
    figure, axes = plt.subplots(
        len(rows) + 1, 2 * count, figsize=(10, 10 / (2 * count) * 1.2 * (len(rows) + 1)),
        gridspec_kw={"wspace": 0.03, "hspace": 0.22},
    )  # fmt: skip
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.grid(visible=False)
        figures.sns.despine(ax=axis, left=True, bottom=True)
    for line, (label, images, scores) in zip(axes, [("clean", clean, None), *rows], strict=True):
        line[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
        for n in range(count):
            line[2 * n].imshow(images[n], cmap="gray", vmin=0, vmax=1)
            if scores is None:
                line[2 * n + 1].set_visible(False)
                continue
            line[2 * n].set_title(f"{scores[n]:.2f}", fontsize=8, pad=2)
            line[2 * n + 1].imshow(images[n] - clean[n], cmap="RdBu_r", vmin=-0.5, vmax=0.5)
    return figure


def trend(table: pd.DataFrame, meanings: dict[str, str]) -> Figure:
    """SSIM against size, one panel an axis, one line a level, with intervals.

    table: axis, size, level, ssim, ssim_lo, ssim_hi. meanings: what is counted on each axis.
    """
    names = table["axis"].unique()
    figure, axes = plt.subplots(
        1, len(names), figsize=(10, 3.8), sharey=True, squeeze=False, layout="constrained"
    )
    shades = _shades(table["level"])
    for axis, name in zip(axes[0], names, strict=True):
        for level, line in table[table["axis"] == name].groupby("level"):
            spread = np.abs(line[["ssim_lo", "ssim_hi"]].T - line["ssim"]).to_numpy()
            axis.errorbar(
                line["size"], line["ssim"], yerr=spread, fmt="o-", ms=4, capsize=3,
                color=shades[level], label=f"factor {level:g}",
            )  # fmt: skip
        axis.set(title=name, xscale="log", xlabel=meanings[name])
        axis.minorticks_off()
        ticks = sorted(table.loc[table["axis"] == name, "size"].unique())
        labels = [f"{tick:,.0f}" for tick in ticks]
        axis.set_xticks(ticks, labels, fontsize=9, rotation=30, ha="right")
    axes[0][0].set_ylabel("SSIM")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _shades(levels: pd.Series) -> dict[float, tuple]:
    """A colour for each level, darker for more noise."""
    levels = sorted(levels.unique())
    return dict(zip(levels, plt.cm.viridis(np.linspace(0.75, 0, len(levels))), strict=True))
