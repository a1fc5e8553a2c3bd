"""Figures of chapters 6 to 8: tables in, a matplotlib Figure out."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fer_lib.figures import COLOURS
from fer_lib.methods.filters import FILTERS
from fer_lib.methods.ranking import AXES
from fer_lib.noise import NOISES
from fer_lib.tools.plots import legend, line, panels, spread

#: What a method learns from: in a legend, and its colour (Okabe and Ito).
LEARNS = {
    "nothing": ("nothing learnt", "#999999"),
    "clean": ("clean images", "#0072B2"),
    "pairs": ("noisy and clean images", "#D55E00"),
    "noisy": ("noisy images alone", "#009E73"),
}
#: What a method costs, by column of cost.csv.
COSTS = {"milliseconds": "ms an image, one core", "flops": "operations an image"}


def _shades(levels: pd.Series) -> dict[float, tuple]:
    """A colour for each level, darker for more noise."""
    levels = sorted(levels.unique())
    return dict(zip(levels, plt.cm.viridis(np.linspace(0.75, 0, len(levels))), strict=True))


def tuning(curves: pd.DataFrame) -> Figure:
    """SSIM on training faces against strength, a panel a filter, a line a level, the best marked.

    curves: method, level, strength, ssim, of one version.
    """
    methods = curves["method"].unique()
    figure, axes = panels(len(methods), columns=4, height=2.5)
    shades = _shades(curves["level"])
    for axis, name in zip(axes, methods, strict=True):
        for level, rows in curves[curves["method"] == name].groupby("level"):
            best = rows.loc[rows["ssim"].idxmax()]
            options = {"color": shades[level]}
            axis.plot(rows["strength"], rows["ssim"], label=f"factor {level:g}", **options)
            axis.plot(best["strength"], best["ssim"], "o", ms=5, **options)
        axis.set_title(FILTERS[name].label, fontsize=11)
    figure.supylabel("SSIM")
    legend(figure, axes[0])
    return figure


def ranking(table: pd.DataFrame) -> Figure:
    """Every method's SSIM with its interval, a panel a level, the best on top of the last one.

    table: method, label, learns, level, ssim, ssim_lo, ssim_hi and the same corrected (hollow).
    """
    levels = sorted(table["level"].unique())
    order = table[table["level"] == levels[-1]].sort_values("ssim")["method"].tolist()
    figure, axes = panels(len(levels), len(levels), height=0.27 * len(order) + 1.3)
    for axis, level in zip(axes, levels, strict=True):
        rows = table[table["level"] == level].set_index("method").loc[order]
        for learns, group in rows.groupby("learns", sort=False):
            label, colour = LEARNS[learns]
            place = np.array([order.index(name) for name in group.index])
            options = {"fmt": "o", "ms": 4.5, "color": colour}
            for metric, shift, style in (
                ("ssim", 0, {"label": label}),
                ("ssim_corrected", -0.25, {"mfc": "white"}),
            ):
                ends = spread(group, metric)
                axis.errorbar(group[metric], place + shift, xerr=ends, **options, **style)
        axis.set(title=f"factor {level:g}", xlabel="SSIM")
        axis.set_yticks(range(len(order)), rows["label"])
    legend(figure, axes[0])
    return figure


def quality_and_cost(table: pd.DataFrame) -> Figure:
    """SSIM against time and arithmetic for an image, a column a level; numbers name the methods,
    larger dots keep more numbers.

    table: method, learns, parameters, level, ssim and those of COSTS, in the order of numbering.
    Methods whose arithmetic is not counted are not in its panels.
    """
    levels = sorted(table["level"].unique())
    cases = [(column, level) for column in COSTS for level in levels]
    figure, axes = panels(len(cases), len(levels), height=3.8, sharex="row")
    numbers = {name: number for number, name in enumerate(table["method"].unique(), 1)}
    for axis, (column, level) in zip(axes, cases, strict=True):
        rows = table[(table["level"] == level) & table[column].notna()]
        colours = [LEARNS[learns][1] for learns in rows["learns"]]
        sizes = 12 + 9 * np.log10(rows["parameters"])
        axis.scatter(rows[column], rows["ssim"], sizes, color=colours, alpha=0.85)
        for row in rows.itertuples():
            place = getattr(row, column), row.ssim
            options = {"xytext": (4, 3), "textcoords": "offset points", "fontsize": 8}
            axis.annotate(numbers[row.method], place, **options)
        axis.set(title=f"factor {level:g}", xscale="log", xlabel=COSTS[column])
    for label, colour in LEARNS.values():
        axes[0].scatter([], [], color=colour, label=label)
    figure.supylabel("SSIM")
    legend(figure, axes[0])
    return figure


def noise_types(table: pd.DataFrame, labels: dict[str, str]) -> Figure:
    """SSIM against the level, one panel a noise, one line a method with its interval.

    table: method, noise, level, ssim, ssim_lo, ssim_hi. labels: of the methods that are drawn, in
    their order.
    """
    noises = table["noise"].unique()
    figure, axes = panels(len(noises), columns=2, height=3.7)
    for axis, noise in zip(axes, noises, strict=True):
        for name, label in labels.items():
            rows = table[(table["noise"] == noise) & (table["method"] == name)]
            line(axis, rows, "ssim", by="level", color=COLOURS[name], label=label)
        levels = NOISES[noise].levels
        axis.set(title=noise, xlabel=NOISES[noise].level, xticks=levels)
        if levels[0] > levels[-1]:
            axis.invert_xaxis()  # fewer photons are more noise
    figure.supylabel("SSIM")
    legend(figure, axes[0])
    return figure


def restored(clean: np.ndarray, rows: Sequence[tuple[str, np.ndarray, np.ndarray]]) -> Figure:
    """Faces and, beside each, what is left of error: clean (n, H, W); rows of (label, images
    (n, H, W) in [0, 1], scores (n,)). Red is too bright, blue too dark, full at 0.5."""
    lines, columns = len(rows) + 1, 2 * len(clean)
    figure, axes = plt.subplots(
        lines, columns, figsize=(10, 12 / columns * lines), squeeze=False,
        gridspec_kw={"wspace": 0.03, "hspace": 0.22},
        subplot_kw={"xticks": [], "yticks": [], "frame_on": False},
    )  # fmt: skip
    for row, (label, images, scores) in zip(axes, [("clean", clean, None), *rows], strict=True):
        row[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
        for n, (face, errors) in enumerate(zip(row[::2], row[1::2], strict=True)):
            face.imshow(images[n], cmap="gray", vmin=0, vmax=1)
            errors.set_visible(scores is not None)
            if scores is not None:
                face.set_title(f"{scores[n]:.2f}", fontsize=8, pad=2)
                errors.imshow(images[n] - clean[n], cmap="RdBu_r", vmin=-0.5, vmax=0.5)
    return figure


def trend(table: pd.DataFrame) -> Figure:
    """SSIM against size, one panel an axis, one line a level, with intervals.

    table: as `ranking.trend` returns it.
    """
    names = table["axis"].unique()
    figure, axes = panels(len(names), len(names), height=3.8)
    shades = _shades(table["level"])
    for axis, name in zip(axes, names, strict=True):
        points = table[table["axis"] == name]
        for level, rows in points.groupby("level"):
            line(axis, rows, "ssim", by="size", color=shades[level], label=f"factor {level:g}")
        axis.set(title=name, xscale="log", xlabel=AXES[name])
        axis.minorticks_off()
        ticks = sorted(points["size"].unique())
        axis.set_xticks(ticks, [f"{t:,.0f}" for t in ticks], fontsize=9, rotation=30, ha="right")
    figure.supylabel("SSIM")
    legend(figure, axes[0])
    return figure
