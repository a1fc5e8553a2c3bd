"""Figure 5: each verdict at losses made for it, and what bounds a loss."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from fer_lib import config, paper, pipeline
from fer_lib.audit import figures, first_network, plan

LIMITS = {
    "sigmoid": {"constant": 0.26, "floor": 0.13},
    "tanh": {"constant": 0.24, "floor": 0.0},
}


def history(network: str, *final: float, start=0.5) -> pd.DataFrame:
    """Trainings of six epochs, flat at the losses `final` from the second on."""
    runs = [
        {"label": network, "network": network, "seed": seed, "epoch": epoch, "train_loss": loss}
        for seed, last in enumerate(final)
        for epoch, loss in enumerate((start, *5 * (last,)), 1)
    ]
    return pd.DataFrame(runs)


def summary(*runs: pd.DataFrame, **shares: float) -> pd.DataFrame:
    """`summarise` of networks whose gradients at input and output have these ratios, or 1."""
    history = pd.concat(runs)
    norms = [
        {"label": label, "seed": 0, "epoch": 1, "depth": depth, "norm": norm}
        for label in history["label"].unique()
        for depth, norm in enumerate(np.repeat((shares.get(label, 1.0), 1.0), 2), 1)
    ]
    return first_network.summarise(history, LIMITS, pd.DataFrame(norms))


@pytest.mark.parametrize(
    ("final", "verdict"),
    [
        ((0.26, 0.27), "does not learn"),
        ((0.259, 0.27), "learns in some trainings"),
        ((0.2, 0.15), "learns"),
        ((0.26 - 1e-14,), "does not learn"),  # no more than rounding
    ],
)
def test_a_network_learns_where_it_beats_the_best_constant_image(final, verdict):
    assert first_network.verdict(np.array(final), 0.26) == verdict


def test_a_summary_has_a_row_a_network_and_students_interval():
    table = summary(history("as-run", 0.14, 0.16, 0.15), history("early", 0.3), early=0.05)
    assert table["network"].tolist() == ["as-run", "early"]
    later, first = table.itertuples()
    assert (later.trainings, later.epoch) == (3, 6)
    assert later.loss == pytest.approx(0.15)
    assert later.hi - later.loss == pytest.approx(4.302653 * 0.01 / 3**0.5, rel=1e-5)
    assert (later.starts, first.starts) == ("2, 2, 2", "never")
    assert (later.flat, first.flat) == (0, 1)
    assert (later.input_share, first.input_share) == pytest.approx((1, 0.05))
    assert np.isnan([first.lo, first.hi]).all()  # one training says nothing of its spread
    assert table["additions"].tolist() == table["batch norms"].tolist() == [True, False]


def test_bounds_are_those_of_the_output_layer():
    study = SimpleNamespace(paper=lambda side: (np.stack([dark, light]), None))
    dark, light = np.zeros((48, 48), np.uint8), np.full((48, 48), 204, np.uint8)  # -1 and 0.6
    limits = first_network.limits(study)
    assert limits["tanh"] == pytest.approx({"constant": 0.8**2, "floor": 0}, abs=1e-6)
    sigmoid = {"constant": (1 + 0.6**2) / 2, "floor": 0.5}  # the mean is -0.2: 0 is the best
    assert limits["sigmoid"] == pytest.approx(sigmoid, abs=1e-6)


@pytest.mark.parametrize(
    ("losses", "same"),
    [
        (paper.FIGURE_5, True),
        (paper.FIGURE_4, False),
        ((0.48, 0.34, 0.257, 0.252, 0.25, 0.25), True),
        ((0.46, 0.46, 0.45, 0.44, 0.36, 0.25), False),  # it drops late
        ((0.5, 0.25, 0.2, 0.2, 0.2, 0.2), False),  # it is better than a constant image
        ((0.5, 0.25), False),  # too short to tell
    ],
)
def test_figure_5_is_a_curve_that_drops_and_stays_at_a_constant_image(losses, same):
    assert first_network.like_figure_5(np.array(losses), 0.24) == same


def test_the_answer_names_who_reproduces_it_who_learns_and_the_gradients():
    parts = [history("as-run", 0.15), history("early", 0.27, 0.2), history("as-run-plain", 0.2)]
    fitting = history("range-matched-bare", 0.25)  # has another output layer
    text = first_network.answer(summary(*parts, fitting, early=0.05))
    assert "came out of 1 of 2 trainings of the authors' first network, and of 1 of 3" in text
    assert "without additions in all**: early (1 of 2, 6 epochs).\n" in text
    assert "additions nor batch norms, learns in some trainings (2 trainings). Of" in text
    assert "without its additions it learns (1 training), without" in text
    assert text.endswith("in 1 networks, and 0 of these learn all the same.")
    vanishing = {"early": 0.05, "range-matched-bare": 0.05}
    text = first_network.answer(summary(*parts, history("range-matched-bare", 0.02), **vanishing))
    assert text.endswith(
        "in 2 networks, and 1 of these learn all the same, 1 with the output layer that fits."
    )
    text = first_network.answer(summary(*parts[:1], parts[2]))
    assert "came out of 0 of 0 trainings of the authors' first network, and of 0 of 1" in text


def test_records_bear_the_facts_of_their_recipe():
    recipe = next(r for r in plan.recipes(config.load("cpu"), "x") if r.network == "early")
    run = SimpleNamespace(history=[{"epoch": 1, "train_loss": 0.5, "seconds": 1.0}])
    (row,) = first_network.records([(recipe, run)]).to_dict("records")
    assert (row["network"], row["seed"], row["train_loss"]) == ("early", 0, 0.5)
    assert row["label"] == "the first network, width 1/16"


def test_every_plan_trains_both_networks_alike():
    for profile, planned in plan.PLANS.items():
        arms = (planned.first, planned.block)
        first, block = (plan.trainings(config.load(profile), "x", arm) for arm in arms)
        assert {r.seed for r in first} >= {r.seed for r in block}
        assert {r.training for r in first} == {r.training for r in block}
        assert {r.model.width for r in first} == {r.model.width for r in block}


def test_losses_are_drawn_over_what_the_paper_prints():
    runs = pd.concat([history("as-run", 0.14, 0.16), history("early", 0.3)])
    printed = {"figure 4": (0.3, 0.2), "figure 5": (0.3, 0.3)}
    (axis,) = figures.losses(runs, LIMITS["sigmoid"], printed).axes
    assert len(axis.lines) == 3 + 2 + 2  # trainings, printed curves, bounds
    colours = {line.get_color() for line in axis.lines[:2]}
    assert len(colours) == 1  # two trainings of one network


def test_the_first_network_has_one_convolution_where_blocks_are_and_eight_decoding_layers():
    from fer_lib import autoencoder

    model = autoencoder.build(config.load("cpu").model("early", 1 / 32), 0)
    kinds = [type(module).__name__ for module in model.modules()]
    assert kinds.count("Conv2d") == kinds.count("ConvTranspose2d") == 8
    assert not any("Norm" in kind or "Block" in kind for kind in kinds)
    x = pipeline.normalise(torch.rand(2, 3, 96, 96))
    y = model(x)
    assert y.shape == x.shape
    assert 0 <= y.min() <= y.max() <= 1
    layers = {row["layer"]: row for row in autoencoder.describe(config.NETWORKS["early"])}
    assert layers["decoder.2"]["output"] == "1024x12x12"  # as in aced6371
    assert layers["encoder.14"]["output"] == "4096x6x6"
