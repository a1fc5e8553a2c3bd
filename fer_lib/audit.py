"""The audit's tables (chapter 5): one row per procedure, width and noise level."""

from dataclasses import replace

import numpy as np
import pandas as pd
import scipy.stats
import torch

from fer_lib import grid, metrics, paper, stats, testing
from fer_lib.config import Config
from fer_lib.procedures import AXES, Pass, Procedure, Setting, View

ALPHA = 0.05  # of all rejections together, after Holm's correction
MEASURED = ["ssim_mean", "ssim_sd", "ssim10_lo", "ssim10_hi", "negative", "mse", "mse_sd"]
#: The columns of tables/audit.csv.
COLUMNS = ["procedure", *AXES, "width", "level", "n", "ssim_mean", "ssim_sd", "ssim10_lo"]
COLUMNS += [
    "ssim10_hi",
    "negative",
    "ssim_paper",
    "ssim_inside",
    "mse",
    "mse_paper",
    "mse_inside",
    "score",
]


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
            ssim = [summary[ssim_name(p, level)] for p in chosen]
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


def ssim_name(procedure: Procedure, level: float) -> str:
    """The name of a procedure's SSIM in `grid.Scores`."""
    run, view = procedure.ssim_source
    return grid.name(run, level, view, procedure.ssim_of, procedure.setting)


def summarise(scores: grid.Scores, resamples: int) -> dict[str, tuple[float, ...]]:
    """Mean and SD over the images, the ends of 95% of ten-image means, and the share of negative
    values, of each comparison."""
    names = list(scores)
    values = np.stack([scores[name] for name in names], axis=1).astype(np.float64)
    lo, hi = np.quantile(stats.subset_means(values, 10, resamples), [0.025, 0.975], axis=0)
    negative = (values < 0).mean(axis=0)
    columns = (values.mean(axis=0), values.std(axis=0, ddof=1), lo, hi, negative)
    return dict(zip(names, zip(*map(np.ndarray.tolist, columns), strict=True), strict=True))


def single_images(
    scores: grid.Scores, procedure: Procedure, levels: tuple[float, ...]
) -> dict[float, np.ndarray]:
    """SSIM of every scored image (n,) under one procedure, by level."""
    return {level: scores[ssim_name(procedure, level)] for level in levels}


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
    """The procedures that the chapter follows: label -> number in `chosen`.

    Where several fit one table alike, the one that fits the other table better is taken.
    """
    first = {"best for both": "score", "best for Table I": "score_table1"}
    first["best for Table II"] = "score_table2"
    found = {}
    for label, column in first.items():
        found[label] = ranking.sort_values([column, "score"], ascending=False)["procedure"].iloc[0]
    return found | {label: chosen.index(p) for label, p in READINGS.items()}


def merged(named: dict[str, int]) -> dict[str, int]:
    """`named` with each procedure once: "best for both, Table I" where one is best in two ways."""
    numbers = dict.fromkeys(named.values())
    labels = {n: ", ".join(label for label, m in named.items() if m == n) for n in numbers}
    return {label.replace(", best for ", ", "): number for number, label in labels.items()}


def signs(wide: pd.DataFrame, named: dict[str, int]) -> pd.DataFrame:
    """Of ten images, how many have a negative SSIM: expected under each named procedure, by level,
    and the two-sided p-value of the paper's count (exact binomial test)."""
    rows = {}
    for label, number in named.items():
        one = wide[wide["procedure"] == number].sort_values("level")
        for level, share in zip(one["level"], one["negative"], strict=True):
            count = sum(value < 0 for value in paper.SSIM_SAMPLES[level])
            p = scipy.stats.binomtest(count, 10, float(share)).pvalue
            rows[label, level] = {"expected": 10 * share, "the paper": count, "p": p}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["procedure", "level"])


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


SPACES = {"normalised": "[-1, 1]", "unit": "[0, 1]"}
IMAGES = {
    "output": "the output",
    "clean": "the clean image",
    "clamped": "the clean image clamped to 0..1",
    "noisy": "the noisy input",
}


def describe(axes: dict[str, str]) -> str:
    """A procedure in words, from the values of its axes."""
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
    words = f"noise in {SPACES[axes['space']]}, {noise}, clamped to 0..1{moved}"
    words += f"; batch norms in {axes['mode']} mode{steps(axes)}"
    clipped = "outputs clipped to 0..1, " if axes["clipped"] == "yes" else ""
    words += f"; {clipped}images compared in {SPACES[axes['scored']]}"
    first, second = (IMAGES[x] for x in axes["ssim_of"].split("-"))
    window = f"{axes['window']} window, range {axes['data_range']}, {axes['channels']}"
    words += f", SSIM of {first} with {second} ({window})"
    return words + f", testing loss of the output with {IMAGES[axes['mse_of'].split('-')[1]]}"


def steps(axes: dict[str, str]) -> str:
    """The optimiser's steps on the test set in words; empty if there are none."""
    if axes["target"] == "none":
        return ""
    times = "one pass" if axes["passes"] == "1" else f"{axes['passes']} passes"
    carried = "carried from factor to factor" if axes["carried"] == "yes" else "per factor"
    target = IMAGES[axes["target"]]
    return f", Adam stepping on the test images towards {target} for {times} {carried}"


def replay(model, run: Pass, faces: np.ndarray, ids, settings: Config) -> list[testing.Result]:
    """The outputs of one pass at every level, for pictures: of the first faces, one batch of them.

    With steps of Adam on the test set, all faces are stepped on, as in the grid.
    """
    loop = testing.loop_of(run)
    if run.target == "none":
        faces, ids = faces[: testing.BATCH], ids[: testing.BATCH]
    options = {"passes": max(run.passes, 1), "training": settings.training}
    results = testing.play(model, loop, faces, ids, settings.levels, settings.seed, **options)
    kept = [r for r in results if (r.mode, r.passes) == (run.mode, run.passes)]
    cut = slice(testing.BATCH)
    return [replace(r, noisy=r.noisy[cut], output=r.output[cut]) for r in kept]


def left_out(result: testing.Result, clean: torch.Tensor) -> pd.DataFrame:
    """SSIM on gray images, in [0, 1], under the settings that the grid leaves out, and beside them
    those that stand for them."""
    output, reference = (images.mean(dim=1, keepdim=True) for images in (result.output, clean))
    span = output.amax(dim=(1, 2, 3)) - output.amin(dim=(1, 2, 3))
    rows = {}
    for window in ("uniform", "gaussian"):
        for label, data_range in (("1", 1.0), ("2", 2.0), ("image", span)):
            scores = metrics.ssim(output, reference, data_range, window)
            rows[window, label] = scores.mean().item()
    found = pd.Series(rows, name="SSIM, gray").rename_axis(["window", "data_range"])
    return found.unstack("data_range")
