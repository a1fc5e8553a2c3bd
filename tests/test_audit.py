"""From outputs to the audit's tables and words: shared computations equal direct ones."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from skimage.metrics import structural_similarity

from fer_lib import audit, config, findings, grid, likelihood, models, procedures, remarks, testing
from fer_lib.config import ModelConfig
from fer_lib.procedures import Pass, Procedure, Setting, View
from fer_lib.training import Trained

IDS = np.arange(100, 112)
SETTINGS = replace(config.load("smoke"), levels=(0.0, 0.15, 0.3, 0.5), resamples=100)


@pytest.fixture(scope="module")
def faces():
    lines = np.linspace(0, 3, 48)[:, None] + np.linspace(0, 2, 48)
    phases = np.random.default_rng(0).uniform(0, 6, (len(IDS), 1, 1))
    return (127 + 120 * np.sin(lines + phases)).astype(np.uint8)


@pytest.fixture(scope="module")
def trained():
    model = models.build(ModelConfig(width=1 / 64), 0).eval()
    return Trained(model, [], [], "cae-of-the-test")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def scores(trained, faces, work):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grid, "WORK", work)
        return grid.score(trained, faces, IDS, SETTINGS, small=True)


@pytest.fixture(scope="module")
def chosen():
    return list(procedures.procedures(small=True))


@pytest.fixture(scope="module")
def assessed(scores, chosen):
    widths = dict.fromkeys((1 / 32, 1 / 16, 1 / 8), scores)
    return likelihood.assess(audit.table(widths, chosen, SETTINGS))


def direct(procedure: Procedure, model, faces, level: float, number: int) -> tuple[float, float]:
    """SSIM and MSE of one image, by scikit-image and from the procedure's words alone."""
    p, loop = procedure, testing.loop_of(procedure.run)
    x = testing.noisy(loop, faces, IDS, level, SETTINGS.seed)
    images = {"noisy": x, "clean": testing.reference(faces, IDS, p.run.space, p.run.augmented, 0)}
    entered = x if p.run.space == "normalised" else 2 * x - 1
    with torch.inference_mode():
        output = model(entered)
    images["output"] = output if p.run.space == "normalised" else (output + 1) / 2
    images["clamped"] = images["clean"].clamp(0, 1)
    if p.view.clipped:
        images["output"] = images["output"].clamp(0, 1)
    change = {
        ("normalised", "unit"): lambda a: (a + 1) / 2,
        ("unit", "normalised"): lambda a: 2 * a - 1,
    }
    change = change.get((p.run.space, p.view.scored), lambda a: a)
    pairs = [
        [change(images[x][number]).double().numpy() for x in of.split("-")]
        for of in (p.ssim_of, p.mse_of)
    ]
    a, b = pairs[0]
    if p.setting.channels == "gray":
        a, b = a.mean(axis=0, keepdims=True), b.mean(axis=0, keepdims=True)
    span = np.ptp(a) if p.setting.data_range == "image" else float(p.setting.data_range)
    gaussian = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    options = gaussian if p.setting.window == "gaussian" else {}
    ssim = structural_similarity(a, b, data_range=span, channel_axis=0, **options)
    return ssim, np.square(pairs[1][0] - pairs[1][1]).mean()


@pytest.mark.parametrize("number", range(0, 2688, 97))
def test_shared_scores_are_those_of_each_procedure_alone(scores, chosen, trained, faces, number):
    procedure = chosen[number]
    if procedure.run.target != "none" or procedure.run.mode != "eval":
        procedure = replace(
            procedure, run=replace(procedure.run, target="none", mode="eval", passes=0)
        )
    ssim, mse = direct(procedure, trained.model, faces, 0.3, 5)
    assert scores[audit.ssim_name(procedure, 0.3)][5] == pytest.approx(ssim, abs=1e-4)
    name = grid.name(procedure.run, 0.3, procedure.view, procedure.mse_of)
    assert scores[name][5] == pytest.approx(mse, rel=1e-3)


def test_scores_are_kept_and_read_again(trained, faces, work, scores, monkeypatch):
    monkeypatch.setattr(grid, "WORK", work)
    monkeypatch.setattr(testing, "play", None)  # nothing is played again
    again = grid.score(trained, faces, IDS, SETTINGS, small=True)
    assert scores.keys() == again.keys()
    assert all(np.array_equal(scores[name], again[name]) for name in scores)


def test_another_seed_or_network_is_another_score(trained, faces, work, monkeypatch):
    monkeypatch.setattr(grid, "WORK", work)
    monkeypatch.setattr(testing, "play", None)
    for other in (replace(trained, key="another"), trained):
        settings = SETTINGS if other is not trained else replace(SETTINGS, seed=1)
        with pytest.raises(TypeError):
            grid.score(other, faces, IDS, settings, small=True)


def test_no_more_images_are_scored_than_enough(trained, faces, tmp_path, monkeypatch):
    monkeypatch.setattr(grid, "WORK", tmp_path)
    monkeypatch.setattr(grid, "ENOUGH", 5)
    monkeypatch.setattr(procedures, "passes", lambda small: [Pass("unit")])
    found = grid.score(trained, faces, IDS, SETTINGS, small=True)
    assert {len(values) for values in found.values()} == {4}  # every third of twelve


def test_the_table_has_a_row_per_procedure_width_and_level(assessed, chosen):
    table, ranking = assessed
    assert len(table) == len(chosen) * 3 * 4
    assert set(audit.COLUMNS) <= set(table.columns)
    assert not table[audit.COLUMNS].isna().any(axis=None)
    assert not table.duplicated([*procedures.AXES, "width", "level"]).any()
    inside = table["ssim_paper"].between(table["ssim10_lo"], table["ssim10_hi"])
    assert (table["ssim_inside"] == inside).all()
    assert sorted(ranking["procedure"]) == list(range(len(chosen)))
    assert ranking["score"].is_monotonic_decreasing


def test_noise_lowers_the_ssim_of_noisy_and_clean(scores, chosen):
    plain = next(p for p in chosen if p.ssim_of == "noisy-clean" and p.run.space == "unit")
    found = audit.single_images(scores, plain, SETTINGS.levels)
    means = [values.mean() for values in found.values()]
    assert means[0] == pytest.approx(1)
    assert means == sorted(means, reverse=True)


@pytest.fixture(scope="module")
def ranked(assessed, chosen):
    ranking = assessed[1].join(pd.DataFrame([p.axes for p in chosen]), on="procedure")
    return ranking, audit.named(chosen, ranking)


def test_the_named_procedures_are_the_best_and_the_two_readings(ranked, chosen):
    ranking, named = ranked
    for label, column in (
        ("both", "score"),
        ("Table I", "score_table1"),
        ("Table II", "score_table2"),
    ):
        best = ranking.set_index("procedure").loc[named[f"best for {label}"], column]
        assert best == ranking[column].max()
    assert chosen[named["as intended"]].run.space == "unit"
    assert chosen[named["as written"]].run.space == "normalised"


def test_signs_are_counted_against_the_papers(assessed):
    wide = assessed[0][assessed[0]["width"] == 1 / 8].assign(negative=0.2)
    found = audit.signs(wide, {"any": 0})
    assert found["the paper"].tolist() == [0, 1, 2, 2]
    assert (found["expected"] == 2).all()
    assert found["p"].tolist() == pytest.approx([0.228, 0.698, 1, 1], abs=1e-3)
    words = findings.signs(found)
    assert words.index.tolist() == ["the paper", "any"]
    assert words.loc["the paper"].tolist() == ["0", "1", "2", "2"]
    assert words.loc["any", 0.15] == "2.0 (p = 0.7)"


def test_a_procedure_that_is_best_twice_is_followed_once():
    named = {"best for both": 3, "best for Table I": 3, "as written": 5}
    assert audit.merged(named) == {"best for both, Table I": 3, "as written": 5}


def test_predictions_are_a_row_a_procedure_and_measure():
    columns = [f"{name}{end}" for name in ("ssim", "mse") for end in ("", "_lo", "_hi")]
    values = [[0, 0.0, 0.48, 0.48, 0.48, 0.01, 0.001, 0.1], [0, 0.5, 0.07, *[np.nan] * 2, 1, 1, 1]]
    table = pd.DataFrame(values, columns=["procedure", "level", *columns])
    words = findings.predicted(table, {"best": 0})
    assert words.loc[("best", "SSIM")].tolist() == ["0.48", "0.07"]
    assert words.loc[("best", "MSE")].tolist() == ["0.01 [0.001, 0.1]", "1"]


def test_a_profile_costs_nothing_at_the_best_and_names_every_value(ranked):
    ranking, named = ranked
    costs = audit.profile(ranking, list(procedures.AXES))
    assert (costs.groupby("axis")["score"].max() == 0).all()
    assert (costs["score"] <= 0).all()
    assert set(costs.loc[costs["axis"] == "space", "value"]) == {"normalised", "unit"}


def test_the_finding_quotes_the_tables(assessed, ranked):
    table, (ranking, named) = assessed[0], ranked
    predictions = likelihood.predictions(table, named.values())
    sentences = findings.finding(table, ranking, predictions, named)
    assert len(sentences) == 5
    number = named["best for Table I"]
    wide = table[table["width"] == 1 / 8]
    first = wide[(wide["procedure"] == number) & (wide["level"] == 0)]["ssim_mean"].iloc[0]
    assert f"{first:.2f}, " in sentences[0]
    assert "0.50, 0.29, 0.21, 0.08" in sentences[0]
    assert f"{(ranking['p_table1'] >= 0.05).sum()} of {len(ranking)}" in sentences[0]
    assert "nan" not in " ".join(sentences)


@pytest.mark.parametrize(
    ("p", "words"), [(0.5, "since ten images say little, but with"), (0, "survive it; with")]
)
def test_the_finding_explains_survivors_only_where_there_are_some(assessed, ranked, p, words):
    table, (ranking, named) = assessed[0], ranked
    predictions = likelihood.predictions(table, named.values())
    first = findings.finding(table, ranking.assign(p_table1=p), predictions, named)[0]
    assert words in first


def test_every_claim_has_a_verdict(assessed, ranked):
    table, (ranking, named) = assessed[0], ranked
    wide = table[table["width"] == 1 / 8]
    rows = [(x, kind, 0.2, 0.5) for x in SETTINGS.levels for kind in ("raw", "noisy", "output")]
    light = pd.DataFrame(rows, columns=["level", "images", "brightness", "black"])
    reports = config.ROOT / "reports" / "orl-quick" / "tables"
    answers = [pd.read_csv(reports / f"{n}.csv") for n in ("verdicts", "ablation_verdict")]
    sizes = {"factor 0": 7.0, "factor 0.5": 9.0, "the noise itself": 3.0}
    claims = findings.claims(wide, ranking, named, light, sizes, answers)
    assert len(claims) >= 10
    assert not claims.isin([""]).any(axis=None)
    brighter = claims.set_index("claim").loc["Outputs are brighter", "verdict"]
    assert brighter == findings.NOT_REPRODUCED  # 0.2 is not more than 0.2
    dots = claims.set_index("claim").loc["Polka dots at 0.5"]
    assert dots["verdict"].startswith(findings.EXPLAINED)  # 9 is not 7
    assert dots["evidence"].endswith("factor 0 7, factor 0.5 9, the noise itself 3")


def test_words_differ_for_different_procedures(chosen):
    words = [audit.describe(procedure.axes) for procedure in chosen]
    assert len(set(words)) == len(words)


def test_ssims_terms_multiply_to_ssim():
    random = np.random.default_rng(0)
    a, b = random.uniform(-1, 1, (2, 40, 40))
    product = remarks.ssim_terms(a, b, 2.0).prod(axis=0)[3:-3, 3:-3].mean()
    assert product == pytest.approx(structural_similarity(a, b, data_range=2.0), abs=1e-12)


def test_luminance_is_negative_only_below_middle_gray():
    dark, light = np.full((20, 20), -0.5), np.full((20, 20), 0.5)
    assert remarks.ssim_terms(dark, light, 2.0)[0, 10, 10] < -0.9
    assert remarks.ssim_terms(dark + 1, light, 1.0)[0, 10, 10] > 0.9


def test_a_spectrum_finds_the_period():
    wave = torch.sin(torch.arange(96) * 2 * np.pi / 8).expand(4, 3, 96, 96)
    power = remarks.spectrum(wave)
    assert power.loc[power["share"].idxmax(), "frequency"] == pytest.approx(1 / 8, abs=0.02)
    assert remarks.spot_size(power) == pytest.approx(8, rel=0.1)
    noise = torch.randn(50, 1, 96, 96, generator=torch.Generator().manual_seed(0))
    assert remarks.spot_size(remarks.spectrum(noise)) < 4


def test_brightness_is_that_of_what_is_shown():
    clean = torch.full((2, 3, 96, 96), -0.4)
    output = clean + 0.6
    table = remarks.brightness([testing.Result(0.0, "eval", 0, clean.clamp(0, 1), output)], clean)
    found = table.set_index("images")
    assert found["brightness"].to_dict() == pytest.approx({"raw": 0, "noisy": 0, "output": 0.2})
    assert found["black"].to_dict() == {"raw": 1, "noisy": 1, "output": 0}


def test_readings_are_part_of_the_small_grid(chosen):
    assert all(reading in chosen for reading in audit.READINGS.values())
    assert audit.READINGS["as written"].setting == Setting()
    assert audit.READINGS["as intended"].view == View("unit")
