"""Figures of chapters 6 to 8: tables in, a matplotlib Figure out."""

import pandas as pd
from matplotlib.figure import Figure

from fer_lib.figures import STYLES
from fer_lib.noise import NOISES
from fer_lib.tools.plots import legend, line, panels


def quality_and_cost(table: pd.DataFrame, labels: dict[str, str]) -> Figure:
    """SSIM against time for an image, a panel a level; a line joins the methods that no faster one
    surpasses. table: method, level, ssim, milliseconds. labels: of the methods that are named, in
    their order; the others are gray."""
    levels = sorted(table["level"].unique())
    figure, axes = panels(len(levels), len(levels), height=3.8)
    for axis, level in zip(axes, levels, strict=True):
        rows = table[table["level"] == level].set_index("method").sort_values("milliseconds")
        best = rows[rows["ssim"] == rows["ssim"].cummax()]
        axis.step(best["milliseconds"], best["ssim"], where="post", color=".7", lw=1)
        axis.plot(rows["milliseconds"], rows["ssim"], "o", ms=4, color=".7")
        for name, label in labels.items():
            axis.plot(*rows.loc[name, ["milliseconds", "ssim"]], ls="", **STYLES[name], label=label)
        axis.set(title=f"factor {level:g}", xscale="log", xlabel="ms an image, one core")
    figure.supylabel("SSIM")
    legend(figure, axes[0])
    return figure


def noise_types(table: pd.DataFrame, labels: dict[str, str]) -> Figure:
    """SSIM against the level, one panel a noise, one line a method with its interval. table:
    method, noise, level, ssim, ssim_lo, ssim_hi. labels: of the methods drawn, in their order."""
    noises = table["noise"].unique()
    figure, axes = panels(len(noises), columns=min(3, len(noises)), height=3.4)
    for axis, noise in zip(axes, noises, strict=True):
        for name, label in labels.items():
            rows = table[(table["noise"] == noise) & (table["method"] == name)]
            line(axis, rows, "ssim", by="level", **STYLES[name], label=label)
        axis.set(title=noise, xlabel=NOISES[noise].level, xticks=rows["level"])
        if NOISES[noise].levels[0] > NOISES[noise].levels[-1]:
            axis.invert_xaxis()  # fewer photons are more noise
    figure.supylabel("SSIM")
    legend(figure, axes[0])
    return figure
