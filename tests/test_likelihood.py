"""The weighing of procedures: known answers, and that truth wins over what is false."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from fer_lib import likelihood, paper, stats

LEVELS = paper.LEVELS
TEN = np.array([paper.SSIM_SAMPLES[level] for level in LEVELS])


def expected(shift=0.0, sd=1.0, mse=1.0, spread=0.02, df=4) -> likelihood.Expected:
    """The paper's own numbers as one procedure, moved."""
    return likelihood.Expected(
        ssim=TEN.mean(axis=1)[None] + shift,
        sd=TEN.std(axis=1, ddof=1)[None] * sd,
        log_mse=np.log([[paper.MSE[level] * mse for level in LEVELS]]),
        log_mse_error=np.full((1, 4), 0.03),
        ssim_spread=np.full((1, 1), spread),
        mse_spread=np.full((1, 1), spread),
        df=df,
    )


@pytest.mark.parametrize("df", [0, 4])
def test_the_papers_own_numbers_are_not_rejected(df):
    found = likelihood.weigh(expected(df=df), LEVELS)
    assert found.scores.shape == found.p_mse.shape == (1, 4)
    assert min(found.p[0], found.p_table1[0], found.p_table2[0]) > 0.9


@pytest.mark.parametrize("change", [{"shift": 0.3}, {"sd": 0.2}, {"sd": 4}, {"mse": 3.0}])
@pytest.mark.parametrize("df", [0, 4])
def test_every_fact_counts(change, df):
    found = likelihood.weigh(expected(df=df, **change), LEVELS)
    best = likelihood.weigh(expected(df=df), LEVELS)
    assert (found.scores < best.scores).sum() >= 3  # 0.01, with one digit, says least
    assert found.p[0] < 0.05 < best.p[0]
    assert (found.p_table2[0] < 0.05) == ("mse" in change)
    assert (found.p_table1[0] < 0.05) == ("mse" not in change)


def test_no_score_is_infinite_however_false():
    found = likelihood.weigh(expected(shift=50, mse=1e9, df=0), LEVELS)
    assert np.isfinite(found.scores).all()
    assert found.p[0] == 0


def test_p_values_are_uniform_where_the_procedure_is_true(monkeypatch):
    """Tables drawn from a procedure reject it as often as the level says."""
    rng, p = np.random.default_rng(0), []
    for _ in range(300):
        ten = {level: tuple(rng.normal(0.4, 0.1, 10)) for level in LEVELS}
        mse = {level: f"{0.1 * np.exp(rng.normal(0, 0.05)):.6f}" for level in LEVELS}
        monkeypatch.setattr(paper, "SSIM_SAMPLES", ten)
        monkeypatch.setattr(paper, "MSE_PRINTED", mse)
        monkeypatch.setattr(paper, "MSE", {level: float(text) for level, text in mse.items()})
        true = likelihood.Expected(
            np.full((1, 4), 0.4), np.full((1, 4), 0.1), np.full((1, 4), np.log(0.1)),
            np.full((1, 4), 0.05), np.zeros((1, 1)), np.zeros((1, 1)), 0,
        )  # fmt: skip
        p.append(likelihood.weigh(true, LEVELS).p[0])
    assert scipy.stats.kstest(p, "uniform").pvalue > 0.01


def test_an_mse_is_weighed_by_the_digits_it_is_printed_with():
    assert paper.mse_ends(0.0) == pytest.approx((0.00625, 0.00635))
    assert paper.mse_ends(0.15) == pytest.approx((0.0095, 0.0105))
    assert paper.mse_ends(0.5) == pytest.approx((0.005, 0.015))


def test_a_trend_finds_the_line_and_the_scatter_about_it():
    widths = np.array([1 / 16, 1 / 8, 1 / 4, 1 / 2])
    line = 0.5 + 0.1 * np.log2(widths)
    noise = np.random.default_rng(0).normal(0, 0.01, (4, 200, 4))
    found = likelihood.trend(widths, line[:, None, None] + noise)
    assert found.df == 8
    assert found.at_one.mean() == pytest.approx(0.5, abs=0.002)
    assert np.sqrt((found.spread**2).mean()) == pytest.approx(0.01, rel=0.05)
    # The textbook's prediction error of a simple regression at x = 0.
    x = np.log2(widths)
    stretch = np.sqrt(1 + 1 / 4 + x.mean() ** 2 / ((x - x.mean()) ** 2).sum())
    assert found.stretch == pytest.approx(stretch)


def test_one_width_is_its_own_prediction():
    values = np.random.default_rng(0).random((1, 3, 4))
    found = likelihood.trend(np.array([0.125]), values)
    assert found.df == 0
    np.testing.assert_allclose(found.at_one, values[0])
    assert not found.spread.any()


def audit(widths, sd=0.0) -> pd.DataFrame:
    """Procedure 0 gives the paper's numbers at width 1, procedure 1 others."""
    rng, rows = np.random.default_rng(0), []
    for width in widths:
        for number, shift in enumerate((0.0, 0.3)):
            for level, ten in zip(LEVELS, TEN, strict=True):
                slope = 0.02 * np.log2(width) + rng.normal(0, sd)
                mse = paper.MSE[level] * np.exp(-slope + 2 * shift)
                row = (number, width, level, ten.mean() + shift + slope, ten.std(ddof=1))
                rows.append((*row, mse, mse / 2))
    columns = ["procedure", "width", "level", "ssim_mean", "ssim_sd", "mse", "mse_sd"]
    table = pd.DataFrame(rows, columns=columns).assign(n=400)
    return table.sample(frac=1, random_state=0)


def test_the_true_procedure_leads_the_ranking():
    table, ranking = likelihood.assess(audit([1 / 8, 1 / 4, 1 / 2], sd=0.01))
    assert ranking["procedure"].tolist() == [0, 1]
    assert ranking["p"].iloc[0] > 0.05 > ranking["p"].iloc[1]
    assert ranking["p_at_1"].iloc[0] > 0.05
    widest = table[table["width"] == 1 / 2].groupby("procedure")["score"].sum()
    np.testing.assert_allclose(widest[ranking["procedure"]], ranking["score"])
    assert len(table) == 24
    assert table.loc[table["procedure"] == 0, "mse_inside"].all()
    assert not table.loc[(table["procedure"] == 1) & (table["level"] == 0), "mse_inside"].any()


def test_predictions_hold_the_line_at_width_1():
    rows = likelihood.predictions(audit([1 / 8, 1 / 4, 1 / 2]), [0])
    np.testing.assert_allclose(rows["ssim"], TEN.mean(axis=1), atol=2e-3)  # nearly straight
    np.testing.assert_allclose(rows["mse"], [paper.MSE[level] for level in LEVELS])
    noisy = likelihood.predictions(audit([1 / 8, 1 / 4, 1 / 2], sd=0.01), [0, 1])
    assert noisy["procedure"].tolist() == [0] * 4 + [1] * 4
    assert (noisy["ssim_lo"] < noisy["ssim"]).all()
    assert (noisy["mse_lo"] < noisy["mse"]).all()
    assert (noisy["mse"] < noisy["mse_hi"]).all()


def test_no_prediction_of_ssim_leads_beyond_1():
    table = audit([1 / 8, 1 / 4, 1 / 2], sd=0.01)
    table["ssim_mean"] = 0.97 + 0.05 * np.log2(table["width"]) + 0.01 * (table["level"] > 0)
    rows = likelihood.predictions(table, [0])
    assert (rows["ssim_hi"] <= 1).all()
    assert (rows["ssim_lo"] <= rows["ssim"]).all()


def test_without_enough_widths_a_prediction_has_no_interval():
    rows = likelihood.predictions(audit([1 / 8, 1 / 4]), [0])
    assert rows[["ssim_lo", "mse_hi"]].isna().all(axis=None)
    assert rows["ssim"].notna().all()


def test_holm_is_the_textbooks():
    p = np.array([0.01, 0.04, 0.03, 0.005])
    np.testing.assert_allclose(stats.holm(p), [0.03, 0.06, 0.06, 0.02])
    assert stats.holm(np.array([0.9, 0.8])).max() == 1


def test_means_of_ten_different_images():
    scores = np.arange(12.0)
    means = stats.subset_means(scores[:, None], 10, 500)[:, 0]
    assert means.mean() == pytest.approx(5.5, abs=0.05)
    # Without replacement: variance (1 - 10/12) s^2 / 10.
    assert means.std() == pytest.approx(np.sqrt((1 - 10 / 12) * scores.var(ddof=1) / 10), rel=0.1)
    np.testing.assert_array_equal(means, stats.subset_means(scores[:, None], 10, 500)[:, 0])
    with pytest.raises(ValueError, match="sample"):
        stats.subset_means(scores[:5, None], 10, 5)
