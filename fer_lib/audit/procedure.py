"""How the authors' code tests a network, and the same test with each of its slips corrected; from
chapter 5's description of commit 2eefa1ee in the authors' repository."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from fer_lib import metrics, noise, pipeline, stats
from fer_lib.noise import PROTOCOLS
from fer_lib.tools.progress import Progress

BATCH = 64  # images in the only batch that the authors' code tests
TEN = 10  # images in a mean of table I
#: The network gets clean and noisy images unchanged: (N, 3, 96, 96) in [-1, 1].
AS_THEY_ARE = PROTOCOLS["the paper's noise"]


@dataclass(frozen=True, kw_only=True)
class Procedure:
    """How a network is trained and tested. The defaults are the authors' code.

    network: "as-run" or "range-matched" of `config.NETWORKS`; they differ in the output layer.
    lowest: noisy images are clamped to [lowest, 1]; clean ones are in [-1, 1]. strength: standard
    deviation of the noise for factor 1, on images in [-1, 1]; 2 if the factor is meant for [0, 1].
    mixed: SSIM (Gaussian window) compares the output, clamped to [0, 1], with the clean image in
    [-1, 1]; else both are in [0, 1] (7x7 window), as in chapter 4. sampled: SSIM of ten images and
    MSE of one batch; else of all. divided: the MSE is divided by the number of batches."""

    network: str = "as-run"
    lowest: float = 0.0
    strength: float = 1.0
    mixed: bool = True
    sampled: bool = True
    divided: bool = True


#: The corrections, in this order: of slips, and of one choice (the unit of the noise factor).
STEPS = {
    "output layer with the images' range": {"network": "range-matched"},
    "noisy image clamped to the images' range": {"lowest": -1.0},
    "noise factor in units of [0, 1]": {"strength": 2.0},
    "both images in [0, 1], 7×7 window": {"mixed": False},
    "all test images": {"sampled": False},
    "MSE not divided": {"divided": False},
}
FIRST = "the authors' code"


def rungs() -> list[tuple[str, str, Procedure]]:
    """Tuples (way, rung, procedure): the authors' code, then each of STEPS, once with all steps
    before it ("cumulative") and once by itself ("alone")."""
    changes = {FIRST: {}} | STEPS
    so_far = itertools.accumulate(changes.values(), dict.__or__)
    chain = [("cumulative", name, Procedure(**c)) for name, c in zip(changes, so_far, strict=True)]
    return [*chain, *(("alone", name, Procedure(**change)) for name, change in changes.items())]


def clean_images(faces: np.ndarray) -> torch.Tensor:
    """The clean images (N, 3, 96, 96) in [-1, 1] of faces, uint8 (N, 48, 48)."""
    return AS_THEY_ARE.reference(pipeline.to_unit(torch.tensor(faces)))


def noisy_images(clean: torch.Tensor, procedure: Procedure, level: float, ids, seed: int):
    """The network's input: clean images (N, 3, 96, 96) with noise on each channel, then clamped."""
    return noise.add(clean, procedure.strength * level, ids, seed).clamp(procedure.lowest, 1)


def compare(output: torch.Tensor, clean: torch.Tensor, procedure: Procedure) -> dict:
    """`ssim` and `mse` (N,) of outputs with clean images in [-1, 1], both (N, 3, 96, 96)."""
    if procedure.mixed:
        ssim = metrics.ssim(output.clamp(0, 1), clean, 1.0, window="gaussian")
        return {"ssim": ssim, "mse": metrics.mse(output, clean)}
    output, clean = pipeline.denormalise(output).clamp(0, 1), pipeline.denormalise(clean)
    return {"ssim": metrics.ssim(output, clean, 1.0), "mse": metrics.mse(output, clean)}


def score(
    model, faces: np.ndarray, ids, procedure: Procedure, *, levels: Sequence[float], seed: int
) -> pd.DataFrame:
    """One row per level and face: level, id, ssim, mse (not divided); faces: uint8 (N, 48, 48)."""
    clean, tables = clean_images(faces), []
    for level in levels:
        noisy = noisy_images(clean, procedure, level, ids, seed)
        output = AS_THEY_ARE.restore(model, noisy)
        tables.append(pd.DataFrame({"level": level, "id": ids} | compare(output, clean, procedure)))
    return pd.concat(tables, ignore_index=True)


def summarise(scores: pd.DataFrame, procedure: Procedure, resamples: int) -> pd.DataFrame:
    """One row per level: mean ssim and mse of all images of `score`, with 95% intervals (_lo, _hi),
    and `batches`, the number that the MSE was divided by. If `procedure.sampled`, the interval
    holds 95% of `resamples` random means of ten images (SSIM) or of one batch (MSE). Else it is the
    confidence interval of the mean of all images."""
    rows = []
    for level, group in scores.groupby("level"):
        batches = math.ceil(len(group) / BATCH) if procedure.divided else 1
        row = {"level": level, "batches": batches}
        for name, size, divisor in (("ssim", TEN, 1), ("mse", BATCH, batches)):
            values = group[name].to_numpy() / divisor
            mean, low, high = stats.mean(values).values
            if procedure.sampled:
                means = subset_means(values, min(size, len(values)), resamples)
                low, high = np.quantile(means, [(1 - stats.LEVEL) / 2, (1 + stats.LEVEL) / 2])
            row |= {name: mean, f"{name}_lo": low, f"{name}_hi": high}
        rows.append(row)
    return pd.DataFrame(rows)


def subset_means(scores: np.ndarray, size: int, resamples: int, seed: int = 0) -> np.ndarray:
    """Means of `size` different images, drawn `resamples` times: (images, ...) -> (resamples, ...).
    Raises ValueError if there are fewer images than `size`."""
    rng = np.random.default_rng(seed)
    draws = [rng.choice(len(scores), size, replace=False) for _ in range(resamples)]
    return np.stack([scores[draw].mean(axis=0) for draw in draws])


def ladder(
    models: Mapping, faces: np.ndarray, ids, *, levels: Sequence[float], seed: int, resamples: int
) -> pd.DataFrame:
    """From the printed number to the honest one: `summarise` of all `rungs`, with `way`, `rung`.
    models: the networks "as-run" and "range-matched", not trained on any of `faces`."""
    steps, scores, tables = rungs(), {}, {}
    with Progress("ladder", len(steps)) as bar:
        for way, rung, procedure in steps:
            case = replace(procedure, sampled=True, divided=True)  # no effect on an image's score
            if case not in scores:
                model = models[case.network]
                scores[case] = score(model, faces, ids, case, levels=levels, seed=seed)
            tables[way, rung] = summarise(scores[case], procedure, resamples)
            bar.advance(rung)
    return pd.concat(tables, names=["way", "rung", "row"]).reset_index().drop(columns="row")
