"""The page of `tests/benchmark.py`: its figures as sentences, as a plot and as a table."""

import base64

import jinja2
from matplotlib.ticker import LogLocator

from fer_lib.config import ROOT
from fer_lib.figures import STYLES
from fer_lib.tools import plots

#: What is compared in each part, above its lines of the plot.
TITLES = {
    "training": "A training step, beside",
    "denoising": "Denoising faces, beside",
    "cold": "Denoising a first face, beside",
    "scoring": "SSIM of many faces, beside",
    "reading": "A second start, beside the first, on",
    "sizes": "Denoising, beside 1,000 images, for each pixel",
}


def number(value: float) -> str:
    """Two digits, or more before the point: 0.036, 1.2, 35, 1240."""
    return f"{value:.0f}" if abs(value) >= 9.95 else f"{value:.2g}"


def times(ratio: float) -> str:
    """How fast something is that is so many times as fast as another, as a verb."""
    if 1 / 1.1 < ratio < 1.1:
        return "is about as fast as"
    if ratio > 1:
        return f"is {number(ratio)} times as fast as"
    return f"takes {number(1 / ratio)} times as long as"


def compared(row: dict) -> str:
    """A figure as a sentence."""
    return f"{row['ours']} {times(row['ratio'])} {row['other']}"


def drawing(rows: list[dict]) -> tuple[str, int]:
    """All ratios with their spread, under the titles of their parts: a PNG in base64, and its width
    on the page in CSS pixels."""
    lines = []  # a title, a row or None for some space, from top to bottom
    for part in dict.fromkeys(row["part"] for row in rows):
        lines += [TITLES[part], *(row for row in rows if row["part"] == part), None]
    figure, (axis,) = plots.panels(1, 1, 0.8 + 0.27 * len(lines))
    for place, line in enumerate(lines):
        if isinstance(line, str):
            look = {"ha": "right", "va": "center", "weight": "bold", "fontsize": 11}
            axis.text(-0.01, place, line, transform=axis.get_yaxis_transform(), **look)
        elif line:
            ratio, low, high = line["ratio"], line["lowest"], line["highest"]
            spread = [[ratio - low], [high - ratio]]
            look = {"color": STYLES["cae"]["color"], "fmt": "o", "ms": 7, "capsize": 3}
            axis.errorbar(ratio, place, xerr=spread, **look)
            box = {"facecolor": "white", "pad": 1, "lw": 0}
            look = {"textcoords": "offset points", "va": "center", "fontsize": 11, "bbox": box}
            axis.annotate(number(ratio), (high, place), (9, 0), **look)
    shown = {place: line["label"] for place, line in enumerate(lines) if isinstance(line, dict)}
    axis.set_yticks([*shown], shown.values(), fontsize=11)
    axis.axvline(1, color=".35", lw=1.5, zorder=1)
    axis.set(xscale="log", ylim=(len(lines) - 1, -1))
    axis.set_xlabel("times as fast as that (below 1: slower), on a logarithmic scale", fontsize=11)
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.grid(visible=False, axis="y")
    axis.margins(x=0.1)
    png, width = plots.png(figure)
    return base64.b64encode(png).decode(), width


def page(found: dict) -> str:
    """All of it; it loads nothing, and has no script."""
    folder = ROOT / "fer_lib" / "report" / "template"
    words = jinja2.Environment(
        loader=jinja2.FileSystemLoader([ROOT / "tests", folder]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words.filters |= {"number": number, "times": times, "compared": compared}
    picture, width = drawing(found["figures"])
    parts = {}
    for row in found["figures"]:
        parts.setdefault(row["part"], []).append(row)
    shown = {"machine": found["machine"], "level": found["level"], "parts": parts}
    return words.get_template("benchmark.html.j2").render(shown, picture=picture, width=width)
