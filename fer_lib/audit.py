"""The audit's tables (chapter 5): one row per procedure, width and noise level."""

import numpy as np
import pandas as pd

from fer_lib import grid, paper, stats
from fer_lib.config import Config
from fer_lib.procedures import AXES, Pass, Procedure, Setting, View

ALPHA = 0.05  # of all rejections together, after Holm's correction
MEASURED = ["ssim_mean", "ssim_sd", "ssim10_lo", "ssim10_hi", "mse", "mse_sd"]
#: The columns of tables/audit.csv.
COLUMNS = ["procedure", *AXES, "width", "level", "n", "ssim_mean", "ssim_sd", "ssim10_lo"]
COLUMNS += ["ssim10_hi", "ssim_paper", "ssim_inside", "mse", "mse_paper", "mse_inside", "score"]


def table(
    scores: dict[float, grid.Scores], chosen: list[Procedure], settings: Config
) -> pd.DataFrame:
    """One row per procedure, width and level: axes, `ssim_*`, `mse`, and the paper's numbers.

    scores: by width; means are of `n` images. `ssim10_lo` and `ssim10_hi` hold 95% of the means of
    ten test images.
    """
    parts = []
    for width, found in scores.items():
        summary = summarise(found, settings.resamples)
        for level in settings.levels:
            ssim = [summary[grid.name(p.run, level, p.view, p.ssim_of, p.setting)] for p in chosen]
            mse = [summary[grid.name(p.run, level, p.view, p.mse_of)][:2] for p in chosen]
            both = [(*a, *b) for a, b in zip(ssim, mse, strict=True)]
            parts.append(pd.DataFrame(both, columns=MEASURED).assign(width=width, level=level))
    rows = pd.concat(parts).assign(n=len(next(iter(found.values()))))
    axes = pd.DataFrame([p.axes for p in chosen]).rename_axis("procedure").reset_index()
    rows = axes.merge(rows.rename_axis("procedure").reset_index(), on="procedure")
    rows["ssim_paper"] = rows["level"].map(paper.SSIM)
    rows["mse_paper"] = rows["level"].map(paper.MSE)
    rows["ssim_inside"] = rows["ssim_paper"].between(rows["ssim10_lo"], rows["ssim10_hi"])
    return rows


def summarise(scores: grid.Scores, resamples: int) -> dict[str, tuple[float, ...]]:
    """Mean and SD over the images and the ends of 95% of ten-image means, of each comparison."""
    names = list(scores)
    values = np.stack([scores[name] for name in names], axis=1).astype(np.float64)
    lo, hi = np.quantile(stats.subset_means(values, 10, resamples), [0.025, 0.975], axis=0)
    columns = (values.mean(axis=0), values.std(axis=0, ddof=1), lo, hi)
    return dict(zip(names, zip(*map(np.ndarray.tolist, columns), strict=True), strict=True))


def single_images(
    scores: grid.Scores, procedure: Procedure, levels: tuple[float, ...]
) -> dict[float, np.ndarray]:
    """SSIM of every scored image (n,) under one procedure, by level."""
    p = procedure
    return {x: scores[grid.name(p.run, x, p.view, p.ssim_of, p.setting)] for x in levels}


#: Two readings that need no search: the paper's words taken literally, and as they seem meant.
READINGS = {
    "as written": Procedure(
        Pass("normalised"), View("normalised"), "output-clean", Setting(), "output-clean"
    ),
    "as intended": Procedure(
        Pass("unit"), View("unit"), "output-clean", Setting(data_range="1"), "output-clean"
    ),
}


def named(chosen: list[Procedure], ranking: pd.DataFrame) -> dict[str, int]:
    """The procedures that the chapter follows: label -> number in `chosen`."""
    order = [chosen[number] for number in ranking["procedure"]]
    found = {"best fit": order[0]}
    plain = next(p for p in order if p.run.target == "none")
    if plain != order[0]:
        found["best fit without steps"] = plain
    return {label: chosen.index(p) for label, p in (found | READINGS).items()}


def profile(ranking: pd.DataFrame, axes: list[str]) -> pd.DataFrame:
    """The best score that each value of each axis allows, relative to the best of all."""
    top = ranking["score"].max()
    parts = [
        ranking.groupby(axis)["score"].max().sub(top).rename_axis("value").reset_index()
        for axis in axes
    ]
    return pd.concat([part.assign(axis=axis) for axis, part in zip(axes, parts, strict=True)])


def survivors(wide: pd.DataFrame, ranking: pd.DataFrame) -> pd.Series:
    """How many procedures match what, at one width: `wide` has its rows of the audit's table."""
    inside = wide.groupby("procedure")[["ssim_inside", "mse_inside"]].sum()
    levels = wide["level"].nunique()
    return pd.Series(
        {
            "scored": len(ranking),
            "every SSIM inside 95% of ten-image means": (inside["ssim_inside"] == levels).sum(),
            "every MSE inside its 95% interval": (inside["mse_inside"] == levels).sum(),
            "both": ((inside == levels).all(axis=1)).sum(),
            "not excluded by table I (Holm, 5%)": (ranking["p_table1"] >= ALPHA).sum(),
            "not excluded by table II": (ranking["p_table2"] >= ALPHA).sum(),
            "not excluded by both tables together": (ranking["p"] >= ALPHA).sum(),
        }
    )


IMAGES = {
    "output": "the output",
    "clean": "the clean image",
    "clamped": "the clean image clamped to 0..1",
    "noisy": "the noisy input",
}


def describe(axes: dict[str, str]) -> str:
    """A procedure in words, from the values of its axes."""
    space = {"normalised": "[-1, 1]", "unit": "[0, 1]"}
    noise = {
        "channel": "drawn per channel",
        "shared": "shared by the channels",
        "before": "added before upsampling",
    }[axes["noise"]]
    moved = {
        "no": "",
        "same": ", test images augmented",
        "fresh": ", test images augmented anew at every access",
    }[axes["augmented"]]
    words = f"noise in {space[axes['space']]}, {noise}, clamped to 0..1{moved}"
    words += f"; batch norms in {axes['mode']} mode{_steps(axes)}"
    clipped = "outputs clipped to 0..1, " if axes["clipped"] == "yes" else ""
    words += f"; {clipped}images compared in {space[axes['scored']]}"
    first, second = (IMAGES[x] for x in axes["ssim_of"].split("-"))
    window = f"{axes['window']} window, range {axes['data_range']}, {axes['channels']}"
    words += f", SSIM of {first} with {second} ({window})"
    return words + f", testing loss of the output with {IMAGES[axes['mse_of'].split('-')[1]]}"


def _steps(axes: dict[str, str]) -> str:
    if axes["target"] == "none":
        return ""
    times = "one pass" if axes["passes"] == "1" else f"{axes['passes']} passes"
    carried = "carried from factor to factor" if axes["carried"] == "yes" else "per factor"
    target = IMAGES[axes["target"]]
    return f", Adam stepping on the test images towards {target} for {times} {carried}"
