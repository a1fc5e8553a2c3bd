"""Figure 5: each verdict at losses made for it, and what bounds a loss."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from fer_lib import config, pipeline
from fer_lib.audit import figures, first_network, plan

LIMITS = {
    "sigmoid": {"constant": 0.26, "floor": 0.13},
    "tanh": {"constant": 0.24, "floor": 0.0},
}


def history(network: str, *final: float) -> pd.DataFrame:
    """Trainings of two epochs that end with the losses `final`."""
    runs = [
        {"label": network, "network": network, "seed": seed, "epoch": epoch, "train_loss": loss}
        for seed, last in enumerate(final)
        for epoch, loss in ((1, 0.5), (2, last))
    ]
    return pd.DataFrame(runs)


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
    runs = pd.concat([history("as-run", 0.14, 0.16, 0.15), history("early", 0.3)])
    table = first_network.summarise(runs, LIMITS)
    assert table["network"].tolist() == ["as-run", "early"]
    later, first = table.itertuples()
    assert (later.trainings, later.epoch) == (3, 2)
    assert later.loss == pytest.approx(0.15)
    assert later.hi - later.loss == pytest.approx(4.302653 * 0.01 / 3**0.5, rel=1e-5)
    assert (later.starts, first.starts) == ("2, 2, 2", "never")
    assert np.isnan([first.lo, first.hi]).all()  # one training says nothing of its spread
    assert table["additions"].tolist() == table["batch norms"].tolist() == [True, False]
    early = first_network.summarise(runs, LIMITS, epoch=1)
    assert set(early["loss"]) == {0.5}


def test_bounds_are_those_of_the_output_layer():
    study = SimpleNamespace(paper=lambda side: (np.stack([dark, light]), None))
    dark, light = np.zeros((48, 48), np.uint8), np.full((48, 48), 204, np.uint8)  # -1 and 0.6
    limits = first_network.limits(study)
    assert limits["tanh"] == pytest.approx({"constant": 0.8**2, "floor": 0}, abs=1e-6)
    sigmoid = {"constant": (1 + 0.6**2) / 2, "floor": 0.5}  # the mean is -0.2: 0 is the best
    assert limits["sigmoid"] == pytest.approx(sigmoid, abs=1e-6)


@pytest.mark.parametrize(
    ("first", "block", "verdict"),
    [
        ("does not learn", "learns", "figure 5 is reproduced"),
        ("learns in some trainings", "learns", "figure 5 is reproduced in some trainings"),
        ("learns in some trainings", "does not learn", "figure 5 is not reproduced"),
        ("learns", "learns", "figure 5 is not reproduced"),
        ("does not learn", "does not learn", "figure 5 is not reproduced"),
    ],
)
def test_figure_5_asks_for_both_networks(first, block, verdict):
    assert first_network.reproduced(first, block) == verdict


@pytest.mark.parametrize(
    ("no_norms", "no_additions", "bare", "cause"),
    [
        (0.27, 0.2, 0.27, "its batch norms"),
        (0.2, 0.27, 0.2, "its additions"),
        (0.2, 0.2, 0.27, "its batch norms or its additions, either of them"),
        (0.27, 0.27, 0.27, "its batch norms and its additions"),
        (0.2, 0.2, 0.2, "neither its batch norms nor its additions"),
    ],
)
def test_the_cause_is_the_part_without_which_nothing_is_learnt(no_norms, no_additions, bare, cause):
    losses = {"as-run-no-norms": no_norms, "as-run-plain": no_additions, "as-run-bare": bare}
    cells = [history(network, loss) for network, loss in losses.items()]
    assert first_network.cause(first_network.summarise(pd.concat(cells), LIMITS)) == cause
    alone = first_network.summarise(cells[0], LIMITS)
    assert first_network.cause(alone) == "not asked in this run"


def test_the_answer_names_verdict_cause_and_gradients():
    runs = pd.concat([history("as-run", 0.15), history("early", 0.27)])
    losses = {"as-run-no-norms": 0.2, "as-run-plain": 0.2, "as-run-bare": 0.27}
    cells = pd.concat([history(network, loss) for network, loss in losses.items()])
    text = first_network.answer(
        first_network.summarise(runs, LIMITS).assign(input_share=[1.0, 0.05]),
        first_network.summarise(cells, LIMITS),
    )
    assert text.startswith("**Figure 5 is reproduced**: the authors' first network does not learn")
    assert "below the best constant image in epochs never, and 2 (" in text
    assert "within 2 epochs: **its batch norms or its additions, either of them**" in text
    assert "**Gradients vanish in the first network**" in text
    assert "is 20 times smaller than with the blocks (threshold 10)" in text


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
