"""Denoise images of your own with a network that is published with the report.

`from fer_lib.denoise import denoise`, then `clean = denoise(noisy)`.
"""

import functools

import numpy as np
import torch
from torch import nn

from fer_lib import training
from fer_lib.config import UserError, one_of
from fer_lib.methods import supervision, table
from fer_lib.methods.plans import RestorerConfig
from fer_lib.tools import weights

PIXELS = 2**22  # at most so many at a time, about 2 GB of memory


def denoise(images, network: str = "compact"):
    """Remove noise from gray or colour images; the noise level need not be known.

    images: a numpy array or torch tensor of one image (H, W), or any number of them (..., H, W);
        a last axis of 3 is taken for colours, each restored on its own. uint8, or floating point
        in [0, 1].
    network: "compact", or another that is published, all trained on faces of 48x48 pixels with
        Gaussian noise of standard deviations from 0 to 0.6, clamped to [0, 1].

    Returns the same shape, dtype and range, a tensor on its own device. Raises UserError for an
    unknown network, for other dtypes, for values outside [0, 1], and for shapes without an image.
    """
    if isinstance(images, np.ndarray):
        return denoise(torch.tensor(images), network).numpy()
    unit = _to_unit(images)
    colour = unit.shape[-1] == 3
    planes = unit.movedim(-1, 0) if colour else unit
    restored = _restore(planes.reshape(-1, 1, *planes.shape[-2:]), published(network))
    restored = restored.reshape(planes.shape)
    return _like(restored.movedim(0, -1) if colour else restored, images)


@functools.cache
def published(name: str) -> nn.Module:
    """The published network `name`, in eval mode; of several trainings the longest, of several of
    those the one with the first seed.

    Raises UserError if there is none.
    """
    files = {path: weights.header(path)["recipe"] for path in weights.index().values()}
    recipes = {path: recipe for path, recipe in files.items() if recipe["task"] == "restoration"}
    names = sorted({recipe["network"] for recipe in recipes.values()})
    if not names:
        raise UserError(
            "no published networks: set FER_NETWORKS to the folder reports/ferplus-cpu/networks of"
            " a clone of the project"
        )
    one_of("published network", name, names)
    candidates = [path for path, recipe in recipes.items() if recipe["network"] == name]
    path = max(candidates, key=lambda path: _rank(recipes[path]))
    task = supervision.Restoration(RestorerConfig(**recipes[path]["model"]))
    return training.load(task, path).model


def _rank(recipe: dict) -> tuple[int, int]:
    """Longer trainings first, then lower seeds."""
    before, seed = _rank(recipe["start"]) if recipe["start"] else (0, -recipe["seed"])
    return before + recipe["training"]["epochs"], seed


def _to_unit(images: torch.Tensor) -> torch.Tensor:
    """uint8 or floats (..., H, W) or (..., H, W, 3) as float32 in [0, 1]."""
    if images.ndim < 2 or 0 in images.shape:
        raise UserError(f"shape {tuple(images.shape)} holds no image: give (..., H, W)")
    if images.dtype == torch.uint8:
        return images.float() / 255
    if not images.is_floating_point():
        raise UserError(f"images of {images.dtype}: give uint8, or floating point in [0, 1]")
    low, high = images.min().item(), images.max().item()
    if not (low >= 0 and high <= 1):
        raise UserError(f"images range from {low:g} to {high:g}: scale them to [0, 1]")
    return images.float()


@torch.inference_mode()
def _restore(planes: torch.Tensor, model: nn.Module) -> torch.Tensor:
    """(N, 1, H, W) in [0, 1] -> the same, a few at a time, by the method that leads chapter 6."""
    method = table.mirrored(table.restorer(model.to(planes.device)))
    count = max(1, PIXELS // planes[0].numel())
    return torch.cat([method(part, table.GRAY, None) for part in planes.split(count)])


def _like(restored: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """`restored` with the dtype and device of `images`."""
    if images.dtype == torch.uint8:
        restored = (restored * 255).round()
    return restored.to(images)
