"""Figures: arrays and tables in, a matplotlib Figure out. Nothing is computed or saved here."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from fer_lib.tools.plots import DPI, legend, line, panels, spread

#: One colour for each method, of Okabe and Ito's palette for colour-blind readers.
COLOURS = {
    "noisy": "#999999",
    "median": "#E69F00",
    "tv": "#56B4E9",
    "mixture-blind": "#009E73",
    "cae": "#0072B2",
    "cae-plain": "#D55E00",
    "cae-denoising": "#CC79A7",
    "compact-mirrored": "#D55E00",
    "paper": "#000000",
}
LABELS = {
    "noisy": "untouched noisy input",
    "cae": "autoencoder",
    "cae-plain": "autoencoder without residuals",
    "paper": "paper (ten images)",
}


def faces(rows: Sequence[tuple]) -> Figure:
    """Gray or RGB images in [0, 1], enlarged to the same size by repeating pixels; rows: tuples
    (label, images (n, H, W) or (n, H, W, 3)), and optionally a text to stand on each image."""
    side = max(row[1].shape[1] for row in rows)
    lines = [np.hstack([_framed(image, side) for image in row[1]]) for row in rows]
    picture = np.vstack(lines)
    # A whole number of dots for each pixel: noise, enlarged otherwise, cannot be compressed.
    size = np.array(picture.shape[1::-1]) * max(1, 1200 // picture.shape[1]) / DPI
    figure = plt.figure(figsize=size)
    axis = figure.add_axes((0, 0, 1, 1))
    axis.imshow(picture, vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    step = len(lines[0])
    places = [(i + 0.5) * step for i in range(len(rows))]
    for place, (_, _, *more) in zip(places, rows, strict=True):
        for column, text in enumerate(more[0] if more else ()):
            box = {"facecolor": "white", "pad": 1, "lw": 0, "alpha": 0.8}
            at = column * step, place + (side - step / 2)
            axis.text(*at, text, size=10, va="bottom", bbox=box)
    axis.set(xticks=[], yticks=places, yticklabels=[row[0] for row in rows])
    axis.tick_params(length=0)
    axis.grid(visible=False)
    sns.despine(figure, left=True, bottom=True)
    return figure


def _framed(image: np.ndarray, side: int) -> np.ndarray:
    """(H, W) or (H, W, 3) -> (side + gap, side + gap, 3) with a white margin right and below."""
    rgb = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
    factor, gap = side // image.shape[0], side // 16
    large = rgb.repeat(factor, axis=0).repeat(factor, axis=1)
    return np.pad(large, ((0, gap), (0, gap), (0, 0)), constant_values=1)


def counts(table: pd.DataFrame, category: str, value: str, part: str | None = None) -> Figure:
    """Horizontal bars of `value` per `category`, stacked by `part` if given."""
    figure, axis = plt.subplots(figsize=(8, 0.35 * table[category].nunique() + 1))
    bars = table.pivot_table(index=category, columns=part, values=value, aggfunc="sum", sort=False)
    bars.iloc[::-1].plot.barh(stacked=True, ax=axis, width=0.75, legend=part is not None)
    axis.set(xlabel=value, ylabel="")
    axis.grid(axis="y", visible=False)
    sns.despine(figure, left=True)
    return figure


def gradient_profile(gradients: pd.DataFrame, layers: Sequence[str]) -> Figure:
    """Gradient norm per layer from input to output, one panel per epoch, one line per network: the
    geometric mean over seeds, in a band from the smallest to the largest norm."""
    epochs = sorted(gradients["epoch"].unique())
    figure, axes = panels(len(epochs), len(epochs), 4)
    for axis, epoch in zip(axes, epochs, strict=True):
        for name, rows in gradients[gradients["epoch"] == epoch].groupby("model"):
            norms = rows.pivot(index="depth", columns="seed", values="norm")
            colour, ends = COLOURS.get(name), (norms.min(axis=1), norms.max(axis=1))
            mean = np.exp(np.log(norms).mean(axis=1))
            axis.plot(norms.index, mean, "o-", ms=3.5, color=colour, label=LABELS.get(name, name))
            axis.fill_between(norms.index, *ends, color=colour, alpha=0.15, lw=0)
        axis.set(title=f"epoch {epoch}", yscale="log", xlabel="layer, input to output")
        axis.axvline(sum("encoder" in layer for layer in layers) + 0.5, color=".6", ls=":")
    axes[0].set_ylabel("norm of the weight's gradient")
    axes[0].legend(fontsize=9)
    return figure


def quality_by_level(table: pd.DataFrame, paper: pd.DataFrame, metric: str) -> Figure:
    """`metric` and its interval over the noise level, and the paper's values; a panel per protocol.
    table: protocol, method, level, METRIC, METRIC_lo, METRIC_hi."""
    protocols = table["protocol"].unique()
    figure, axes = panels(len(protocols), len(protocols), 4)
    for axis, protocol in zip(axes, protocols, strict=True):
        groups = table[table["protocol"] == protocol].groupby("method", sort=False)
        for place, (name, group) in enumerate([*groups, ("paper", paper)]):
            style = {"fmt": "D" if name == "paper" else "o-", "color": COLOURS.get(name)}
            style |= {"label": LABELS.get(name, name), "shift": 0.006 * (place - 1)}
            line(axis, group, metric, by="level", **style)
        axis.set(title=protocol, xlabel="noise factor", xticks=paper["level"])
    axes[0].set_ylabel({"ssim": "SSIM", "mse": "MSE on [0, 1]"}[metric])
    legend(figure, axes[0])
    return figure


def emotions(table: pd.DataFrame) -> Figure:
    """SSIM gain over the noisy input per emotion, with intervals; one panel per noise level. table:
    emotion, level, n, gain, gain_lo, gain_hi."""
    levels = sorted(table["level"].unique())
    figure, axes = panels(len(levels), len(levels), 4)
    for axis, level in zip(axes, levels, strict=True):
        rows = table[table["level"] == level].iloc[::-1]
        names = rows["emotion"] + " (" + rows["n"].astype(str) + ")"
        style = {"fmt": "o", "ms": 5, "capsize": 3, "color": COLOURS["cae"]}
        axis.errorbar(rows["gain"], names, xerr=spread(rows, "gain"), **style)
        axis.axvline(0, color=".5", lw=1)
        axis.set(title=f"factor {level:g}", xlabel="SSIM gained")
    return figure
