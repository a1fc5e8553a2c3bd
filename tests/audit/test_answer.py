"""The sentences on the front page, on small tables made by hand."""

import numpy as np
import pandas as pd
import pytest

from fer_lib import config, paper
from fer_lib.audit import answer, figures, plan, procedure
from fer_lib.figures import STYLES


@pytest.fixture
def tables(tmp_path):
    """As run at two widths, the first inside the printed ranges at 0 and 0.5 only."""
    levels = list(paper.LEVELS)
    runs = pd.DataFrame({"level": levels * 2, "batches": 13, "mse": 0.0101, "ssim": 0.3})
    runs["label"] = ["as run, width 1/8"] * 4 + ["as run, width 1/16"] * 4
    runs["width"] = [1 / 8] * 4 + [1 / 16] * 4
    runs["ssim_lo"] = [0.4, 0.3, 0.3, 0.0] + [0.0] * 4
    runs["ssim_hi"] = [0.6, 0.5, 0.5, 0.2] + [1.0] * 4
    runs = runs.assign(mse_lo=0.009, mse_hi=0.0120)  # of 16 batches 0.0073 to 0.0098
    losses = pd.DataFrame({"label": [*runs["label"][[0, 0, 4, 4]]], "epoch": [1, 2, 1, 2]})
    losses = losses.assign(train_loss=[0.3, 0.132, 0.4, 0.2], floor=0.1234)
    figures = {"id": [5, 6, -1], "printed": [0.5, 0.3, 0.1], "code": [0.502, 0.296, np.nan]}
    ladder = pd.DataFrame({"way": ["cumulative"] * 2 + ["alone"], "level": [0.0, 0.5, 0.5]})
    ladder = ladder.assign(rung="MSE not divided", ssim=[0.91, 0.42, 0.1], mse=[0.0015, 0.03, 9])
    written = {"as_run": runs, "as_run_losses": losses, "ladder": ladder}
    for name, table in (written | {"paper_figures": pd.DataFrame(figures)}).items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    return tmp_path


def test_every_number_comes_from_the_tables(tables):
    first, run, second, floor, honest = answer.answer(tables)
    assert "of the 3 faces in them, 2 can be identified" in first
    assert "to 0.003 in the mean and 0.004 at most" in first
    assert "at 1/8 of the width" in run
    assert "0.30, 0.30, 0.30, 0.30 where table I prints 0.50, 0.29, 0.21, 0.08" in run
    assert "at 2 of 4 factors" in run
    assert "divided by 13, ours is 0.0101" in second
    assert f"code's 1,000 test faces {0.0101 * 13 / 16:.4f}, " in second
    assert "0.0063, 0.010, 0.0096, 0.01 is printed" in second
    assert "in 95% of draws at 1 of 4 factors" in second
    assert "below 0.123" in floor
    assert (
        "Ours ends at 0.132, the paper's, which may be of another training (below), at 0.142"
        in floor
    )
    assert f"{0.1234 / 0.1313:.0%} is that floor" in floor
    assert "SSIM 0.91, 0.42 and MSE 0.0015, 0.0300" in honest
    assert "factors 0, 0.5" in honest


@pytest.mark.parametrize("profile", plan.PLANS)
def test_every_plan_has_the_pair_of_the_ladder_first_and_no_training_twice(profile):
    settings = config.load(profile, seed=4)
    recipes = plan.recipes(settings, "checksum")
    names = [recipe.network for recipe in recipes]
    assert names[0] == "as-run"
    assert "range-matched" in names
    pair = [next(r for r in recipes if r.network == name) for name in ("as-run", "range-matched")]
    assert {recipe.model.width for recipe in pair} == {settings.width}
    assert {(recipe.seed, recipe.part) for recipe in pair} == {
        (4, settings.part("checksum", "paper"))
    }
    assert not any(recipe.training.augmented for recipe in recipes)
    usual = settings.training.learning_rate
    named = {plan.label(r, usual=usual) for r in recipes}
    for naming in ({r.key for r in recipes}, named):
        assert len(naming) == len(recipes)
    assert set(plan.PLANS) == set(config.PROFILES)


def test_the_cpu_plan_trains_as_the_code_does():
    (first, *_) = plan.recipes(config.load("cpu"), "checksum")
    training = first.training
    assert (training.epochs, training.batch_size, training.learning_rate) == (30, 64, 1e-4)
    assert (first.model.output, first.model.projection) == ("sigmoid", "conv_norm")
    assert first.model.code == "identity"
    assert plan.label(first) == "as run, width 1/8"


def test_figures_draw_what_is_in_the_tables(tables):
    runs, losses, shown = (
        pd.read_csv(tables / f"{name}.csv") for name in ("as_run", "as_run_losses", "paper_figures")
    )
    runs = runs.assign(mse_lo=0.009, mse_hi=0.011, ssim_lo=0.2, ssim_hi=0.4)
    scores = pd.DataFrame({"level": np.repeat(paper.LEVELS, 5), "ssim": np.linspace(-0.1, 1, 20)})
    left, right = figures.tables(runs, scores).axes
    assert [c.get_label() for c in right.containers] == [*runs["label"].unique(), "the paper"]
    assert np.allclose(right.containers[-1].lines[0].get_ydata(), list(paper.MSE.values()))
    assert left.get_ylim()[0] < -0.1
    curves = {"the paper's figure 4": paper.FIGURE_4}
    losses = losses.assign(seed=0, network="as-run")
    (axis,) = figures.losses(losses, {"floor": 0.1234}, curves).axes
    assert len(axis.get_lines()[2].get_ydata()) == 30
    assert np.allclose(axis.get_lines()[3].get_ydata(), 0.1234)
    shown = shown.assign(level=0.0, search=0.2)[shown["id"] >= 0]
    assert "off by 0.003" in figures.readings(shown).axes[0].texts[0].get_text()


def test_curves_of_networks_without_additions_have_their_own_colour(tables):
    losses = pd.read_csv(tables / "as_run_losses.csv").assign(seed=0)
    networks = ["as-run", "early", "as-run-bare", "range-matched"]
    several = [losses.assign(label=name, network=name) for name in networks]
    lines = figures.losses(pd.concat(several), {}, {}).axes[0].get_lines()
    drawn = {line.get_label(): (line.get_color(), line.get_linestyle()) for line in lines}
    colours = {drawn[name][0] for name in ("as-run", "range-matched")}
    assert colours == {STYLES["cae"]["color"]}
    assert {drawn[name][0] for name in networks[1:3]} == {STYLES["cae-plain"]["color"]}
    assert len(set(drawn.values())) == len(networks)  # and each its own line


def test_the_ladder_shows_every_rung_once_in_each_list():
    rows = [
        {"way": way, "rung": rung, "level": level, **dict.fromkeys(("ssim", "mse"), 0.5)}
        | {f"{metric}_{end}": 0.4 for metric in ("ssim", "mse") for end in ("lo", "hi")}
        for way, rung, _ in procedure.rungs()
        for level in paper.LEVELS
    ]
    table = pd.DataFrame(rows).assign(ssim_hi=0.6, mse_hi=0.6)
    axes = figures.ladder(table).axes
    assert len(axes) == 4
    for axis in (axes[0], axes[2]):
        texts = [label.get_text() for label in axis.get_yticklabels()]
        assert texts == [procedure.FIRST, *procedure.STEPS]
