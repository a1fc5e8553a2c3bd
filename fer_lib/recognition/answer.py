"""The findings of chapter 9: facts from its tables. `answer.j2` puts them into words."""

from pathlib import Path

import pandas as pd

from fer_lib import stats
from fer_lib.verdicts import words

#: An emotion with fewer test faces says nothing.
FEW = 50
#: What is asked of denoisers: name, the recogniser that gets restored faces, and the one that gets
#: noisy ones.
QUESTIONS = (
    ("a denoiser before the first", "clean", "clean"),
    ("a denoiser before the second", "noisy", "noisy"),
    ("a denoiser before the first, against the second alone", "clean", "noisy"),
)
MISSING = (
    "**These faces have no votes on their emotion.** This chapter needs those of FER+: "
    "run `./run_all.sh` with `--data ferplus.zip`."
)


def answer(tables: Path) -> list[str]:
    """The findings, in Markdown, from tables of chapter 9 in the folder."""
    names = ("recognition", "recognition_gains", "recognition_ranks", "recognition_emotions")
    scores, gains, ranks, emotions = (pd.read_csv(tables / f"{name}.csv") for name in names)
    means = scores.groupby(["classifier", "method", "level"])["accuracy"].mean()
    noisy, robust = (means[name, "noisy"].drop(0.0) for name in ("clean", "noisy"))
    best = means["clean"].drop("noisy").drop(0.0, level="level").groupby("level").max()
    helps, both, route = (counts(gains, question) for question, *_ in QUESTIONS)
    facts = {
        "clean": means["clean", "noisy", 0.0],
        "levels": [f"{level:g}" for level in noisy.index],
        "noisy": noisy,
        "best": best,
        "robust": robust,
        "robust_clean": means["noisy", "noisy", 0.0],
        "helps": helps,
        "own": {name: counts(rows, QUESTIONS[0][0]) for name, rows in gains.groupby("method")},
        "both": both,
        "route": route,
        "measures": ranks.groupby("measure", sort=False)["tau"].mean(),
        "usual": usual(emotions),
        "erased": erased(emotions),
        "few": FEW,
        "trainings": scores["seed"].nunique(),
    }
    return words("recognition/answer.j2", **facts).splitlines()


def counts(gains: pd.DataFrame, question: str) -> dict[str, int]:
    """Of the rows of a question: cases, and how many are clearly better and worse."""
    rows = gains[gains["question"] == question]
    firm = rows[rows["p_holm"] < 1 - stats.LEVEL]["difference"]
    return {"cases": len(rows), "better": int((firm > 0).sum()), "worse": int((firm < 0).sum())}


def usual(emotions: pd.DataFrame) -> dict:
    """The most frequent emotion, and its share of the test faces."""
    counts = emotions.groupby("emotion")["n"].max()
    return {"emotion": counts.idxmax(), "share": counts.max() / counts.sum()}


def erased(emotions: pd.DataFrame) -> list[dict]:
    """Emotions of which the recogniser that learnt from clean faces names less than half as many
    in the weakest noise, but for those of FEW faces: emotion, recall before and after, and that of
    the `second` recogniser after; the worst first."""
    rows = emotions.query("method == 'noisy' and n >= @FEW")
    if rows.empty:
        return []
    recall = rows.pivot_table("mean", "emotion", ["classifier", "level"])
    recall = pd.concat([recall["clean"].iloc[:, :2], recall["noisy"].iloc[:, 1]], axis="columns")
    recall.columns = ["before", "after", "second"]
    lost = recall[recall["after"] < recall["before"] / 2]
    order = (lost["after"] / lost["before"]).sort_values(kind="stable").index
    return lost.loc[order].reset_index().to_dict("records")
