"""Figures show what their tables hold, for methods and numbers that the study does not know too."""

import itertools
import re

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import skimage
import torch
import torchvision

from fer_lib import evaluation, figures, paper
from fer_lib.config import ROOT
from fer_lib.tools import plots


@pytest.fixture(autouse=True)
def closed():
    """No figure is left open for the next test."""
    yield
    plt.close("all")


def test_the_denoiser_of_the_readme_reaches_the_figure(pictures):
    def blurred(noisy, protocol, level):
        return torchvision.transforms.functional.gaussian_blur(noisy, 5)

    methods = {("noisy", 0): evaluation.nothing, ("mine", 0): blurred}
    scores = evaluation.score(
        pictures[:8], np.arange(8), methods=methods, levels=(0.0, 0.15), seed=0
    )
    figure = figures.quality_by_level(evaluation.pool(scores), paper.tables(), "ssim")
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [figures.LABELS["noisy"], "mine", figures.LABELS["paper"]]
    marks = [container.lines[0].get_marker() for container in figure.axes[0].containers]
    assert marks == ["x", ".", "D"]  # the paper's points stand out without colour
    gain = scores.groupby(["protocol", "level", "method"])["ssim"].mean()
    assert gain["camera noise", 0.15, "mine"] > gain["camera noise", 0.15, "noisy"]


def test_small_and_large_faces_share_one_picture():
    gray, colour = np.zeros((2, 48, 48)), torch.zeros(2, 96, 96, 3).numpy()
    figure = figures.faces([("gray", gray), ("colour", colour)])
    assert figure.axes[0].images[0].get_array().shape == (2 * 102, 2 * 102, 3)


@pytest.mark.parametrize(("count", "rows"), [(1, 1), (4, 2), (5, 3)])
def test_any_number_of_panels_fits(count, rows):
    figure, axes = plots.panels(count, 2, 3)
    assert len(axes) == sum(axis.get_visible() for axis in figure.axes) == count
    assert figure.get_size_inches().tolist() == [10, 3 * rows]


def test_a_line_shows_its_intervals():
    table = pd.DataFrame({"level": [0.1, 0.2], "ssim": [0.5, 0.4]})
    _, (axis,) = plots.panels(1, 1, 3)
    plots.line(axis, table, "ssim", by="level", shift=0.01)
    bounds = table.assign(ssim_lo=[0.4, 0.3], ssim_hi=[0.7, 0.6])
    plots.line(axis, bounds, "ssim", by="level", label="x")
    (plain, _, none), (_, _, (bars,)) = axis.containers
    assert plain.get_xdata().tolist() == pytest.approx([0.11, 0.21])
    assert none == ()
    ends = [segment[:, 1].tolist() for segment in bars.get_segments()]
    assert ends == [pytest.approx([0.4, 0.7]), pytest.approx([0.3, 0.6])]


def test_gradients_are_geometric_means_over_seeds():
    norms = {0: (1.0, 4.0), 1: (4.0, 4.0)}
    rows = [("cae", s, 1, depth, x) for s, two in norms.items() for depth, x in enumerate(two, 1)]
    table = pd.DataFrame(rows, columns=["model", "seed", "epoch", "depth", "norm"])
    (axis,) = figures.gradient_profile(table, ["encoder.0", "decoder.0"]).axes
    mean, border = axis.lines
    assert mean.get_ydata().tolist() == pytest.approx([2, 4])
    assert border.get_xdata() == [1.5, 1.5]


#: Vision without red or green receptors, on linear RGB (Machado, Oliveira and Fernandes 2009, "A
#: physiologically-based model for simulation of color vision deficiency", severity 1).
SIGHT = {
    "usual": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216]]
    + [[-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413]]
    + [[-0.011820, 0.042940, 0.968881]],
}


def linear(colour: str) -> np.ndarray:
    """Linear RGB of "#RRGGBB"."""
    rgb = np.array(mpl.colors.to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(colour: str) -> float:
    """With white, by WCAG 2.2."""
    return 1.05 / (linear(colour) @ (0.2126, 0.7152, 0.0722) + 0.05)


def seen(colour: str, sight: str) -> np.ndarray:
    """CIELAB of a colour as it is seen."""
    rgb = np.clip(np.array(SIGHT[sight]) @ linear(colour), 0, 1)
    encoded = np.where(rgb <= 0.0031308, 12.92 * rgb, 1.055 * rgb ** (1 / 2.4) - 0.055)
    return skimage.color.rgb2lab(encoded)


@pytest.mark.parametrize("sight", SIGHT)
def test_every_method_has_its_colour_and_every_colour_is_seen(sight):
    colours = [look["color"] for look in figures.STYLES.values()]
    assert all(contrast(colour) >= 3 for colour in (*colours, *plots.LEVELS))
    pairs = itertools.combinations(colours, 2)
    assert all(np.linalg.norm(seen(a, sight) - seen(b, sight)) > 15 for a, b in pairs)


def test_no_figure_has_a_colour_of_its_own():
    """Colours stand in `figures.STYLES` and `plots`; what is no result is black, white or gray."""
    for path in sorted((ROOT / "fer_lib").rglob("*.py")):
        if path.name != "plots.py":
            text = path.read_text(encoding="utf-8")
            text = text.replace(text[text.find("STYLES = {") : text.find("LABELS = {")], "")
            assert not re.findall(r"#[0-9A-Fa-f]{6}\b|[\"']C\d[\"']|tab:", text), path
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        assert not re.search(r"#[0-9A-Fa-f]{6}\b", path.read_text(encoding="utf-8")), path


def test_the_lines_of_a_figure_are_told_by_their_ends():
    lines = pd.Series([0.5, 0.4, 0.3, 1, 2], ["ours", "ours", "ours", "blur", "blur"])
    assert figures.spoken(lines) == "ours from 0.5 to 0.3; blur from 1 to 2"
