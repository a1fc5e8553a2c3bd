"""Figures: arrays and tables in, a matplotlib Figure out. Nothing is computed or saved here."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from fer_lib.tools.plots import DPI, legend, line, panels

#: Colour and mark of each method, the same in every figure; those not named here are gray dots.
#: On white each has a contrast of 3 or more, and readers who are colour-blind tell them apart.
STYLES = {
    "noisy": {"color": "#717171", "marker": "x"},
    "blur": {"color": "#752B28", "marker": "v"},
    "median": {"color": "#CD8200", "marker": "s"},
    "tv": {"color": "#2A0542", "marker": "^"},
    "mixture-blind": {"color": "#17A65D", "marker": "P"},
    "cae": {"color": "#0762EC", "marker": "o"},
    "cae-plain": {"color": "#9979C5", "marker": "o"},
    "cae-denoising": {"color": "#6E0096", "marker": "X"},
    "compact-mirrored": {"color": "#AE2000", "marker": "*"},
    "paper": {"color": "#000000", "marker": "D"},
}
#: Names in tables and legends of what chapters 2 to 5 compare.
LABELS = {
    "noisy": "noisy input",
    "blur": "one Gaussian blur",
    "cae": "the paper's autoencoder",
    "cae-plain": "the same without skips",
    "as-run": "as run",
    "paper": "the paper (ten images)",
}


def spoken(lines: pd.Series) -> str:
    """What the lines of a figure do, for its alt text: from where to where each goes. lines: their
    values from left to right, each with the line's name as index."""
    ends = lines.groupby(level=0, sort=False).agg(["first", "last"])
    return "; ".join(f"{line} from {a:.3g} to {b:.3g}" for line, a, b in ends.itertuples())


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


def gradient_profile(gradients: pd.DataFrame, layers: Sequence[str]) -> Figure:
    """Gradient norm per layer from input to output, one panel per epoch, one line per network: the
    geometric mean over seeds, in a band from the smallest to the largest norm."""
    epochs = sorted(gradients["epoch"].unique())
    figure, axes = panels(len(epochs), len(epochs), 4)
    for axis, epoch in zip(axes, epochs, strict=True):
        for name, rows in gradients[gradients["epoch"] == epoch].groupby("model"):
            norms = rows.pivot(index="depth", columns="seed", values="norm")
            mean, ends = np.exp(np.log(norms).mean(axis=1)), (norms.min(axis=1), norms.max(axis=1))
            axis.plot(norms.index, mean, ms=3.5, **STYLES[name], label=LABELS[name])
            axis.fill_between(norms.index, *ends, color=STYLES[name]["color"], alpha=0.15, lw=0)
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
            look = STYLES.get(name, {"color": ".4", "marker": "."}) | {"shift": (place - 1) * 0.006}
            look |= {"label": LABELS.get(name, name), "ls": "" if name == "paper" else "-"}
            line(axis, group, metric, by="level", **look)
        axis.set(title=protocol, xlabel="noise factor", xticks=paper["level"])
    axes[0].set_ylabel({"ssim": "SSIM", "mse": "MSE on [0, 1]"}[metric])
    legend(figure, axes[0])
    return figure
