"""What is said of recognisers, against numbers worked out by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fer_lib import evaluation
from fer_lib.methods.table import Reference
from fer_lib.noise import PROTOCOLS
from fer_lib.readers.ferplus import EMOTIONS, VOTES
from fer_lib.recognition import plan, table
from fer_lib.recognition.plan import RecogniserConfig
from fer_lib.recognition.recogniser import Recogniser


def answers(correct: np.ndarray, **where) -> pd.DataFrame:
    """Rows of a recogniser with `correct` (images,): right ones guess the truth, 0, others 1."""
    correct = np.asarray(correct, float)
    row = {"classifier": "clean", "method": "noisy", "level": 0.0, "seed": 0, **where}
    row |= {"id": np.arange(len(correct)), "truth": 0, "guess": 1 - correct.astype(int)}
    return pd.DataFrame(row | {"correct": correct, "confidence": 0.9})


def test_macro_f1_is_the_mean_over_emotions():
    # Emotion 0: 2 of 3 found, no false alarm: F1 .8. Emotion 1: found once, one false alarm: 2/3.
    frame = pd.DataFrame({"truth": [0, 0, 0, 1], "guess": [0, 0, 1, 1]})
    assert table.macro_f1(frame) == pytest.approx((0.8 + 2 / 3) / 2)


def test_calibration_error_is_the_gap_of_confidence_and_accuracy():
    frame = pd.DataFrame({"confidence": [0.9, 0.9, 0.5, 1.0], "correct": [1.0, 0.0, 1.0, 1.0]})
    # Bins of .9 (two images, half right: off by .4 each), .5 (off by .5), 1 (not off).
    assert table.calibration_error(frame) == pytest.approx((2 * 0.4 + 0.5 + 0) / 4)


def test_a_confidence_of_1_is_in_the_last_bin():
    frame = pd.DataFrame({"confidence": [1.0, 0.99], "correct": [1.0, 0.0]})
    assert table.calibration_error(frame) == pytest.approx(0.99 / 2 - 0)


def test_a_comparison_pairs_the_images():
    ours, theirs = np.repeat([1, 1, 0, 0], [50, 9, 1, 40]), np.repeat([1, 0, 1, 0], [50, 9, 1, 40])
    frame = pd.concat([answers(ours, method="a", level=0.3), answers(theirs, level=0.3)])
    gap, lo, hi, p, exact = table.compare(frame, ("clean", "a", 0.3), ("clean", "noisy", 0.3))
    assert gap == pytest.approx(0.08)
    assert lo < gap < hi
    assert exact == pytest.approx(22 / 1024)  # 9 against 1 of 10: twice the tail of (10 + 1) / 2^10
    assert p < 0.05


def test_equal_answers_are_no_difference():
    frame = pd.concat([answers([1, 0, 1], method="a"), answers([1, 0, 1])])
    assert table.compare(frame, ("clean", "a", 0.0), ("clean", "noisy", 0.0)) == (0, 0, 0, 1, 1)


def test_gains_are_corrected_within_a_question():
    random = np.random.default_rng(0)
    frame = pd.concat(
        answers(random.random(200) < share, classifier=name, method=method, level=level)
        for name in ("clean", "noisy")
        for method, share in (("noisy", 0.4), ("a", 0.6))
        for level in (0.0, 0.3, 0.5)
    )
    asked = [("helps", "clean", "clean"), ("which way", "clean", "noisy")]
    made = table.gains(frame, asked)
    assert list(made["question"].unique()) == ["helps", "which way"]
    assert set(made["level"]) == {0.3, 0.5}
    for question, rows in made.groupby("question"):
        other = "clean" if question == "helps" else "noisy"
        sides = [(("clean", "a", level), (other, "noisy", level)) for level in rows["level"]]
        plain = [table.compare(frame, *pair)[3] for pair in sides]
        assert min(rows["p_holm"]) == pytest.approx(min(1, 2 * min(plain)))


def test_a_group_s_mean_counts_its_images():
    frame = answers([1, 1, 0, 1])
    frame["truth"] = [3, 3, 3, 1]
    made = table.pool(frame, ["level", "truth"]).set_index("truth")
    assert made.loc[3, ["n", "mean"]].tolist() == [3, pytest.approx(2 / 3)]
    assert made.loc[1, "n"] == 1


def test_trainings_count_as_trainings_and_images_as_images():
    one, two = answers([1, 1, 0, 1]), answers([1, 0, 0, 1], seed=1)
    [row] = table.pool(pd.concat([one, two]), ["method"]).itertuples()
    assert (row.n, row.mean) == (4, pytest.approx(0.625))
    assert row.mean_lo < 0.625 < row.mean_hi


def test_a_measure_that_follows_accuracy_has_tau_1_and_its_opposite_minus_1():
    random, frames, scores = np.random.default_rng(0), [], []
    for number, share in enumerate((0.2, 0.4, 0.6, 0.8)):
        frames.append(answers(random.random(300) < share, method=str(number), level=0.3))
        row = {"method": str(number), "level": 0.3, "id": np.arange(300)}
        row |= {"ssim": share, "psnr": -share, "mse": share, "gmsd": -share}
        scores.append(pd.DataFrame(row))
    made = table.ranks(pd.concat(frames), pd.concat(scores), "clean", 0).set_index("measure")
    assert made["tau"].to_dict() == {"ssim": 1, "psnr": -1, "mse": -1, "gmsd": 1}
    assert (made["tau_lo"] <= made["tau"]).all()
    assert made.loc["ssim", "tau_lo"] > 0.5


def test_the_pair_that_disagrees_most_is_found():
    random, frames, scores = np.random.default_rng(0), [], []
    shares = {"a": (0.9, 0.9), "sharp": (0.4, 0.8), "smooth": (0.7, 0.5), "d": (0.1, 0.1)}
    for name, (ssim, share) in shares.items():
        frames.append(answers(random.random(400) < share, method=name, level=0.3))
        noise = 0.01 * random.standard_normal(400)
        scores.append(pd.DataFrame({"method": name, "level": 0.3, "ssim": ssim + noise}))
        scores[-1]["id"] = np.arange(400)
    pair = table.disagreement(pd.concat(frames), pd.concat(scores), "clean")
    assert (pair["level"], pair["ssim"], pair["accuracy"]) == (0.3, "smooth", "sharp")
    assert pair["ssim_gap"] == pytest.approx(0.3, abs=0.01)
    assert pair["accuracy_gap"] > 0.2


def test_a_table_for_people_has_a_column_for_each_level():
    frame = pd.DataFrame(
        {"method": ["b", "a", "b", "a"], "level": [0.3, 0.3, 0.15, 0.15], "x": [0.1, 0.2, 0.3, 0.4]}
    ).assign(x_lo=0.05, x_hi=0.5)
    made = table.wide(frame, "x", ["method"], signed=True)
    assert made.loc["a", 0.3] == "+20.0 [+5.0, +50.0]"
    assert list(made.index) == ["b", "a"]
    assert list(made.columns) == [0.3, 0.15]


@pytest.fixture
def seen(pictures):
    """Answers and scores of an untrained recogniser on six faces, as they are and blurred."""
    rows = pd.DataFrame({"id": np.arange(6) * 7, "emotion": [*EMOTIONS[:5], "happiness"]})
    rows[[*VOTES]] = np.eye(10)[[0, 1, 2, 3, 4, 1]] * 8 + 0.2
    model = Recogniser(RecogniserConfig(channels=(8, 8, 8))).eval()
    blurred = evaluation.blur(dict.fromkeys(PROTOCOLS, 1.0))
    blur = Reference(label="", learns="nothing", methods=(blurred,))
    references = {"noisy": table.NOTHING, "blur": blur}
    models = {("clean", 0): model, ("noisy", 0): model}
    faces = pictures[:6]
    return faces, rows, table.recognise(faces, rows, models, references, levels=(0, 0.3), seed=1)


def test_every_recogniser_sees_the_same_images(seen):
    faces, rows, (made, scores) = seen
    assert len(made) == 2 * 2 * 2 * 6
    one, other = (made[made["classifier"] == name] for name in ("clean", "noisy"))
    np.testing.assert_array_equal(one["confidence"], other["confidence"])
    assert made["truth"].tolist()[:6] == [0, 1, 2, 3, 4, 1]
    np.testing.assert_array_equal(made["correct"], made["truth"] == made["guess"])
    np.testing.assert_allclose(made["votes"], np.where(made["correct"], 0.82, 0.02))
    assert len(scores) == 2 * 2 * 6


def test_the_scores_are_those_of_the_study(seen):
    faces, rows, (_, scores) = seen
    methods = {("noisy", 0): evaluation.nothing}
    options = {"levels": [0.3], "seed": 1, "protocols": ["camera noise"]}
    usual = evaluation.score(faces, rows["id"].to_numpy(), methods=methods, **options)
    ours = scores[(scores["method"] == "noisy") & (scores["level"] == 0.3)]
    for measure in evaluation.MEASURES:
        np.testing.assert_array_equal(ours[measure], usual[measure])


def test_the_summary_has_the_columns_that_are_promised(seen):
    made = table.summarise(seen[2][0])
    names = "classifier method noise level seed n accuracy acc_lo acc_hi macro_f1 ece"
    assert [*made] == [*names.split(), "agreement_with_clean"]
    clean = made[(made["method"] == "noisy") & (made["level"] == 0)]
    assert (clean["agreement_with_clean"] == 1).all()
    assert (made["n"] == 6).all()
    assert set(made.loc[made["level"] > 0, "noise"]) == {"gaussian"}


def test_scored_faces_have_a_majority_and_are_as_many_as_planned():
    asked = []
    study = SimpleNamespace(
        settings=SimpleNamespace(profile="smoke"),
        part=lambda name, count: (name, count),
        examples=asked.append,
    )
    table.labelled(study, "validation")
    assert asked == [("labelled validation", plan.PLANS["smoke"].test)]
