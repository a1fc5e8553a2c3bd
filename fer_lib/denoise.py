"""Denoise images of your own with a network that is published with the report: `denoise(noisy)`,
or for a picture, or all pictures in a folder: `python -P -m fer_lib.denoise FROM TO`."""

import functools
import itertools
import sys

import torch
from torch import nn

from fer_lib import training
from fer_lib.config import UserError, one_of
from fer_lib.methods import supervision
from fer_lib.methods.networks import restore
from fer_lib.methods.plans import RestorerConfig
from fer_lib.tools import pictures, weights
from fer_lib.tools.progress import Progress

#: What is white in the pixel types that are taken.
WHITE = {torch.uint8: 255, torch.uint16: 65535, torch.float16: 1, torch.bfloat16: 1}
WHITE |= {torch.float32: 1, torch.float64: 1}
#: What is restored at a time: a square tile, seen with a margin, or small images of as many pixels.
#: Multiples of 8, since networks halve three times.
SIDE, MARGIN = 512, 64


def denoise(images, network: str = "compact", *, axes: str = "", device=None):
    """Remove noise from gray or colour images; the noise level need not be known.

    images: a torch tensor, or what numpy can read; one image or many, gray (..., H, W) or with 1 to
        4 channels (..., H, W, C). The last of 2 or 4 is transparency and kept, each other is
        restored on its own. uint8, uint16, or floating point in [0, 1].
    network: "compact", or another that is published, all trained on faces of 48x48 pixels with
        Gaussian noise of standard deviations from 0 to 0.6, clamped to [0, 1].
    axes: the last axes, "HW", "HWC" or "CHW", where the shape does not tell.
    device: where to compute, such as "cuda"; else where the images are.

    Returns the same shape, dtype and range, a tensor on its own device, all else as a numpy array.
    Raises UserError for an unknown network or device, for other dtypes, for values outside [0, 1],
    and for shapes without an image or with two readings."""
    if not isinstance(images, torch.Tensor):
        array, dtype = pictures.array(images)
        restored = denoise(torch.from_numpy(array), network, axes=axes, device=device)
        return restored.numpy().astype(dtype, copy=False)
    if images.layout != torch.strided or images.is_meta:
        raise UserError("a sparse tensor, or one without values: give a dense one")
    restored = images.detach().clone()
    channel = pictures.channel(tuple(images.shape), axes)
    planes = restored if channel is None else restored.movedim(channel, 0)
    planes = planes[:-1] if channel is not None and len(planes) in (2, 4) else planes
    _check(restored)
    device = str(images.device if device is None else device)
    one_of("device", device.partition(":")[0], ("cpu", "cuda", "mps"))
    try:
        model = published(network).to(device)
    except (RuntimeError, AssertionError):
        raise UserError(f"there is no {device!r} that PyTorch can use: give cpu") from None
    gray = planes.reshape(-1, *planes.shape[-2:])
    planes.copy_(_restore(gray, model).reshape(planes.shape))
    return restored


def _check(images: torch.Tensor) -> None:
    if images.dtype not in WHITE:
        raise UserError(f"images of {images.dtype}: give uint8, uint16, or floats in [0, 1]")
    low, high = map(float, images.aminmax() if images.is_floating_point() else (0, 1))
    if low != low:
        raise UserError("images hold NaN, which is no gray value: replace it first")
    if low < -1e-3 or high > 1 + 1e-3:  # less comes from rounding or resizing, and is clipped
        raise UserError(f"images range from {low:g} to {high:g}: scale or clip them to [0, 1]")


def _restore(planes: torch.Tensor, model: nn.Module) -> torch.Tensor:
    """(N, H, W) -> the same, in parts that fit into memory, each with its mirror image."""
    white, several = WHITE[planes.dtype], max(1, SIDE**2 // planes[0].numel())
    restored = torch.empty_like(planes)
    starts = map(range, (0, 0, 0), planes.shape, (several, SIDE, SIDE))
    jobs = list(itertools.product(*starts))
    # A margin ends at a multiple of 8 from the right end too, for mirror images.
    end = SIDE + MARGIN + planes.shape[2] % 8
    with Progress("denoising", len(jobs)) as bar:
        for first, top, left in jobs:
            some, y, x = slice(first, first + several), max(0, top - MARGIN), max(0, left - MARGIN)
            seen = planes[some, y : top + end, x : left + end].float() / white
            seen = seen.clamp(0, 1).unsqueeze(1)
            output = (restore(model, seen) + restore(model, seen.flip(-1)).flip(-1)) / 2
            output = (output[:, 0] * white)[:, top - y :, left - x :][:, :SIDE, :SIDE]
            tile = restored[some, top : top + SIDE, left : left + SIDE]
            tile.copy_(output if white == 1 else output.round())
            bar.advance()
    return restored


@functools.cache
def published(name: str) -> nn.Module:
    """The published network `name`, in eval mode; of several trainings the longest, of several of
    those the one with the first seed. Raises UserError if there is none."""
    recipes = {path: weights.header(path)["recipe"] for path in weights.index().values()}
    recipes = {path: r for path, r in recipes.items() if r["task"] == "restoration"}
    if not recipes:
        where = "reports/ferplus-cpu/networks of a clone of the project"
        raise UserError(f"no published networks: set FER_NETWORKS to the folder {where}")
    one_of("published network", name, sorted({recipe["network"] for recipe in recipes.values()}))
    candidates = [path for path, recipe in recipes.items() if recipe["network"] == name]
    path = max(candidates, key=lambda path: _rank(recipes[path]))
    task = supervision.Restoration(RestorerConfig(**recipes[path]["model"]))
    return training.load(task, path).model


def _rank(recipe: dict) -> tuple[int, int]:
    """Longer trainings first, then lower seeds."""
    before, seed = _rank(recipe["start"]) if recipe["start"] else (0, -recipe["seed"])
    return before + recipe["training"]["epochs"], seed


if __name__ == "__main__":
    sys.exit(pictures.main(sys.argv[1:], denoise))
