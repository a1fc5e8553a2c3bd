"""Figures show what their tables hold, for methods and numbers that the study does not know too."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
import torchvision

from fer_lib import evaluation, figures, paper
from fer_lib.tools import plots


@pytest.fixture(autouse=True)
def closed():
    """No figure is left open for the next test."""
    yield
    plt.close("all")


def test_the_denoiser_of_the_readme_reaches_the_figure(pictures):
    def blurred(noisy, protocol, level):
        return torchvision.transforms.functional.gaussian_blur(noisy, 5)

    methods = {("noisy", 0): evaluation.nothing, ("blurred", 0): blurred}
    scores = evaluation.score(
        pictures[:8], np.arange(8), methods=methods, levels=(0.0, 0.15), seed=0
    )
    figure = figures.quality_by_level(evaluation.pool(scores), paper.tables(), "ssim")
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [figures.LABELS["noisy"], "blurred", figures.LABELS["paper"]]
    marks = [container.lines[0].get_marker() for container in figure.axes[0].containers]
    assert marks == ["o", "o", "D"]  # the paper's points stand out without colour
    gain = scores.groupby(["protocol", "level", "method"])["ssim"].mean()
    assert gain["camera noise", 0.15, "blurred"] > gain["camera noise", 0.15, "noisy"]


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


def test_emotions_are_drawn_with_their_numbers_of_images():
    rows = [("fear", level, 12, 0.1, 0.05, 0.15) for level in (0.15, 0.3)]
    columns = ["emotion", "level", "n", "gain", "gain_lo", "gain_hi"]
    figure = figures.emotions(pd.DataFrame(rows, columns=columns))
    assert [axis.get_title() for axis in figure.axes] == ["factor 0.15", "factor 0.3"]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["fear (12)"]


def test_counts_are_bars_from_top_to_bottom_stacked_by_part():
    table = pd.DataFrame({"emotion": ["a", "b", "a", "b"], "n": [1, 2, 3, 4], "part": list("xxyy")})
    (axis,) = figures.counts(table, "emotion", "n", "part").axes
    assert [text.get_text() for text in axis.get_yticklabels()] == ["b", "a"]
    assert [bar.get_width() for bars in axis.containers for bar in bars] == [2, 1, 4, 3]
    (axis,) = figures.counts(table[:2], "emotion", "n").axes
    assert [bar.get_width() for bar in axis.containers[0]] == [2, 1]


def test_methods_have_colours_of_their_own():
    assert figures.COLOURS["noisy"] == "#999999"
    assert len({figures.COLOURS[name] for name in ("noisy", "cae", "cae-plain", "paper")}) == 4
