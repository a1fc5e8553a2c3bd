"""Every criterion at scores made for it: what the README quotes is decided here."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch

from fer_lib import evaluation, pipeline, verdicts
from fer_lib.noise import PROTOCOLS

IMAGES = 40
BASE = np.random.default_rng(0).uniform(0.2, 0.8, IMAGES)  # images differ much more than methods


def rows(method: str, gain, *, seed=0, protocol="camera noise", level=0.3) -> pd.DataFrame:
    """Scores of a method that is better than BASE by `gain`, in both metrics."""
    named = {"protocol": protocol, "method": method, "seed": seed, "level": level}
    return pd.DataFrame(named | {"id": range(IMAGES), "ssim": BASE + gain, "mse": 1 - BASE - gain})


def trainings(*gains: float, **where) -> pd.DataFrame:
    """One method whose trainings gain so much over "noisy", on each image about as much."""
    little = 0.01 * np.random.default_rng(1).standard_normal(IMAGES)
    parts = [rows("cae", gain + little, seed=seed, **where) for seed, gain in enumerate(gains)]
    return pd.concat([rows("noisy", 0, **where), *parts])


def asked(scores: pd.DataFrame, question: str, baselines=("noisy",), **where) -> pd.DataFrame:
    """The answers to one question."""
    table = verdicts.answers(scores, "cae", baselines)
    for name, value in {"question": question, **where}.items():
        table = table[table[name] == value]
    return table


@pytest.mark.parametrize("metric", verdicts.BETTER)
@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ((0.1,), "better"),
        ((0.1, 0.101, 0.099), "better"),
        ((-0.1, -0.101, -0.099), "worse"),
        ((0.0, 0.0, 0.0), "undecided"),
        ((0.1, -0.05, 0.02), "undecided"),  # the first training alone is effective
        ((-0.05, 0.1, 0.02), "undecided"),  # and here worse
        ((0.1, 0.02), "undecided"),  # two that agree in sign: too little is known of a third
    ],
)
def test_rq1_is_decided_by_all_trainings_in_either_metric(metric, gains, verdict):
    table = asked(trainings(*gains), "RQ1", metric=metric)
    assert list(table.columns) == verdicts.COLUMNS
    assert table["verdict"].tolist() == [verdict]
    assert table["difference"].item() == pytest.approx(
        verdicts.BETTER[metric] * np.mean(gains), abs=0.01
    )


def test_rq1_asks_at_each_level_and_protocol_and_over_any_baseline():
    places = list(itertools.product(("camera noise", "noise in [0, 1]"), (0.15, 0.3)))
    parts = [trainings(0.1, 0.1, protocol=p, level=level) for p, level in places]
    parts += [rows("blur", 0.2, protocol=p, level=level) for p, level in places]
    scores = pd.concat(parts)
    over_noisy, over_blur = (
        asked(scores, "RQ1", ("noisy", "blur"), metric="ssim", baseline=name)
        for name in ("noisy", "blur")
    )
    assert over_noisy["at"].tolist() == ["0.15", "0.3"] * 2
    assert set(over_noisy["verdict"]) == {"better"}
    assert set(over_blur["verdict"]) == {"worse"}
    assert set(over_blur["baseline"]) == {"blur"}


@pytest.mark.parametrize("metric", verdicts.BETTER)
def test_rq2_compares_neighbouring_levels_of_all_trainings(metric):
    gains = {0.0: (0.3, 0.3), 0.15: (0.2, 0.201), 0.5: (0.2, 0.202), 0.8: (0.25, 0.25)}
    scores = pd.concat([trainings(*gain, level=level) for level, gain in gains.items()])
    table = asked(scores.sample(frac=1, random_state=0), "RQ2", metric=metric)
    assert table["at"].tolist() == ["0 to 0.15", "0.15 to 0.5", "0.5 to 0.8"]
    assert table["verdict"].tolist() == ["worse", "undecided", "better"]
    assert (np.sign(table["difference"]) == np.array([-1, 1, 1]) * verdicts.BETTER[metric]).all()


def test_answers_hold_both_questions_in_all_metrics():
    scores = pd.concat([trainings(0.1, 0.1, level=level) for level in (0.15, 0.3)])
    scores = pd.concat([scores, *(rows("blur", 0.2, level=level) for level in (0.15, 0.3))])
    table = verdicts.answers(scores, "cae", ("noisy", "blur"))
    kinds = table[["question", "metric", "baseline"]].drop_duplicates()
    assert list(kinds.itertuples(index=False, name=None)) == [
        ("RQ1", "ssim", "noisy"),
        ("RQ1", "mse", "noisy"),
        ("RQ1", "ssim", "blur"),
        ("RQ1", "mse", "blur"),
        ("RQ2", "ssim", ""),
        ("RQ2", "mse", ""),
    ]


@pytest.fixture(scope="module")
def known_methods(pictures) -> pd.DataFrame:
    """Verdicts on methods whose quality is known, scored for real."""
    clean = pipeline.to_unit(torch.tensor(pictures))
    methods = {
        "ideal": lambda noisy, protocol, level: protocol.reference(clean),
        "black": lambda noisy, protocol, level: torch.zeros_like(noisy),
        "nothing": evaluation.nothing,
        "slightly better": lambda noisy, protocol, level: (
            0.98 * noisy + 0.02 * protocol.reference(clean)
        ),
    }
    named = {(name, seed): method for name, method in methods.items() for seed in (0, 1)}
    named["noisy", 0] = evaluation.nothing
    options = {"methods": named, "levels": (0.0, 0.15, 0.5), "seed": 0}
    scores = evaluation.score(pictures, np.arange(len(pictures)), **options)
    tables = [verdicts.answers(scores, name).assign(method=name) for name in methods]
    return pd.concat(tables)


def chosen(table: pd.DataFrame, **where) -> pd.DataFrame:
    for column, value in where.items():
        table = table[table[column] == value]
    assert len(table)
    return table


@pytest.mark.parametrize("metric", verdicts.BETTER)
def test_an_ideal_denoiser_is_effective_where_there_is_something_to_remove(known_methods, metric):
    table = chosen(known_methods, method="ideal", metric=metric)
    expected = dict.fromkeys(PROTOCOLS, ["undecided", "better", "better"])
    expected["the paper's noise"] = ["better"] * 3  # its clamp alone does harm
    for name, answers in expected.items():
        assert chosen(table, question="RQ1", protocol=name)["verdict"].tolist() == answers
    assert set(chosen(table, question="RQ2")["verdict"]) == {"undecided"}  # perfect at every level


def test_a_black_image_is_worse_than_the_noise(known_methods):
    for name in ("noise in [0, 1]", "camera noise"):
        table = chosen(known_methods, method="black", question="RQ1", metric="ssim", protocol=name)
        assert table["verdict"].tolist() == ["worse"] * 3


def test_doing_nothing_is_neither_and_gets_worse_with_the_level(known_methods):
    table = chosen(known_methods, method="nothing")
    gains = chosen(table, question="RQ1")
    assert set(gains["verdict"]) == {"undecided"}
    assert gains[["difference", "lo", "hi"]].abs().to_numpy().max() < 1e-12
    assert set(chosen(table, question="RQ2")["verdict"]) == {"worse"}


def test_little_is_enough_if_every_image_gains_it(known_methods):
    where = {"question": "RQ1", "metric": "ssim", "at": "0.5"}
    table = chosen(known_methods, method="slightly better", **where)
    assert table["verdict"].tolist() == ["better"] * len(PROTOCOLS)
    assert (table["difference"] < 0.05).all()


def counted() -> pd.DataFrame:
    """Answers in two metrics; a case without noise, which does not count."""
    cells = [("RQ1", "noisy", "0", "better", 0.0)]
    cells += [("RQ1", "noisy", at, "better", 0.001) for at in ("0.3", "0.5")]
    cells += [("RQ1", "blur", "0.3", "worse", 0.04), ("RQ1", "blur", "0.5", "worse", 0.02)]
    cells += [("RQ2", "", "0 to 0.3", "worse", 0.03), ("RQ2", "", "0.3 to 0.5", "better", 0.04)]
    table = pd.DataFrame(cells, columns=["question", "baseline", "at", "verdict", "p"])
    other = table.assign(metric="mse", verdict="undecided", p=0.5)
    return pd.concat([other, table.assign(metric="ssim")])


def test_cases_with_noise_are_counted_one_by_one_and_together():
    counts = verdicts.counts(counted(), "ssim")
    assert counts.loc[[("RQ1", "noisy")]].to_numpy().tolist() == [[2, 2, 0, 2, 0]]
    assert counts.loc[[("RQ1", "blur")]].to_numpy().tolist() == [[2, 0, 2, 0, 2]]
    assert counts.loc[[("RQ2", "")]].to_numpy().tolist() == [[2, 1, 1, 0, 0]]  # 2 * 0.03 > 0.05


def test_a_summary_says_each_metric():
    by_ssim, by_mse = verdicts.summary(counted(), "the network").split("\n\n")
    assert by_ssim == (
        "**By SSIM, the network is better than doing nothing in 2 of 2 cases with noise; it is "
        "better than one Gaussian blur in 0 and worse in 2. Its output gets worse in 1 of 2 steps "
        "to more noise.** With Holm's correction over the cases it is better than nothing in 2, "
        "than the blur in 0, worse than the blur in 2, and worse with more noise in 0."
    )
    assert by_mse.startswith("**By MSE, the network is better than doing nothing in 0 of 2 cases")


@pytest.mark.parametrize(
    ("p", "text"), [(0.04321, "p = 0.043"), (2e-5, "p = 2e-05"), (1e-9, "p < 1e-6"), (1, "p = 1")]
)
def test_far_tails_of_p_are_not_given_in_digits(p, text):
    assert verdicts.p_text(p) == text
