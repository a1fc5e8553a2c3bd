"""The chapter's findings say what its tables say."""

import numpy as np
import pandas as pd
import pytest

from fer_lib.recognition import answer
from fer_lib.recognition.answer import QUESTIONS

METHODS, LEVELS = ("as-run", "range-matched", "compact"), (0.15, 0.3, 0.5)


def write(folder, *, gain=0.1, route=-0.1, p=0.001, n=200):
    """Tables of a run in which every denoiser brings `gain` and is `route` from the second way."""
    scores = [
        (classifier, method, level, 0, 0.8 - level + (gain if method != "noisy" else 0))
        for classifier in ("clean", "noisy")
        for method in ("noisy", *METHODS)
        for level in (0.0, *LEVELS)
    ]
    columns = ["classifier", "method", "level", "seed", "accuracy"]
    pd.DataFrame(scores, columns=columns).to_csv(folder / "recognition.csv", index=False)
    gains = [
        (question, method, level, route if (restored, noisy) == ("clean", "noisy") else gain, p)
        for question, restored, noisy in QUESTIONS
        for method in METHODS
        for level in LEVELS
    ]
    columns = ["question", "method", "level", "difference", "p_holm"]
    pd.DataFrame(gains, columns=columns).to_csv(folder / "recognition_gains.csv", index=False)
    ranks = pd.DataFrame({"level": 0.3, "measure": ["ssim", "psnr"], "tau": [0.2, 0.6]})
    ranks.to_csv(folder / "recognition_ranks.csv", index=False)
    emotions = [
        (classifier, "noisy", level, emotion, n * more, 0.9 - slope * level)
        for classifier, emotion, slope, more in (
            ("clean", "anger", 1.0, 3),
            ("clean", "fear", 4.0, 1),
            ("noisy", "anger", 1.0, 3),
            ("noisy", "fear", 2.0, 1),
        )
        for level in (0.0, *LEVELS)
    ]
    columns = ["classifier", "method", "level", "emotion", "n", "mean"]
    pd.DataFrame(emotions, columns=columns).to_csv(folder / "recognition_emotions.csv", index=False)


def test_it_quotes_the_tables(tmp_path):
    write(tmp_path)
    first, second, measures, lost, alone = answer.answer(tmp_path)
    assert first.startswith("**Denoising helps a network that learnt from clean faces: it names")
    assert "names 80.0% of clean faces" in first
    assert "factors 0.15, 0.3, 0.5 it names 65.0, 50.0, 30.0%, and after" in first
    assert "has restored them 75.0, 60.0, 40.0%.**" in first
    assert "Whoever always said *anger* would name 75.0%." in first
    assert "all 9 cases" in first
    assert "as run helps, with a fitting output layer it helps" in first
    assert second.startswith("**To learn from noise is better than to remove it first**")
    assert "SSIM 0.20, PSNR 0.60." in measures
    assert "less than half as many faces as without noise of *fear* (30.0%, clean 90.0%;" in lost
    assert "the second network 60.0%)." in lost
    assert alone.startswith("Each denoiser and each recogniser was trained once")


def test_denoisers_were_trained_once_however_many_recognisers_there_are(tmp_path):
    write(tmp_path)
    table = pd.read_csv(tmp_path / "recognition.csv")
    both = pd.concat([table, table.assign(seed=1)])
    both.to_csv(tmp_path / "recognition.csv", index=False)
    assert answer.answer(tmp_path)[-1].startswith("Each denoiser was trained once")


@pytest.mark.parametrize(
    ("gain", "p", "words"),
    [
        (0.1, 0.2, "Denoising does not clearly help"),
        (-0.1, 0.001, "Denoising harms"),
        (np.array([0.1, 0.1, -0.1]), 0.001, "Denoising mostly helps"),
        (np.array([0.1, 0.0, -0.1]), 0.001, "Denoising helps in some cases and harms in others"),
    ],
)
def test_what_denoising_does_goes_by_what_is_clear(tmp_path, gain, p, words):
    write(tmp_path, gain=0.1, p=p)
    table = pd.read_csv(tmp_path / "recognition_gains.csv")
    helps = table["question"] == QUESTIONS[0][0]
    table.loc[helps, "difference"] = np.resize(gain, helps.sum())
    table.to_csv(tmp_path / "recognition_gains.csv", index=False)
    assert words in answer.answer(tmp_path)[0]


@pytest.mark.parametrize(
    ("route", "p", "words"),
    [
        (0.1, 0.001, "is worse than to remove"),
        (0.1, 0.2, "is not clearly worse than to remove"),
        (-0.1, 0.2, "is not clearly worse than to remove"),
        (np.array([-0.1, -0.1, 0.0]), 0.001, "is mostly better than to remove"),
    ],
)
def test_which_way_is_better_goes_by_what_is_clear(tmp_path, route, p, words):
    write(tmp_path, p=p)
    table = pd.read_csv(tmp_path / "recognition_gains.csv")
    asked = table["question"] == QUESTIONS[2][0]
    table.loc[asked, "difference"] = np.resize(route, asked.sum())
    table.to_csv(tmp_path / "recognition_gains.csv", index=False)
    assert words in answer.answer(tmp_path)[1]


def test_few_faces_say_nothing_about_an_emotion(tmp_path):
    write(tmp_path, n=answer.FEW // 3 - 1)
    assert not any("Weak noise" in line for line in answer.answer(tmp_path))
