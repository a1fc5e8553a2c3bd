"""What figures of the whole project share: a grid of panels, intervals, a legend, one style."""

from collections.abc import Sequence
from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from PIL import Image

#: Inches, and so points of text, are those of the page; a CSS pixel has 1.5 of the file's.
DPI, CSS_DPI = 144, 96
sns.set_theme(style="whitegrid", context="notebook", rc={"axes.edgecolor": ".7"})
#: Of noise factors, weakest first: the darker half of viridis, with a contrast of 3 on white.
LEVELS = ("#440154", "#443B84", "#2F6B8E", "#1F958B")


def panels(count: int, columns: int, height: float, **options) -> tuple[Figure, Sequence]:
    """A figure as wide as the page and its `count` axes, `columns` in a row of `height` inches."""
    rows = -(-count // columns)
    options = {"squeeze": False, "sharey": True, "layout": "constrained"} | options
    figure, axes = plt.subplots(rows, columns, figsize=(10, height * rows), **options)
    for axis in axes.flat[count:]:
        axis.set_visible(False)
    return figure, axes.flat[:count]


def legend(figure: Figure, axis) -> None:
    """Below the figure, for all panels, what `axis` shows."""
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=4)


def spread(rows: pd.DataFrame, metric: str) -> np.ndarray | None:
    """(2, n): how far the intervals of `metric` reach down and up; None if the table has none."""
    if f"{metric}_lo" not in rows:
        return None
    return np.abs(rows[[f"{metric}_lo", f"{metric}_hi"]].to_numpy().T - rows[metric].to_numpy())


def line(axis, rows: pd.DataFrame, metric: str, *, by: str, shift: float = 0, **options) -> None:
    """`metric` with its intervals, where there are any, against the column `by`, moved by `shift`
    so that the intervals of several lines do not hide each other."""
    options = {"ms": 5, "capsize": 3} | options
    axis.errorbar(rows[by] + shift, rows[metric], yerr=spread(rows, metric), **options)


def png(figure: Figure) -> tuple[bytes, int]:
    """`figure`, which is closed, as a PNG file, and its width on a page in CSS pixels."""
    drawn, saved = BytesIO(), BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI, facecolor="white", bbox_inches="tight")
    plt.close(figure)
    # 256 colours: less than half the bytes, and no difference to the eye.
    picture = Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    picture.save(saved, "PNG", optimize=True)
    return saved.getvalue(), round(picture.width * CSS_DPI / DPI)
