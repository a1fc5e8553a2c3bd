"""Intervals against the textbook, scipy and simulation; pairing; verdicts."""

import numpy as np
import pytest
import scipy.stats

from fer_lib import stats
from fer_lib.stats import Estimate

RESAMPLES = 3000


def normal(size, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).normal(5.0, 2.0, size)


def width(estimate: Estimate) -> float:
    return estimate.hi - estimate.lo


def test_the_interval_of_a_normal_sample_is_the_textbooks():
    sample = normal(200)
    found = stats.mean(sample, RESAMPLES)
    half = 1.96 * sample.std() / 200**0.5
    assert found.mean == pytest.approx(sample.mean(), rel=1e-12)
    assert found.lo == pytest.approx(sample.mean() - half, abs=0.08 * half)
    assert found.hi == pytest.approx(sample.mean() + half, abs=0.08 * half)


def test_the_interval_of_a_skewed_sample_is_scipys():
    sample = np.random.default_rng(1).exponential(3.0, 60)
    found = stats.mean(sample, RESAMPLES)
    options = {"n_resamples": RESAMPLES, "method": "percentile", "rng": 2}
    theirs = scipy.stats.bootstrap((sample,), np.mean, **options).confidence_interval
    assert found.lo == pytest.approx(theirs.low, abs=0.05 * width(found))
    assert found.hi == pytest.approx(theirs.high, abs=0.05 * width(found))
    up, down = found.hi - found.mean, found.mean - found.lo
    assert up > 1.05 * down  # skewed, as no interval of the form mean +- half is


def test_a_larger_sample_narrows_the_interval_by_the_root_of_its_size():
    narrow, wide = (width(stats.mean(normal(n), RESAMPLES)) for n in (1600, 100))
    assert wide / narrow == pytest.approx(4, rel=0.2)


def test_the_interval_covers_the_true_mean_about_95_times_in_100():
    random = np.random.default_rng(3)
    found = [stats.mean(random.normal(5, 2, 50), 400, seed) for seed in range(300)]
    covered = np.mean([one.lo <= 5 <= one.hi for one in found])
    assert 0.90 <= covered <= 0.98


def test_the_interval_over_trainings_and_images_covers_as_a_simulation_says():
    """With 12 trainings and 40 images, each with an effect of its own that the scores share."""
    random, hits = np.random.default_rng(4), 0
    for seed in range(200):
        scores = random.normal(0, 1, (12, 1)) + random.normal(0, 1, (1, 40))
        found = stats.mean(scores + random.normal(0, 0.2, (12, 40)), 300, seed)
        hits += found.lo <= 0 <= found.hi
    assert 0.86 <= hits / 200 <= 0.98  # a percentile interval of 12 is narrow; images alone: 0.6


def test_trainings_that_differ_widen_the_interval():
    images = normal(100)
    scores = np.stack([images - 3, images + 3])
    both, pooled = stats.mean(scores, RESAMPLES), stats.mean(scores.ravel(), RESAMPLES)
    assert both.mean == pytest.approx(pooled.mean)
    assert width(both) > 3 * width(pooled)
    assert width(both) > 6  # two trainings: one resample in four takes the same one twice
    assert both.lo < images.mean() - 3 + 0.5
    assert both.hi > images.mean() + 3 - 0.5


def test_trainings_that_agree_add_nothing():
    images = normal(100)
    once, thrice = stats.mean(images, RESAMPLES), stats.mean(np.stack([images] * 3), RESAMPLES)
    assert width(thrice) == pytest.approx(width(once), rel=0.06)  # taken for 300 images: 0.58


def test_one_row_is_the_same_as_no_rows():
    sample = normal(30)
    assert stats.mean(sample, 500) == stats.mean(sample[None], 500)


def test_pairing_narrows_the_interval_of_a_difference():
    theirs = normal(100)
    ours = theirs + 0.1 + 0.05 * normal(100, 1)
    paired = stats.difference(ours, theirs, RESAMPLES)
    unpaired = stats.difference(np.random.default_rng(5).permutation(ours), theirs, RESAMPLES)
    assert paired.mean == pytest.approx(unpaired.mean)
    assert paired.mean == pytest.approx((ours - theirs).mean())
    assert width(unpaired) > 10 * width(paired)


def test_trainings_are_paired_by_seed():
    """The seed moves both by as much: only the paired difference is free of it."""
    theirs = normal((3, 80)) + np.array([[-5], [0], [5]])
    paired = stats.difference(theirs + 0.5, theirs, RESAMPLES)
    crossed = stats.difference(theirs[[1, 2, 0]] + 0.5, theirs, RESAMPLES)
    assert paired.values == pytest.approx((0.5, 0.5, 0.5))
    assert width(crossed) > 5


def test_a_single_row_is_set_against_every_training():
    noisy, ours = normal(60), np.stack([normal(60) + shift for shift in (1.0, 2.0)])
    found = stats.difference(ours, noisy, RESAMPLES)
    assert found.values == pytest.approx((1.5, 1.0, 2.0))


def test_unequal_numbers_of_trainings_are_drawn_on_their_own():
    """Images stay paired: what they share does not widen the interval."""
    images = normal(60)
    ours, theirs = np.stack([images + 3] * 3), np.stack([images - 1, images + 1])
    found = stats.difference(ours, theirs, RESAMPLES)
    assert found.values == pytest.approx((3, 2, 4))
    assert stats.p_value(ours, theirs, RESAMPLES) == pytest.approx(
        2 * scipy.stats.norm.sf(3 / np.sqrt(1 / 2)), rel=0.2
    )


def test_the_difference_is_ours_minus_theirs():
    found = stats.difference(np.full(9, 3.0), np.full(9, 1.0), 50)
    assert found.values == pytest.approx((2, 2, 2), rel=1e-12)


def test_equal_scores_have_an_interval_of_no_width():
    same = np.full((2, 10), 0.3)
    assert stats.mean(same, 200).values == pytest.approx((0.3, 0.3, 0.3), rel=1e-12)
    assert stats.difference(same, same, 200).values == (0, 0, 0)  # exactly: no verdict hangs on it


@pytest.mark.parametrize(
    ("lo", "hi", "word"),
    [
        (0.1, 0.3, "better"),
        (-0.3, -0.1, "worse"),
        (-0.1, 0.3, "undecided"),
        (0.0, 0.3, "undecided"),
        (-0.3, 0.0, "undecided"),
        (0.0, 0.0, "undecided"),
        (float("nan"), float("nan"), "undecided"),
    ],
)
def test_a_verdict_needs_an_interval_clear_of_zero(lo, hi, word):
    assert stats.verdict(Estimate((lo + hi) / 2, lo, hi), "better", "worse") == word


def test_the_seed_decides_the_resamples():
    scores = normal((3, 40))
    assert stats.mean(scores, 300, 1) == stats.mean(scores, 300, 1)
    assert stats.mean(scores, 300, 1) != stats.mean(scores, 300, 2)


def test_more_resamples_steady_the_interval():
    sample = normal(50)
    spread = [np.std([stats.mean(sample, n, seed).lo for seed in range(30)]) for n in (50, 5000)]
    assert spread[0] > 5 * spread[1]


def test_the_p_value_is_that_of_a_normal_mean():
    """40 images whose mean is twice its standard error from zero."""
    images = np.random.default_rng(0).normal(size=40)
    images = (images - images.mean()) / images.std()
    nothing = np.zeros(40)
    p = stats.p_value(images + 2 / np.sqrt(40), nothing, 20_000)
    assert p == pytest.approx(0.0455, abs=0.004)
    assert stats.p_value(images, nothing, 200) == pytest.approx(1)
    assert stats.p_value(np.ones(40), nothing, 200) == 0
    assert stats.p_value(nothing, nothing, 200) == 1
