"""The findings of chapter 5: facts from its tables. `answer.j2` puts them into words."""

from fractions import Fraction
from pathlib import Path

import pandas as pd

from fer_lib import paper
from fer_lib.verdicts import words

CODE_BATCHES = 16  # of the 1,000 test faces of the authors' code


def answer(tables: Path) -> list[str]:
    """The findings on the paper's data, in Markdown, from tables of chapter 5 in the folder."""
    names = ("paper_figures", "as_run", "as_run_losses", "ladder")
    shown, runs, losses, ladder = (pd.read_csv(tables / f"{name}.csv") for name in names)
    found, start = shown[shown["id"] >= 0], runs.iloc[0]  # the first network, without noise
    first = runs[runs["label"] == start["label"]]
    chain = ladder[ladder["way"] == "cumulative"]
    batch = first["level"].map(paper.MSE) * CODE_BATCHES / start["batches"]
    facts = {
        "faces": len(shown),
        "gaps": (found["code"] - found["printed"]).abs(),
        "width": Fraction(start["width"]).limit_denominator(64),
        "first": first.assign(printed=first["level"].map(paper.SSIM)),
        "batches": start["batches"],
        "code_batches": CODE_BATCHES,
        "mse_inside": batch.between(first["mse_lo"], first["mse_hi"]).sum(),
        "mse_printed": first["level"].map(paper.MSE_PRINTED),
        "last": losses[losses["label"] == start["label"]].iloc[-1],
        "figure_4": paper.FIGURE_4,
        "honest": chain[chain["rung"] == chain["rung"].iloc[-1]],
    }
    return words("audit/answer.j2", **facts).splitlines()
