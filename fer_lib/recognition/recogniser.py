"""A small network that recognises the expression of a face, and how it learns from votes."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from fer_lib import pipeline, training
from fer_lib.config import Recipe
from fer_lib.methods.supervision import corrupt, draw_levels
from fer_lib.noise import BATCH
from fer_lib.readers.ferplus import EMOTIONS, VOTES
from fer_lib.recognition.plan import RecogniserConfig
from fer_lib.study import Study
from fer_lib.training import Trained

SHIFT, ZOOM = 0.1, 0.1  # largest shift, as a share of the side; largest change of the size


class Block(nn.Module):
    """relu(skip(x) + conv(conv(x))), with batch norms (He et al., CVPR 2016, "ResNet"); the skip
    halves by means of 2x2 pixels (He et al., CVPR 2019, "Bag of tricks", figure 2c)."""

    def __init__(self, inputs: int, channels: int, stride: int):
        super().__init__()
        self.conv1 = _conv(inputs, channels, 3, stride)
        self.conv2 = _conv(channels, channels, 3, 1)
        shrink = nn.AvgPool2d(2) if stride == 2 else nn.Identity()
        project = nn.Identity() if inputs == channels else _conv(inputs, channels, 1, 1)
        self.skip = nn.Sequential(shrink, project)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.skip(x) + self.conv2(torch.relu(self.conv1(x))))


def _conv(inputs: int, outputs: int, side: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, side, stride, side // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class Recogniser(nn.Sequential):
    """Gray faces (N, 1, 48, 48) in [0, 1] -> a score for each of EMOTIONS (N, 8), whose softmax are
    probabilities. The first stage works at half the size (pixel unshuffling)."""

    def __init__(self, model: RecogniserConfig):
        channels = model.channels[0]
        stages = [nn.PixelUnshuffle(2), _conv(4, channels, 3, 1), nn.ReLU()]
        for number, (width, blocks) in enumerate(zip(model.channels, model.blocks, strict=True)):
            for block in range(blocks):
                stages.append(Block(channels, width, 2 if number and not block else 1))
                channels = width
        stages += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, len(EMOTIONS))]
        super().__init__(*stages)


def targets(votes: np.ndarray) -> np.ndarray:
    """What is learnt from votes (N, 10) of faces with a majority: the share of each of EMOTIONS,
    float32 (N, 8), without single votes, which are outliers (Barsoum et al. 2016)."""
    counted = np.where(votes > 1, votes, 0)[:, : len(EMOTIONS)].astype(np.float32)
    return counted / counted.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Recognition:
    """The task: to predict the votes on a face, flipped, rotated, shifted and resized at random."""

    model: RecogniserConfig

    def build(self, seed: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return Recogniser(self.model)

    def batch(self, faces: torch.Tensor, generator: torch.Generator, votes: torch.Tensor) -> tuple:
        """Network input (N, 1, 48, 48) in [0, 1], and `votes` (N, 8), as of `targets`."""
        images = warp(pipeline.to_unit(faces), generator)
        if self.model.noise:
            images = corrupt(images, draw_levels(len(faces), generator), generator)
        return images.contiguous(memory_format=torch.channels_last), votes

    def loss(self, network: nn.Module, batch: tuple, progress: float) -> torch.Tensor:
        images, votes = batch
        return F.cross_entropy(network(images).float(), votes)


def warp(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Images (N, 1, H, H), each flipped with probability 1/2, rotated by up to 10 degrees, shifted
    by up to SHIFT and enlarged by up to ZOOM either way; pixels at the border are repeated."""
    draws = torch.rand((5, len(images)), generator=generator).to(images.device)
    angle, zoom, right, down = draws[:4] * 2 - 1
    angle, scale = torch.deg2rad(angle * pipeline.ROTATION), 1 + zoom * ZOOM
    sign = torch.where(draws[4] < 0.5, -1.0, 1.0)
    cos, sin = angle.cos() * scale, angle.sin() * scale
    rows = [sign * cos, -sin, right * 2 * SHIFT, sign * sin, cos, down * 2 * SHIFT]
    grid = F.affine_grid(torch.stack(rows, 1).view(-1, 2, 3), list(images.shape), False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def train(study: Study, recipe: Recipe) -> Trained:
    """The recogniser of a recipe: loaded, or trained now on the faces that it names."""
    faces, rows = study.examples(recipe.part)
    labels = targets(rows[[*VOTES]].to_numpy())
    return training.fit(Recognition(recipe.model), faces, recipe, None, labels)


@torch.inference_mode()
def probabilities(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """What a trained recogniser gives each of EMOTIONS, (N, 8), for images (N, 1, 48, 48) in
    [0, 1]."""
    device = next(model.parameters()).device
    parts = (part.to(device).float() for part in images.split(BATCH))
    return torch.cat([model(part).softmax(1).cpu() for part in parts])
