"""The paper's test loop, under every reading of its words that `procedures` lists.

One loop serves several passes: those that differ only in the mode or the reference share inputs,
steps and, where they can, outputs.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from fer_lib import device, noise, pipeline
from fer_lib.config import TrainConfig
from fer_lib.procedures import Pass

BATCH = 64  # the paper's; in train mode it decides what a batch norm sees


@dataclass(frozen=True)
class Loop:
    """What passes share: how noisy images are made, and Adam's steps. See procedures.AXES."""

    space: str
    noise: str
    moved: bool
    target: str
    carried: bool


@dataclass(frozen=True)
class Result:
    """Outputs of a loop at one level: (N, 3, 96, 96), like `noisy` in the loop's space."""

    level: float
    mode: str
    passes: int
    noisy: torch.Tensor
    output: torch.Tensor


def loop_of(run: Pass) -> Loop:
    """The loop that makes the outputs of `run`."""
    return Loop(run.space, run.noise, run.augmented != "no", run.target, run.carried)


def reference(faces: np.ndarray, ids, space: str, augmented: str, seed: int) -> torch.Tensor:
    """The clean images (N, 3, 96, 96) that outputs of a pass are compared with, in its space."""
    access = {"no": None, "same": 0, "fresh": 1}[augmented]
    return pipeline.to_rgb(_in_space(_large(faces, ids, access, seed), space))


def noisy(loop: Loop, faces: np.ndarray, ids, level: float, seed: int) -> torch.Tensor:
    """The noisy images (N, 3, 96, 96) in [0, 1] of a loop.

    The draws are those of `noise.Protocol`: with noise per channel, a loop in normalised space is
    the protocol `literal`, one in unit space `intended`.
    """
    if loop.noise == "before":
        small = _in_space(pipeline.to_unit(torch.tensor(faces)), loop.space)
        return pipeline.to_rgb(pipeline.resize(_noised(small, level, ids, seed)))
    large = _in_space(_large(faces, ids, 0 if loop.moved else None, seed), loop.space)
    if loop.noise == "shared":
        return pipeline.to_rgb(_noised(large, level, ids, seed))
    return _noised(pipeline.to_rgb(large), level, ids, seed)


def _noised(images: torch.Tensor, level: float, ids, seed: int) -> torch.Tensor:
    return noise.gaussian(images, level, ids, seed).clamp(0, 1)


def _in_space(unit: torch.Tensor, space: str) -> torch.Tensor:
    return unit if space == "unit" else pipeline.normalise(unit)


def _large(faces: np.ndarray, ids, access: int | None, seed: int) -> torch.Tensor:
    """Faces (N, 1, 96, 96) in [0, 1]; flipped and rotated, unless access is None, with draws of
    their own at each `access`, as torchvision's transforms do."""
    images = pipeline.resize(pipeline.to_unit(torch.tensor(faces)))
    if access is None:
        return images
    draws = [np.random.default_rng((seed, int(i), 1 + access)).random(2) for i in ids]
    chosen, angle = torch.from_numpy(np.stack(draws)).float().unbind(1)
    degrees = (2 * angle - 1) * TrainConfig.rotation
    return pipeline.rotate(pipeline.flip(images, chosen < 0.5), degrees)


def play(
    model: torch.nn.Module,
    loop: Loop,
    faces: np.ndarray,
    ids,
    levels: tuple[float, ...],
    seed: int,
    *,
    passes: int,
    training: TrainConfig,
    every: int = 1,
) -> Iterator[Result]:
    """The outputs of `model` on every `every`-th of `faces`, uint8 (N, 48, 48), level by level.

    With a target, a fresh Adam takes a step a batch of all faces, in train mode, for `passes`
    passes at each level; after the first and the last of them come the outputs during the pass
    ("train") and after it ("eval"). The model itself is left as it was.
    """
    tested = _Tested(model, training)
    clean = reference(faces, ids, "normalised", "same" if loop.moved else "no", seed)
    for level in levels:
        images = noisy(loop, faces, ids, level, seed)
        x = images if loop.space == "normalised" else pipeline.normalise(images)
        if not loop.carried:
            tested.start_anew()
        target = {"none": None, "clean": clean, "noisy": x}[loop.target]
        for mode, count, output in _outputs(tested, x, target, passes, every):
            output = output if loop.space == "normalised" else pipeline.denormalise(output)
            yield Result(level, mode, count, images[::every], output)


def _outputs(tested: "_Tested", x: torch.Tensor, target, passes: int, every: int):
    """(mode, passes, network's output) at one level."""
    if target is None:
        yield "eval", 0, tested.predict(x[::every], "eval")
        yield "train", 0, tested.predict(x[::every], "train")
        return
    for count in range(1, passes + 1):
        during = tested.one_pass(x, target)
        if count in (1, passes):
            yield "train", count, during[::every]
            yield "eval", count, tested.predict(x[::every], "eval")


class _Tested:
    """A copy of a network that the test loop may change, with the optimiser that does so."""

    def __init__(self, model: torch.nn.Module, training: TrainConfig):
        self.model, self.training = copy.deepcopy(model), training
        self.before = copy.deepcopy(model.state_dict())
        self.where = next(model.parameters()).device
        compiles = training.compile and device.can_compile(self.where)
        self.forward = torch.compile(self.model) if compiles else self.model
        self.start_anew()

    def start_anew(self) -> None:
        """Back to the trained weights, with a fresh Adam."""
        self.model.load_state_dict(self.before)
        rate = self.training.learning_rate
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=rate)

    @torch.inference_mode()
    def predict(self, x: torch.Tensor, mode: str) -> torch.Tensor:
        """Outputs for inputs (N, 3, 96, 96), batch by batch; "train" updates running statistics."""
        self.model.train(mode == "train")
        return torch.cat([self.model(self._to(batch)).float().cpu() for batch in x.split(BATCH)])

    def one_pass(self, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """A step a batch, in order, as in training; the outputs, each from before its own step."""
        self.model.train()
        pairs = zip(x.split(BATCH), target.split(BATCH), strict=True)
        return torch.cat([self._step(self._to(a), self._to(b)) for a, b in pairs])

    def _step(self, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        self.optimiser.zero_grad()
        dtype = device.autocast_dtype(self.training.precision, self.where)
        with torch.autocast(self.where.type, dtype, enabled=dtype is not torch.float32):
            output = self.forward(x).float()
        F.mse_loss(output, target).backward()
        self.optimiser.step()
        return output.detach().cpu()

    def _to(self, batch: torch.Tensor) -> torch.Tensor:
        return batch.to(self.where).contiguous(memory_format=torch.channels_last)
