"""What the additions (skip connections) of the residual blocks do: the criteria of chapter 3."""

import numpy as np
import pandas as pd

from fer_lib import stats
from fer_lib.config import VARIANTS

#: Gradients count as vanished if those of the first layers are at least this factor smaller.
VANISHED = 10


def decide(
    scores: pd.DataFrame, history: pd.DataFrame, gradients: pd.DataFrame, constant: float
) -> pd.DataFrame:
    """The criteria of chapter 3: a table of quantity, value, lo, hi, verdict. scores: of both
    `VARIANTS` on clean test faces, by `evaluation.score`. history, gradients: of their trainings.
    constant: the training loss of the best constant image."""
    complete, plain = VARIANTS
    with_them, without = (stats.matrix(scores, "mse", method=name) for name in VARIANTS)
    gap = stats.difference(without, with_them)
    helps = stats.verdict(gap, "residuals improve the result", "residuals harm the result")
    last = history[history["epoch"] == history["epoch"].max()]
    worst = last.loc[last["model"] == plain, "train_loss"].max() / constant
    learns = "learns" if worst < 1 - stats.ROUNDING else "does not learn"
    share = input_share(gradients)
    fall = share[complete] / share[plain]
    vanish = "gradients vanish without residuals" if fall >= VANISHED else "gradients do not vanish"
    rows = [
        ("test MSE, without minus with", *gap.values, helps),
        ("largest final loss without / loss of constant image", worst, np.nan, np.nan, learns),
        ("relative input gradient, with / without", fall, np.nan, np.nan, vanish),
    ]
    return pd.DataFrame(rows, columns=["quantity", "value", "lo", "hi", "verdict"])


def input_share(gradients: pd.DataFrame) -> pd.Series:
    """For each network, the gradient norm of the first two layers divided by that of the last two:
    geometric means over layers and seeds in the first epoch. gradients: a table with model, seed,
    epoch, depth (from 1) and norm."""
    first = gradients[gradients["epoch"] == 1]
    last = first.groupby("model")["depth"].transform("max")
    ends = first["depth"] <= 2, first["depth"] > last - 2
    logs = (np.log(first[rows].set_index("model")["norm"]) for rows in ends)
    at_input, at_output = (log.groupby("model").mean() for log in logs)
    return np.exp(at_input - at_output)
