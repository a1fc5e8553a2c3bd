"""The findings of chapter 5 as sentences, with our numbers read from its tables."""

from fractions import Fraction
from pathlib import Path

import pandas as pd

from fer_lib import paper

CODE_BATCHES = 16


def answer(dataset: str, tables: Path) -> list[str]:
    """`headline` for the paper's data set, a banner for any other; dataset: its `Faces.name`."""
    caveat = paper.caveat(dataset)
    return [caveat] if caveat else headline(tables)


def headline(tables: Path) -> list[str]:
    """The findings as Markdown sentences, from four tables of chapter 5 in the folder `tables`."""
    names = ("paper_figures", "as_run", "as_run_losses", "ladder")
    printed, runs, losses, ladder = (pd.read_csv(tables / f"{name}.csv") for name in names)
    same = printed[printed["id"] >= 0]
    gap = (same["code"] - same["printed"]).abs()
    start = runs.iloc[0]  # the first network, without noise
    first = runs[runs["label"] == start["label"]]
    last = losses[losses["label"] == start["label"]].iloc[-1]
    wanted = first["level"].map(paper.SSIM)
    inside = wanted.between(first["ssim_lo"], first["ssim_hi"])
    loss = first["mse"] * start["batches"]
    chain = ladder[ladder["way"] == "cumulative"]
    honest = chain[chain["rung"] == chain["rung"].iloc[-1]]
    return [
        "**Table I is the SSIM of the network's output, in [0, 1], with the clean face, in"
        " [-1, 1].** The authors' public code computes that, and the paper's own figures 6 to 9"
        f" confirm it: of the {len(printed)} faces in them, {len(same)} can be identified in FER+,"
        f" and the outputs shown give the printed values to {gap.mean():.3f} in the mean and"
        f" {gap.max():.3f} at most.",
        "Trained and tested as the code does, at"
        f" {Fraction(start['width']).limit_denominator(64)} of the width, the network gives SSIM"
        f" {_numbers(first['ssim'], 2)} where table I prints {_numbers(wanted, 2)}; the printed"
        f" mean is within the range of a mean of ten at {inside.sum()} of {len(first)} factors.",
        "**Table II is the loss of one batch, divided by the number of batches**: divided by"
        f" {start['batches']}, ours is {_numbers(first['mse'], 4)}, and by the {CODE_BATCHES} of"
        f" the code's 1,000 test faces {_numbers(loss / CODE_BATCHES, 4)}, where"
        f" {', '.join(first['level'].map(paper.MSE_PRINTED))} is printed.",
        "Table II is flat, and figure 4 levels off, because the output layer is a sigmoid: it"
        " cannot make the darker half of images in [-1, 1], and no training gets its loss below"
        f" {last['floor']:.3f} on these faces. Ours ends at {last['train_loss']:.3f}, the paper's"
        f" at {paper.FIGURE_4[-1]:.3f}; of the test loss without noise,"
        f" {last['floor'] / loss[0]:.0%} is that floor.",
        "**With every slip undone**, the same network with an output layer that fits gives SSIM"
        f" {_numbers(honest['ssim'], 2)} and MSE {_numbers(honest['mse'], 4)} on [0, 1], for noise"
        f" factors {', '.join(honest['level'].map('{:g}'.format))}.",
    ]


def _numbers(values: pd.Series, digits: int) -> str:
    return ", ".join(f"{value:.{digits}f}" for value in values)
