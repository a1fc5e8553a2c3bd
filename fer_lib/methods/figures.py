"""Figures of chapters 6 to 8: tables in, a matplotlib Figure out."""

import pandas as pd
from matplotlib.figure import Figure

from fer_lib.figures import COLOURS
from fer_lib.noise import NOISES
from fer_lib.tools.plots import legend, line, panels, spread

#: What a method learns from: in a legend, and its colour (Okabe and Ito).
LEARNS = {
    "nothing": ("nothing learnt", "#999999"),
    "clean": ("clean images", "#0072B2"),
    "pairs": ("noisy and clean images", "#D55E00"),
    "noisy": ("noisy images alone", "#009E73"),
}


def ranking(table: pd.DataFrame) -> Figure:
    """Every method's SSIM with its interval, a panel a level, the best on top of the last one.

    table: method, label, learns, level, ssim, ssim_lo, ssim_hi and the same corrected (hollow).
    """
    levels = sorted(table["level"].unique())
    order = table[table["level"] == levels[-1]].sort_values("ssim").set_index("method")["label"]
    places = pd.Series(range(len(order)), order.index)
    figure, axes = panels(len(levels), len(levels), height=0.27 * len(order) + 1.3)
    for axis, level in zip(axes, levels, strict=True):
        for learns, rows in table[table["level"] == level].groupby("learns", sort=False):
            label, colour = LEARNS[learns]
            options = {"fmt": "o", "ms": 4.5, "color": colour}
            for metric, below, style in (
                ("ssim", 0, {"label": label}),
                ("ssim_corrected", 0.25, {"mfc": "white"}),
            ):
                height, ends = places[rows["method"]] - below, spread(rows, metric)
                axis.errorbar(rows[metric], height, xerr=ends, **options, **style)
        axis.set(title=f"factor {level:g}", xlabel="SSIM", yticks=places, yticklabels=order)
    legend(figure, axes[0])
    return figure


def quality_and_cost(table: pd.DataFrame, labels: dict[str, str]) -> Figure:
    """SSIM against time for an image, a panel a level; a line joins the methods that no faster one
    surpasses.

    table: method, level, ssim, milliseconds. labels: of the methods that are named, in their order;
    the others are gray.
    """
    levels = sorted(table["level"].unique())
    figure, axes = panels(len(levels), len(levels), height=3.8)
    for axis, level in zip(axes, levels, strict=True):
        rows = table[table["level"] == level].set_index("method").sort_values("milliseconds")
        best = rows[rows["ssim"] == rows["ssim"].cummax()]
        axis.step(best["milliseconds"], best["ssim"], where="post", color=".7", lw=1)
        axis.plot(rows["milliseconds"], rows["ssim"], "o", ms=4, color=".7")
        for name, label in labels.items():
            place = rows.loc[name, ["milliseconds", "ssim"]]
            axis.plot(*place, "o", color=COLOURS[name], label=label)
        axis.set(title=f"factor {level:g}", xscale="log", xlabel="ms an image, one core")
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
