"""Figures of chapter 9: tables in, a matplotlib Figure out."""

import pandas as pd
from matplotlib.figure import Figure

from fer_lib.figures import STYLES
from fer_lib.readers.ferplus import EMOTIONS
from fer_lib.tools.plots import legend, line, panels

#: The methods that are drawn, each in the style of its like in other chapters.
DRAWN = {"noisy": "noisy", "gaussian": "blur", "mixture-blind": "mixture-blind"}
DRAWN |= {"range-matched": "cae", "compact": "compact-mirrored"}
CLASSIFIERS = {"clean": "learnt from clean faces", "noisy": "learnt from noisy faces"}
LOOKS = ({"color": "black", "marker": "o", "ls": "-"}, {"color": "black", "marker": "s", "ls": ":"})


def losses(history: pd.DataFrame, floor: float) -> Figure:
    """Training losses, a line a training, over the lowest that there can be. history: classifier,
    seed, epoch, train_loss."""
    figure, [axis] = panels(1, 1, height=3.6)
    for (classifier, label), look in zip(CLASSIFIERS.items(), LOOKS, strict=True):
        rows = history[history["classifier"] == classifier]
        for number, (_, run) in enumerate(rows.groupby("seed")):
            look = look | {"ms": 3, "label": "" if number else label}
            axis.plot(run["epoch"], run["train_loss"], **look)
    axis.axhline(floor, color=".35", ls="--", lw=1.2)
    axis.set(xlabel="epoch", ylabel="cross-entropy of the votes")
    legend(figure, axis)
    return figure


def accuracy(table: pd.DataFrame, labels: dict[str, str]) -> Figure:
    """Accuracy against the noise level, a panel a recogniser, a line a method. table: classifier,
    method, level, mean, mean_lo, mean_hi. labels: of the methods."""
    figure, axes = panels(len(CLASSIFIERS), len(CLASSIFIERS), height=4.2)
    for axis, (classifier, title) in zip(axes, CLASSIFIERS.items(), strict=True):
        rows = table[table["classifier"] == classifier]
        there = [name for name in DRAWN if name in labels]
        for place, name in enumerate(there, -(len(there) // 2)):
            some = rows[rows["method"] == name]
            look = STYLES[DRAWN[name]] | {"shift": 0.004 * place, "label": labels[name]}
            line(axis, some, "mean", by="level", **look)
        axis.set(title=title, xlabel="noise factor", xticks=table["level"].unique())
    axes[0].set_ylabel("accuracy")
    legend(figure, axes[0])
    return figure


def recall(table: pd.DataFrame) -> Figure:
    """Recall against the noise level, a panel an emotion, a line a recogniser on noisy faces.
    table: of `table.pool`, of one method, with the column emotion."""
    figure, axes = panels(len(EMOTIONS), columns=4, height=2.6)
    for axis, emotion in zip(axes, EMOTIONS, strict=True):
        rows = table[table["emotion"] == emotion]
        for (classifier, label), look in zip(CLASSIFIERS.items(), LOOKS, strict=True):
            some = rows[rows["classifier"] == classifier]
            line(axis, some, "mean", by="level", label=label, **look)
        faces = rows["n"].max() if len(rows) else 0
        axis.set(title=f"{emotion}, {faces} faces", ylim=(-0.05, 1.05))
    for axis in axes[4:]:
        axis.set_xlabel("noise factor")
    figure.supylabel("recall")
    legend(figure, axes[0])
    return figure
