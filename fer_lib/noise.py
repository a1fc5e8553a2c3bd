"""Noise, and the three ways of putting it on a face that the study compares (its protocols).

Every image draws from a stream of its own, named by (seed, image id), and every level scales the
same draw: all methods see identical noisy images, in whatever order or batch they are asked for,
and levels differ in nothing but the level.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from fer_lib import pipeline


def gaussian(images: torch.Tensor, level: float, ids, seed: int) -> torch.Tensor:
    """Add white Gaussian noise of standard deviation `level` to (N, C, H, W), unclamped.

    ids: (N,) integers, one an image. Level 0 returns the images as they are.
    """
    streams = (np.random.default_rng((seed, int(number))) for number in ids)
    draws = [stream.standard_normal(images.shape[1:], dtype=np.float32) for stream in streams]
    return images + level * torch.from_numpy(np.stack(draws))


@dataclass(frozen=True)
class Protocol:
    """How a clean face becomes a noisy one, meets the model, and is scored.

    reference: clean (N, 1, 48, 48) in [0, 1] -> the images that noise is added to and that
        outputs are scored against.
    to_model, from_model: noisy images -> model input, and model output -> scored images.
    data_range: of the reference, for SSIM and PSNR.
    """

    reference: Callable[[torch.Tensor], torch.Tensor]
    to_model: Callable[[torch.Tensor], torch.Tensor]
    from_model: Callable[[torch.Tensor], torch.Tensor]
    data_range: float

    def corrupt(self, clean: torch.Tensor, level: float, ids, seed: int) -> torch.Tensor:
        """The noisy images: noise of `level` on the reference, clamped to [0, 1]."""
        return gaussian(self.reference(clean), level, ids, seed).clamp(0, 1)


def _large(images: torch.Tensor) -> torch.Tensor:
    return pipeline.to_rgb(pipeline.resize(images))


def _small(output: torch.Tensor) -> torch.Tensor:
    gray = pipeline.denormalise(output).mean(dim=1, keepdim=True)
    return pipeline.resize(gray, gray.shape[-1] // 2).clamp(0, 1)


PROTOCOLS = {
    # The paper's words: normalised images, noise, clamp to 0..1, fed and scored as they are.
    "the paper's noise": Protocol(
        reference=lambda clean: pipeline.normalise(_large(clean)),
        to_model=lambda noisy: noisy,
        from_model=lambda output: output,
        data_range=2.0,
    ),
    # What the words seem to intend: noise and clamp in [0, 1], then normalise.
    "noise in [0, 1]": Protocol(
        reference=_large,
        to_model=pipeline.normalise,
        from_model=lambda output: pipeline.denormalise(output).clamp(0, 1),
        data_range=1.0,
    ),
    # The physically meaningful one: noise on the 48x48 gray image that a camera would give.
    "camera noise": Protocol(
        reference=lambda clean: clean,
        to_model=lambda noisy: pipeline.normalise(_large(noisy)),
        from_model=_small,
        data_range=1.0,
    ),
}
