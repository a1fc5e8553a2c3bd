"""Figures: arrays and tables in, a matplotlib Figure out. Nothing is computed or saved here."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

#: Okabe and Ito's colours, which colour-blind readers tell apart, one for each method.
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
sns.set_theme(style="whitegrid", context="notebook", rc={"axes.edgecolor": ".7"})


def faces(rows: Sequence[tuple[str, np.ndarray]]) -> Figure:
    """Rows of gray or RGB images, each (label, (n, H, W) or (n, H, W, 3) in [0, 1]).

    Drawn as one picture, every face enlarged to the same size by repeating pixels.
    """
    side = max(images.shape[1] for _, images in rows)
    lines = [np.hstack([_framed(image, side) for image in images]) for _, images in rows]
    picture = np.vstack(lines)
    figure, axis = plt.subplots(figsize=(9.0, 9.0 * picture.shape[0] / picture.shape[1]))
    axis.imshow(picture, vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    axis.set(xticks=[], yticks=[(i + 0.5) * len(lines[0]) for i in range(len(rows))])
    axis.set_yticklabels([label for label, _ in rows])
    axis.tick_params(length=0)
    axis.grid(visible=False)
    sns.despine(figure, left=True, bottom=True)
    return figure


def _framed(image: np.ndarray, side: int) -> np.ndarray:
    """(H, W) or (H, W, 3) -> (side + gap, side + gap, 3) with a white edge right and below."""
    rgb = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
    factor = side // image.shape[0]
    large = rgb.repeat(factor, axis=0).repeat(factor, axis=1)
    gap = side // 16
    return np.pad(large, ((0, gap), (0, gap), (0, 0)), constant_values=1)


def counts(table: pd.DataFrame, category: str, value: str, part: str | None = None) -> Figure:
    """Horizontal bars of `value` per `category`, stacked by `part` if given."""
    figure, axis = plt.subplots(figsize=(8, 0.35 * table[category].nunique() + 1))
    wide = table.pivot_table(index=category, columns=part, values=value, aggfunc="sum", sort=False)
    if part is None:
        wide = table.set_index(category)[[value]]
    wide.iloc[::-1].plot.barh(stacked=True, ax=axis, width=0.75, legend=part is not None)
    axis.set(xlabel=value, ylabel="")
    axis.grid(axis="y", visible=False)
    sns.despine(figure, left=True)
    return figure


def losses(history: pd.DataFrame) -> Figure:
    """Figures 4 and 5: training loss per epoch, one panel a variant, one line a seed."""
    models = [name for name in COLOURS if name in set(history["model"])]
    figure, axes = plt.subplots(
        1, len(models), figsize=(10, 3.6), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, name in zip(axes[0], models, strict=True):
        for seed, rows in history[history["model"] == name].groupby("seed"):
            axis.plot(
                rows["epoch"],
                rows["train_loss"],
                color=COLOURS[name],
                alpha=0.8,
                label=f"seed {seed}",
            )
        axis.set(title=LABELS[name], xlabel="epoch", yscale="log")
    axes[0][0].set_ylabel("training loss (MSE on [-1, 1])")
    return figure


def gradient_profile(gradients: pd.DataFrame, layers: Sequence[str]) -> Figure:
    """Gradient norm per layer from input to output, one panel an epoch, a line a variant.

    Lines are geometric means over seeds, bands span the seeds.
    """
    epochs = sorted(gradients["epoch"].unique())
    figure, axes = plt.subplots(
        1, len(epochs), figsize=(10, 4), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, epoch in zip(axes[0], epochs, strict=True):
        for name, rows in gradients[gradients["epoch"] == epoch].groupby("model"):
            wide = rows.pivot(index="depth", columns="seed", values="norm")
            line = np.exp(np.log(wide).mean(axis=1))
            axis.plot(wide.index, line, "o-", ms=3.5, color=COLOURS[name], label=LABELS[name])
            axis.fill_between(
                wide.index,
                wide.min(axis=1),
                wide.max(axis=1),
                color=COLOURS[name],
                alpha=0.15,
                lw=0,
            )
        axis.set(title=f"epoch {epoch}", yscale="log", xlabel="layer, input to output")
        axis.axvline(sum("encoder" in layer for layer in layers) + 0.5, color=".6", ls=":")
    axes[0][0].set_ylabel("norm of the weight's gradient")
    axes[0][0].legend(fontsize=9)
    return figure


def quality_by_level(table: pd.DataFrame, paper: pd.DataFrame, metric: str) -> Figure:
    """One panel a protocol: `metric` with its interval against the noise level, the paper beside.

    table: protocol, method, level, METRIC, METRIC_lo, METRIC_hi.
    """
    protocols = table["protocol"].unique()
    figure, axes = plt.subplots(
        1, len(protocols), figsize=(10, 4), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, protocol in zip(axes[0], protocols, strict=True):
        rows = table[table["protocol"] == protocol]
        for place, (name, group) in enumerate(rows.groupby("method", sort=False)):
            _line(axis, group, metric, name, shift=0.006 * (place - 1))
        _line(axis, paper, metric, "paper", fmt="D", shift=0.012)
        axis.set(title=protocol, xlabel="noise factor", xticks=paper["level"])
    axes[0][0].set_ylabel({"ssim": "SSIM", "mse": "MSE on [0, 1]"}[metric])
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _line(axis, group: pd.DataFrame, metric: str, name: str, *, shift: float, fmt: str = "o-"):
    """Points with intervals; `shift` keeps those of several methods from hiding each other."""
    spread = None
    if f"{metric}_lo" in group:
        ends = group[[f"{metric}_lo", f"{metric}_hi"]].to_numpy().T
        spread = np.abs(ends - group[metric].to_numpy())
    axis.errorbar(
        group["level"] + shift, group[metric], yerr=spread, fmt=fmt, ms=4.5, capsize=3,
        color=COLOURS.get(name), label=LABELS.get(name, name),
    )  # fmt: skip


def emotions(table: pd.DataFrame) -> Figure:
    """Gain over the noisy input per emotion, one panel a noise level, with intervals.

    table: emotion, level, n, gain, gain_lo, gain_hi.
    """
    levels = sorted(table["level"].unique())
    figure, axes = plt.subplots(
        1, len(levels), figsize=(10, 4), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, level in zip(axes[0], levels, strict=True):
        rows = table[table["level"] == level].iloc[::-1]
        spread = np.abs(rows[["gain_lo", "gain_hi"]].to_numpy().T - rows["gain"].to_numpy())
        names = rows["emotion"] + " (" + rows["n"].astype(str) + ")"
        axis.errorbar(
            rows["gain"], names, xerr=spread, fmt="o", ms=5, capsize=3, color=COLOURS["cae"]
        )
        axis.axvline(0, color=".5", lw=1)
        axis.set(title=f"factor {level:g}", xlabel="SSIM gained")
    return figure
