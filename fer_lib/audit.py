"""Score every procedure of the grid (chapter 5): per-image arrays, then one row a procedure.

Whatever procedures share is computed once: the network's outputs over all scorings, the window
sums of SSIM over its ranges and value ranges. Each loop's scores are kept in the work folder, so
an interrupted grid goes on where it stopped.
"""

import itertools
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import pandas as pd
import torch

from fer_lib import checkpoint, metrics, paper, procedures, stats, testing
from fer_lib.config import WORK, Config
from fer_lib.procedures import Pass, Procedure, Setting, View
from fer_lib.progress import Progress
from fer_lib.testing import Loop, Result
from fer_lib.training import Trained

CODE = ("audit", "metrics", "noise", "pipeline", "procedures", "testing")
CHUNK = 50  # images scored at once
#: From the space of a loop to the range in which images are scored: x -> gain x + offset.
AFFINE = {("normalised", "unit"): (0.5, 0.5), ("unit", "normalised"): (2.0, -1.0)}
MEASURED = ["ssim_mean", "ssim_sd", "ssim10_lo", "ssim10_hi", "mse", "mse_sd"]
#: Scores of one network: name of a comparison -> (N,) one value an image.
Scores = dict[str, np.ndarray]


def score(trained: Trained, faces: np.ndarray, ids, settings: Config, small: bool) -> Scores:
    """All comparisons of the grid for one network, on faces uint8 (N, 48, 48)."""
    runs = procedures.passes(small)
    loops = list(dict.fromkeys(map(testing.loop_of, runs)))
    found: Scores = {}
    with Progress(f"width {trained.model.config.width:g}", len(loops)) as bar:
        for loop in loops:
            served = [run for run in runs if testing.loop_of(run) == loop]
            found |= _kept(trained, loop, served, faces, ids, settings)
            bar.advance(f"{loop.space}, noise {loop.noise}, target {loop.target}")
    return found


def _kept(trained, loop: Loop, served: list[Pass], faces, ids, settings: Config) -> Scores:
    """The scores of one loop, from the work folder if they are there."""
    made_of = {"network": trained.key, "faces": checkpoint.digest(faces), "loop": asdict(loop)}
    made_of |= {"ids": list(map(int, ids)), "levels": settings.levels, "seed": settings.seed}
    made_of |= {"passes": [asdict(run) for run in served]}
    path = WORK / "audit" / f"{checkpoint.key(CODE, **made_of)}.safetensors"
    if not path.exists():
        tensors = dict(_loop(trained.model, loop, served, faces, ids, settings))
        checkpoint.save(path, tensors, **made_of)
    return {name: tensor.numpy() for name, tensor in checkpoint.load(path)[0].items()}


def _loop(model, loop: Loop, served: list[Pass], faces, ids, settings: Config) -> Iterator:
    """(name, scores) of every comparison that the loop's passes allow."""
    clean = {
        kind: testing.reference(faces, ids, loop.space, kind, settings.seed)
        for kind in {run.augmented for run in served}
    }
    options = {"passes": max(run.passes for run in served), "training": settings.training}
    for result in testing.play(model, loop, faces, ids, settings.levels, settings.seed, **options):
        for run in served:
            if (run.mode, run.passes) == (result.mode, result.passes):
                yield from _compare(run, result, clean[run.augmented])


def _compare(run: Pass, result: Result, clean: torch.Tensor) -> Iterator:
    """(name, scores) of one pass at one level, in chunks that bound the memory."""
    images = (clean, result.noisy, result.output)
    split = zip(*(x.split(CHUNK) for x in images), strict=True)
    chunks = [_compare_chunk(run, *chunk) for chunk in split]
    for comparison in chunks[0]:
        values = torch.cat([chunk[comparison] for chunk in chunks]).float()
        yield name(run, result.level, *comparison), values


def _compare_chunk(run: Pass, clean, noisy, output) -> dict:
    """Scores by comparison: (view, pair, setting) for SSIM, (view, pair) for MSE."""
    found: dict = {}
    for clipped in (False, True):
        images = {"clean": clean, "clamped": clean.clamp(0, 1), "noisy": noisy}
        images["output"] = output.clamp(0, 1) if clipped else output
        chosen = [view for view in procedures.views(run.space) if view.clipped == clipped]
        for pair in {pair for view in chosen for pair in procedures.pairs(run, view)}:
            found |= _compare_pair(run, chosen, pair, *(images[x] for x in pair.split("-")))
    return found


def _compare_pair(run: Pass, views: list[View], pair: str, image, other) -> dict:
    """All scores of one pair of images, sharing what the views and settings share."""
    found: dict = {}
    mse = metrics.mse(image, other)
    for view in views:
        gain, offset = AFFINE.get((run.space, view.scored), (1.0, 0.0))
        found[view, pair] = mse * gain**2
    for (window, channels), group in itertools.groupby(procedures.SETTINGS, _windowing):
        x, y = (_channels(i, channels) for i in (image, other))
        local = metrics.local_statistics(x, y, window)
        for setting, view in itertools.product(list(group), views):
            gain, offset = AFFINE.get((run.space, view.scored), (1.0, 0.0))
            span = _range(setting, x) * (gain if setting.data_range == "image" else 1)
            found[view, pair, setting] = local.ssim(span, gain, offset)
    return found


def _windowing(setting: Setting) -> tuple[str, str]:
    return setting.window, setting.channels


def _channels(images: torch.Tensor, channels: str) -> torch.Tensor:
    return images if channels == "rgb" else images.mean(dim=1, keepdim=True)


def _range(setting: Setting, images: torch.Tensor):
    """SSIM's data range: a number, or one an image (N,)."""
    if setting.data_range != "image":
        return float(setting.data_range)
    return images.amax(dim=(1, 2, 3)) - images.amin(dim=(1, 2, 3))


def name(run: Pass, level: float, view: View, pair: str, setting: Setting | None = None) -> str:
    """The name of a comparison: of SSIM with a setting, of MSE without."""
    parts = [*asdict(run).values(), level, *asdict(view).values(), pair]
    return "|".join(map(str, parts + (list(asdict(setting).values()) if setting else ["mse"])))


def table(scores: dict[float, Scores], grid: list[Procedure], settings: Config) -> pd.DataFrame:
    """One row per procedure, width and level: axes, `ssim_*`, `mse`, and the paper's numbers.

    scores: by width. `ssim10_lo` and `ssim10_hi` hold 95% of the means of ten test images.
    """
    parts = []
    for width, found in scores.items():
        summary = summarise(found, settings.resamples)
        for level in settings.levels:
            ssim = [summary[name(p.run, level, p.view, p.ssim_of, p.setting)] for p in grid]
            mse = [summary[name(p.run, level, p.view, p.mse_of)][:2] for p in grid]
            both = [(*a, *b) for a, b in zip(ssim, mse, strict=True)]
            parts.append(pd.DataFrame(both, columns=MEASURED).assign(width=width, level=level))
    rows = pd.concat(parts)
    axes = pd.DataFrame([p.axes for p in grid]).rename_axis("procedure").reset_index()
    rows = axes.merge(rows.rename_axis("procedure").reset_index(), on="procedure")
    rows["ssim_paper"] = rows["level"].map(paper.SSIM)
    rows["mse_paper"] = rows["level"].map(paper.MSE)
    rows["ssim_inside"] = rows["ssim_paper"].between(rows["ssim10_lo"], rows["ssim10_hi"])
    return rows


def summarise(scores: Scores, resamples: int) -> dict[str, tuple[float, ...]]:
    """Mean and SD over the images and the ends of 95% of ten-image means, of each comparison."""
    names = list(scores)
    values = np.stack([scores[name] for name in names], axis=1).astype(np.float64)
    lo, hi = np.quantile(stats.subset_means(values, 10, resamples), [0.025, 0.975], axis=0)
    columns = (values.mean(axis=0), values.std(axis=0, ddof=1), lo, hi)
    return dict(zip(names, zip(*map(np.ndarray.tolist, columns), strict=True), strict=True))
