"""Per-image scores of every procedure of the grid (chapter 5).

Whatever procedures share is computed once: the network's outputs over all scorings, the window
sums of SSIM over its ranges and value ranges. Each loop's scores are kept in the work folder, so
an interrupted grid goes on where it stopped.
"""

import itertools
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import torch

from fer_lib import checkpoint, metrics, procedures, testing
from fer_lib.config import WORK, Config
from fer_lib.procedures import Pass, Setting, View
from fer_lib.progress import Progress
from fer_lib.testing import Loop, Result
from fer_lib.training import Trained

CODE = ("grid", "metrics", "noise", "pipeline", "procedures", "testing")
CHUNK = 50  # images scored at once
ENOUGH = 400  # test images that are scored; Adam's steps see all of them
#: From the space of a loop to the range in which images are scored: x -> gain x + offset.
AFFINE = {("normalised", "unit"): (0.5, 0.5), ("unit", "normalised"): (2.0, -1.0)}
#: Scores of one network: name of a comparison -> (N,) one value an image.
Scores = dict[str, np.ndarray]


def score(trained: Trained, faces: np.ndarray, ids, settings: Config, small: bool) -> Scores:
    """All comparisons of the grid for one network, on faces uint8 (N, 48, 48).

    At most ENOUGH of them are scored, evenly spaced.
    """
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
    every = -(-len(faces) // ENOUGH)
    clean = {
        kind: testing.reference(faces[::every], ids[::every], loop.space, kind, settings.seed)
        for kind in {run.augmented for run in served}
    }
    options = {"passes": max(run.passes for run in served), "training": settings.training}
    options["every"] = every
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
    maps = {view: AFFINE.get((run.space, view.scored), (1.0, 0.0)) for view in views}
    mse = metrics.mse(image, other)
    found: dict = {(view, pair): mse * gain**2 for view, (gain, _) in maps.items()}
    for (window, channels), group in itertools.groupby(procedures.SETTINGS, _windowing):
        x, y = (_channels(i, channels) for i in (image, other))
        cases = list(itertools.product(maps.items(), group))
        scales = [_scale(setting, x, *affine) for (_, affine), setting in cases]
        scores = metrics.ssim_at_scales(x, y, scales, window=window)
        keys = [(view, pair, setting) for (view, _), setting in cases]
        found |= dict(zip(keys, scores, strict=True))
    return found


def _windowing(setting: Setting) -> tuple[str, str]:
    return setting.window, setting.channels


def _channels(images: torch.Tensor, channels: str) -> torch.Tensor:
    return images if channels == "rgb" else images.mean(dim=1, keepdim=True)


def _scale(setting: Setting, images: torch.Tensor, gain: float, offset: float) -> metrics.Scale:
    """SSIM's scale; its data range is a number, or one an image (N,)."""
    if setting.data_range != "image":
        return metrics.Scale(float(setting.data_range), gain, offset)
    span = images.amax(dim=(1, 2, 3)) - images.amin(dim=(1, 2, 3))
    span = span.clamp_min(1 / 255)  # a dark face may be clamped to nothing: SSIM needs some range
    return metrics.Scale(gain * span, gain, offset)


def name(run: Pass, level: float, view: View, pair: str, setting: Setting | None = None) -> str:
    """The name of a comparison: of SSIM with a setting, of MSE without."""
    parts = [*asdict(run).values(), level, *asdict(view).values(), pair]
    return "|".join(map(str, parts + (list(asdict(setting).values()) if setting else ["mse"])))
