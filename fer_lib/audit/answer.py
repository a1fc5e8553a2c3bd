"""What chapter 5 says in sentences, each number of them read from its tables."""

from fractions import Fraction
from pathlib import Path

import pandas as pd

from fer_lib import paper

CODE_BATCHES = 16


def answer(dataset: str, tables: Path) -> list[str]:
    """`headline` on the paper's data set, a banner on any other (`dataset`: its `Faces.name`)."""
    caveat = paper.caveat(dataset)
    return [caveat] if caveat else headline(tables)


def headline(tables: Path) -> list[str]:
    """The finding, as Markdown sentences, from paper_figures.csv, as_run.csv, as_run_losses.csv and
    ladder.csv in the folder `tables`."""
    names = ("paper_figures", "as_run", "as_run_losses", "ladder")
    printed, runs, losses, ladder = (pd.read_csv(tables / f"{name}.csv") for name in names)
    first = runs[runs["label"] == runs["label"].iloc[0]]
    losses = losses[losses["label"] == first["label"].iloc[0]]
    return [_table1(printed), *_as_run(first), _floor(first, losses), _honest(ladder)]


def _table1(printed: pd.DataFrame) -> str:
    same = printed[printed["id"] >= 0]
    gap = (same["code"] - same["printed"]).abs()
    return (
        "**Table I is the SSIM of the network's output, in [0, 1], with the clean face, in"
        " [-1, 1].** The authors' public code computes that, and the paper's own figures 6 to 9"
        f" confirm it: of the {len(printed)} faces in them, {len(same)} can be identified in FER+,"
        f" and the outputs shown give the printed values to {gap.mean():.3f} in the mean and"
        f" {gap.max():.3f} at most."
    )


def _as_run(first: pd.DataFrame) -> list[str]:
    levels = first["level"].tolist()
    wanted = [paper.SSIM[level] for level in levels]
    inside = first["ssim_lo"].le(wanted) & first["ssim_hi"].ge(wanted)
    width = Fraction(first["width"].iloc[0]).limit_denominator(64)
    batches = first["batches"].iloc[0]
    as_code = first["mse"] * batches / CODE_BATCHES
    return [
        f"Trained and tested as the code does, at {width} of the width, the network gives SSIM"
        f" {_numbers(first['ssim'], 2)} where table I prints {_numbers(wanted, 2)}; the printed"
        f" mean is within the range of a mean of ten at {inside.sum()} of {len(levels)} factors.",
        "**Table II is the loss of one batch, divided by the number of batches**: divided by"
        f" {batches}, ours is {_numbers(first['mse'], 4)}, and by the {CODE_BATCHES} of the code's"
        f" 1,000 test faces {_numbers(as_code, 4)}, where"
        f" {', '.join(paper.MSE_PRINTED[level] for level in levels)} is printed.",
    ]


def _floor(first: pd.DataFrame, losses: pd.DataFrame) -> str:
    floor, last, theirs = losses["floor"].iloc[0], losses["train_loss"].iloc[-1], paper.FIGURE_4[-1]
    share = floor / (first["mse"].iloc[0] * first["batches"].iloc[0])
    return (
        "Table II is flat, and figure 4 levels off, because the output layer is a sigmoid: it"
        " cannot make the darker half of images in [-1, 1], and no training gets its loss below"
        f" {floor:.3f} on these faces. Ours ends at {last:.3f}, the paper's at {theirs:.3f}; of the"
        f" test loss without noise, {share:.0%} is that floor."
    )


def _honest(ladder: pd.DataFrame) -> str:
    chain = ladder[ladder["way"] == "cumulative"]
    rung = chain[chain["rung"] == chain["rung"].iloc[-1]]
    return (
        "**With every slip undone**, the same network with an output layer that fits gives SSIM"
        f" {_numbers(rung['ssim'], 2)} and MSE {_numbers(rung['mse'], 4)} on [0, 1], for noise"
        f" factors {', '.join(f'{level:g}' for level in rung['level'])}."
    )


def _numbers(values, digits: int) -> str:
    return ", ".join(f"{value:.{digits}f}" for value in values)
