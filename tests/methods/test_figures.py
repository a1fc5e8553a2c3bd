"""Figures of the methods: what they must be able to show."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from fer_lib.methods import figures
from fer_lib.noise import NOISES, Noise


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def shown(figure) -> list:
    return [axis for axis in figure.axes if axis.get_visible()]


def table(**columns) -> pd.DataFrame:
    """All combinations of the values of the columns, with an SSIM and its interval."""
    rows = pd.DataFrame(itertools.product(*columns.values()), columns=list(columns))
    ssim = np.linspace(0.4, 0.8, len(rows))
    return rows.assign(ssim=ssim, ssim_lo=ssim - 0.1, ssim_hi=ssim + 0.05)


@pytest.mark.parametrize("count", [1, 4, 5])
def test_any_number_of_noises_has_a_panel_each(monkeypatch, count):
    kinds = {f"kind {n}": Noise(None, "level", (0.1, 0.3), "x") for n in range(count)}
    for name, noise in kinds.items():
        monkeypatch.setitem(NOISES, name, noise)
    rows = table(method=["noisy", "tv"], noise=list(kinds), level=[0.1, 0.3])
    figure = figures.noise_types(rows, {"noisy": "noisy input", "tv": "total variation"})
    assert [axis.get_title() for axis in shown(figure)] == list(kinds)
    assert all(len(axis.containers) == 2 for axis in shown(figure))


def test_noise_grows_to_the_right():
    """Fewer photons are more noise."""
    rows = table(method=["tv"], noise=["poisson", "speckle"], level=[0.15, 0.3])
    photons, speckle = shown(figures.noise_types(rows, {"tv": "total variation"}))
    assert photons.xaxis_inverted()
    assert not speckle.xaxis_inverted()


def test_a_line_joins_what_no_faster_method_surpasses():
    rows = table(level=[0.3], method=["noisy", "x", "tv", "cae"])
    rows = rows.assign(ssim=[0.2, 0.6, 0.5, 0.7], milliseconds=[0.1, 1, 2, 3])
    (axis,) = shown(figures.quality_and_cost(rows, {"tv": "total variation", "cae": "paper's"}))
    frontier, everything, *named = axis.lines
    assert frontier.get_ydata().tolist() == [0.2, 0.6, 0.7]
    assert everything.get_ydata().tolist() == [0.2, 0.6, 0.5, 0.7]
    places = {line.get_label(): line.get_xydata().tolist() for line in named}
    assert places == {"total variation": [[2, 0.5]], "paper's": [[3, 0.7]]}
