"""Denoise images of your own with a network that is published with the report.

`from fer_lib.denoise import denoise`, then `clean = denoise(noisy)`.
"""

import functools
from pathlib import Path

import numpy as np
import torch
from torch import nn

from fer_lib import learning
from fer_lib.config import ROOT, UserError
from fer_lib.methods import supervision, table
from fer_lib.tools import weights

#: Where published networks lie: `publish` puts them there.
NETWORKS = ROOT / "reports" / "ferplus-cpu" / "networks"
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
    found = [(_name(file), file) for file in sorted(NETWORKS.glob("*.safetensors"))]
    known = sorted({other for other, _ in found if other in supervision.RESTORATIONS})
    if name not in known:
        raise UserError(f"no published network {name!r}: choose one of {', '.join(known)}")
    task = supervision.RESTORATIONS[name]
    return learning.load(task, max((f for other, f in found if other == name), key=_rank)).model


def _name(file: Path) -> str:
    """NAME of NAME-KEY.safetensors."""
    return file.stem.rpartition("-")[0]


def _rank(file: Path) -> tuple[int, int]:
    facts = weights.load(file)[1]
    return facts["training"]["epochs"] + facts.get("after", 0), -facts["seed"]


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
    """(N, 1, H, W) in [0, 1] -> the same, some at a time, by the method that leads chapter 6."""
    method = table.mirrored(table.restorer(model.to(planes.device)))
    some = max(1, PIXELS // planes[0].numel())
    return torch.cat([method(part, table.GRAY, None) for part in planes.split(some)])


def _like(restored: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """`restored` with the dtype and device of `images`."""
    if images.dtype == torch.uint8:
        restored = (restored * 255).round()
    return restored.to(images)
