"""Intervals against the textbook, scipy and simulation; pairing; verdicts."""

import itertools

import numpy as np
import pytest
import scipy.stats

from fer_lib import stats
from fer_lib.stats import Estimate


def normal(size, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).normal(5.0, 2.0, size)


def width(estimate: Estimate) -> float:
    return estimate.hi - estimate.lo


@pytest.mark.parametrize("size", [2, 10, 200])
def test_one_training_has_the_interval_and_p_of_students_t(size):
    sample = normal(size)
    estimate, theirs = stats.mean(sample), scipy.stats.ttest_1samp(sample, 0)
    assert estimate.values == pytest.approx((sample.mean(), *theirs.confidence_interval()))
    assert estimate.p == pytest.approx(theirs.pvalue, rel=1e-6)


def test_a_paired_difference_has_that_of_the_paired_t_test():
    theirs = normal(100)
    ours = theirs + 0.1 + 0.3 * normal(100, 1)
    estimate, expected = stats.difference(ours, theirs), scipy.stats.ttest_rel(ours, theirs)
    assert estimate.values[1:] == pytest.approx(tuple(expected.confidence_interval()))
    assert estimate.p == pytest.approx(expected.pvalue, rel=1e-6)
    unpaired = stats.difference(np.random.default_rng(5).permutation(ours), theirs)
    assert unpaired.mean == pytest.approx(estimate.mean)
    assert width(unpaired) > 3 * width(estimate)


def scores_of(random, trainings: int, *, spread: float, noise: float) -> np.ndarray:
    """Scores (trainings, 40) of mean 0: images vary by 1 and `noise`, trainings by `spread` times
    what images leave of doubt in the mean."""
    shifts = random.normal(0, spread * (trainings / 40) ** 0.5, (trainings, 1))
    return shifts + random.normal(0, 1, 40) + random.normal(0, noise, (trainings, 40))


@pytest.mark.parametrize("trainings", [2, 3, 5, 8])
@pytest.mark.parametrize(("spread", "noise"), [(0, 0.3), (1, 0.3), (3, 1), (30, 0.3)])
def test_the_interval_covers_with_as_few_trainings_as_the_study_has(trainings, spread, noise):
    """A nominal 95%, whichever share trainings have. A bootstrap over 2 trainings covers 68%."""
    random = np.random.default_rng([trainings, int(spread)])
    draws = [scores_of(random, trainings, spread=spread, noise=noise) for _ in range(400)]
    estimates = [stats.mean(scores) for scores in draws]
    covered = np.mean([one.lo <= 0 <= one.hi for one in estimates])
    assert covered >= 0.925  # 400 draws at 95%: 2.3 standard errors
    assert np.mean([one.p < 0.05 for one in estimates]) == pytest.approx(1 - covered)


def test_the_interval_is_not_wider_than_it_must_be():
    """Where trainings agree, many of them cover 95%, not 99%."""
    random = np.random.default_rng(1)
    draws = [scores_of(random, 8, spread=0, noise=0.1) for _ in range(400)]
    covered = np.mean([one.lo <= 0 <= one.hi for one in map(stats.mean, draws)])
    assert covered <= 0.975


def test_unequal_numbers_of_trainings_cover_too():
    random, hits = np.random.default_rng(4), 0
    for _ in range(400):
        images = random.normal(0, 1, 40)
        ours, theirs = (images + random.normal(0, 0.5, (n, 1)) for n in (2, 3))
        noise = random.normal(0, 0.3, (2, 40))
        estimate = stats.difference(ours + noise, theirs)
        hits += estimate.lo <= 0 <= estimate.hi
    assert hits / 400 >= 0.925


@pytest.mark.parametrize("p", [0.5, 0.05, 0.001, 1e-9])
def test_p_is_the_level_at_which_the_interval_reaches_zero(monkeypatch, p):
    scores = scores_of(np.random.default_rng(2), 3, spread=1, noise=0.3)
    monkeypatch.setattr(stats, "LEVEL", 1 - p)
    estimate = stats.mean(scores)
    half = width(estimate) / 2
    moved = stats.mean(scores - estimate.mean + half)
    assert moved.lo == pytest.approx(0, abs=1e-9 * half)
    assert moved.p == pytest.approx(p, rel=1e-5)


def test_trainings_that_differ_widen_the_interval():
    """Two trainings know little of how trainings vary: Student's t of one degree of freedom."""
    images = normal(100)
    scores = np.stack([images - 3, images + 3])
    both = stats.mean(scores)
    assert both.mean == pytest.approx(images.mean())
    by_images, by_trainings = width(stats.mean(images)) / 2, 12.706 * 3
    assert width(both) / 2 == pytest.approx(np.hypot(by_images, by_trainings), rel=1e-4)


def test_trainings_that_agree_add_nothing():
    images = normal(100)
    once, thrice = stats.mean(images), stats.mean(np.stack([images] * 3))
    assert width(thrice) == pytest.approx(width(once))  # taken for 300 images: 0.58


def test_one_row_is_the_same_as_no_rows():
    sample = normal(30)
    assert stats.mean(sample) == stats.mean(sample[None])


def test_trainings_are_paired_by_seed():
    """The seed moves both by as much: only the paired difference is free of it."""
    theirs = normal((3, 80)) + np.array([[-5], [0], [5]])
    paired = stats.difference(theirs + 0.5, theirs)
    crossed = stats.difference(theirs[[1, 2, 0]] + 0.5, theirs)
    assert paired.values == pytest.approx((0.5, 0.5, 0.5))
    assert width(crossed) > 5


def test_a_single_row_is_set_against_every_training():
    noisy, ours = normal(60), np.stack([normal(60) + shift for shift in (1.0, 2.0)])
    half = 12.706 * 0.5
    assert stats.difference(ours, noisy).values == pytest.approx(
        (1.5, 1.5 - half, 1.5 + half), rel=1e-4
    )


def test_unequal_numbers_of_trainings_are_not_paired():
    """Images are: what they share does not widen the interval."""
    images = normal(60)
    ours, theirs = np.stack([images + 3] * 3), np.stack([images - 1, images + 1])
    estimate = stats.difference(ours, theirs)
    assert estimate.values == pytest.approx((3, 3 - 12.706, 3 + 12.706), rel=1e-4)
    assert estimate.p == pytest.approx(2 * scipy.stats.t.sf(3, 1), rel=1e-4)


def test_the_difference_is_ours_minus_theirs():
    assert stats.difference(np.full(9, 3.0), np.full(9, 1.0)).values == (2, 2, 2)


@pytest.mark.parametrize(("rows", "other_rows"), [(1, 1), (2, 2), (3, 1), (2, 3)])
def test_equal_scores_do_not_differ_whatever_their_rounding(rows, other_rows):
    image = np.random.default_rng(0).random(37)
    ours, theirs = (np.stack([image] * n) for n in (rows, other_rows))
    estimate = stats.difference(ours, theirs + np.spacing(1.0) * (rows > 1))
    assert max(map(abs, estimate.values)) < stats.ROUNDING
    assert stats.verdict(estimate, "better", "worse") == "undecided"
    assert estimate.p == 1


def test_a_constant_difference_is_certain():
    assert stats.difference(np.ones(40), np.zeros(40)).p == 0


def test_one_image_has_no_interval_and_no_verdict():
    estimate = stats.mean(np.array([[0.3], [0.4]]))
    assert estimate.mean == pytest.approx(0.35)
    assert np.isnan([estimate.lo, estimate.hi, estimate.p]).all()
    assert stats.verdict(estimate, "better", "worse") == "undecided"


@pytest.mark.parametrize(
    ("lo", "hi", "word"),
    [
        (0.1, 0.3, "better"),
        (-0.3, -0.1, "worse"),
        (-0.1, 0.3, "undecided"),
        (0.0, 0.3, "undecided"),
        (1e-15, 0.3, "undecided"),
        (-0.3, -1e-15, "undecided"),
        (float("nan"), float("nan"), "undecided"),
    ],
)
def test_a_verdict_needs_an_interval_clear_of_zero(lo, hi, word):
    assert stats.verdict(Estimate((lo + hi) / 2, lo, hi, 0.5), "better", "worse") == word


def test_holm_multiplies_by_the_number_of_hypotheses_left():
    """Holm 1979; by hand: .01 * 4, .02 * 3, .03 * 2 (raised to .06), .4 * 1."""
    p = np.array([0.03, 0.01, 0.4, 0.02])
    np.testing.assert_allclose(stats.holm(p), [0.06, 0.04, 0.4, 0.06])


def test_holm_keeps_the_chance_of_any_false_rejection():
    random, tests = np.random.default_rng(0), 20
    null = random.random((2000, tests))
    rejected = np.mean([stats.holm(p).min() < 0.05 for p in null])
    assert rejected == pytest.approx(0.05, abs=0.015)  # uncorrected: 0.64
    for p, order in itertools.product(null[:5], (slice(None), slice(None, None, -1))):
        assert (stats.holm(p)[order] == stats.holm(p[order])).all()
    assert stats.holm(np.full(3, 0.9)).tolist() == [1, 1, 1]
