"""Kinds of noise, and the three protocols by which the study adds noise to a face. Each image has a
random generator of its own, seeded with (seed, image id) whatever the level. So all methods see
identical noisy images, in any order or batch, and levels differ in nothing else."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from scipy import ndimage

from fer_lib import config, pipeline

READOUT = 0.1  # standard deviation of the noise of a sensor's electronics
BATCH = 50  # images that a network sees at once: limits the memory


def gaussian(image: np.ndarray, level: float, stream: np.random.Generator) -> np.ndarray:
    """Additive white Gaussian noise: x + s n, s the level, n standard normal. Level 0: identity."""
    return image + level * stream.standard_normal(image.shape, dtype=np.float32)


def poisson(image: np.ndarray, level: float, stream: np.random.Generator) -> np.ndarray:
    """Photon (shot) noise: Poisson(p x) / p, of mean x and variance x / p, for x in [0, 1] and a
    level p. Raises ValueError if p is not above 0."""
    if not level > 0:
        raise ValueError(f"{level} photons: give the expected count of a white pixel, above 0")
    return (stream.poisson(level * image.astype(np.float64)) / level).astype(np.float32)


def salt_and_pepper(image: np.ndarray, level: float, stream: np.random.Generator) -> np.ndarray:
    """Replace a fraction of the pixels, half of them by 0 and half by 1; each is also replaced at
    every higher level. Level 0 is the identity. Raises ValueError for a level outside [0, 1]."""
    if not 0 <= level <= 1:
        raise ValueError(f"fraction {level}: give a number from 0 to 1")
    draw = stream.random(image.shape, dtype=np.float32)
    low, high = np.float32(level / 2), np.float32(1 - level / 2)
    return np.where(draw >= high, np.float32(1), np.where(draw < low, np.float32(0), image))


def speckle(image: np.ndarray, level: float, stream: np.random.Generator) -> np.ndarray:
    """Multiplicative noise: x (1 + s n), s and n as in `gaussian`. Level 0 is the identity."""
    return image + level * image * stream.standard_normal(image.shape, dtype=np.float32)


def correlated(image: np.ndarray, level: float, stream: np.random.Generator) -> np.ndarray:
    """Gaussian noise of standard deviation `level` in grains: white noise, blurred by a pixel and
    made as strong again. Level 0 is the identity."""
    white = stream.standard_normal(image.shape, dtype=np.float32) * (2 * np.pi**0.5)
    return image + level * ndimage.gaussian_filter(white, (0, 1, 1), mode="wrap")


def poisson_gaussian(image: np.ndarray, level: float, stream: np.random.Generator) -> np.ndarray:
    """`poisson` of a level, and the Gaussian noise of a sensor's electronics, READOUT."""
    return gaussian(poisson(image, level, stream), READOUT, stream)


def jpeg(image: np.ndarray, level: float, stream: np.random.Generator) -> np.ndarray:
    """What JPEG of a quality from 1 to 95, the level, leaves of each channel; nothing is drawn."""
    channels = []
    for plane in (image.clip(0, 1) * 255).round().astype(np.uint8):
        Image.fromarray(plane).save(file := io.BytesIO(), "JPEG", quality=int(level))
        channels.append(np.asarray(Image.open(file), np.float32) / 255)
    return np.stack(channels)


@dataclass(frozen=True)
class Noise:
    """A kind of noise.

    add: (image, level, stream) -> noisy image, not clamped; both images are float32 (C, H, W).
    level: what the level means, as an axis label. levels: those of chapter 8, from weak to strong.
    formula: the noisy value of a pixel x, in Markdown; n is standard normal."""

    add: Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
    level: str
    levels: tuple[float, ...]
    formula: str


#: The keys are the names in the column `noise` of noise_evaluation.csv.
NOISES = {
    "gaussian": Noise(gaussian, "standard deviation $s$", (0.5, 0.75, 1.0), r"$x + s\,n$"),
    "poisson": Noise(
        poisson,
        "photons $p$ of a white pixel",
        (40, 20, 10, 5),
        r"$\operatorname{Poisson}(p\,x)/p$",
    ),
    "salt-and-pepper": Noise(
        salt_and_pepper, "fraction of pixels replaced", (0.05, 0.1, 0.2, 0.4), "becomes 0 or 1"
    ),
    "speckle": Noise(
        speckle, "relative standard deviation $s$", (0.15, 0.3, 0.5), r"$x\,(1 + s\,n)$"
    ),
    "correlated": Noise(
        correlated, "standard deviation $s$", (0.1, 0.2, 0.3), r"$x + s\,n$, $n$ in grains"
    ),
    "poisson-gaussian": Noise(
        poisson_gaussian,
        "photons $p$ of a white pixel",
        (40, 20, 10),
        rf"$\operatorname{{Poisson}}(p\,x)/p + {READOUT}\,n$",
    ),
    "jpeg": Noise(jpeg, "quality", (30, 15, 5), "compressed as JPEG"),
}


def add(
    images: torch.Tensor, level: float, ids, seed: int, *, noise: str = "gaussian"
) -> torch.Tensor:
    """Add noise of one kind to images (N, C, H, W), without clamping; ids: (N,) integers. Raises
    UserError for an unknown kind, and the ValueError of its function for a bad level."""
    config.one_of("noise", noise, NOISES)
    streams = (np.random.default_rng((seed, int(number))) for number in ids)
    pairs = zip(images.numpy(), streams, strict=True)
    noisy = [NOISES[noise].add(image, level, stream) for image, stream in pairs]
    return torch.from_numpy(np.stack(noisy))


def corrupt(
    images: torch.Tensor, level: float, ids, seed: int, *, noise: str = "gaussian"
) -> torch.Tensor:
    """`add`, then clamp to [0, 1]: how every `Protocol` makes its noisy images."""
    return add(images, level, ids, seed, noise=noise).clamp(0, 1)


@dataclass(frozen=True)
class Protocol:
    """How noise is added to a clean face, what the network gets, and what is scored.

    about: a description in one line.
    reference: clean (N, 1, 48, 48) in [0, 1] -> the images that noise is added to and that
        outputs are scored against.
    to_model, from_model: noisy images -> network input, and network output -> scored images.
    data_range: width of the reference's value range, for SSIM and PSNR."""

    about: str
    reference: Callable[[torch.Tensor], torch.Tensor]
    to_model: Callable[[torch.Tensor], torch.Tensor]
    from_model: Callable[[torch.Tensor], torch.Tensor]
    data_range: float

    def corrupt(
        self, clean: torch.Tensor, level: float, ids, seed: int, *, noise: str = "gaussian"
    ) -> torch.Tensor:
        """The noisy images of clean ones (N, 1, 48, 48) in [0, 1]: the reference, corrupted."""
        return corrupt(self.reference(clean), level, ids, seed, noise=noise)

    @torch.inference_mode()
    def restore(self, model: torch.nn.Module, noisy: torch.Tensor) -> torch.Tensor:
        """What a trained network in eval mode makes of noisy images, in batches, on its device."""
        device, outputs = next(model.parameters()).device, []
        for part in noisy.split(BATCH):
            x = self.to_model(part).to(device).contiguous(memory_format=torch.channels_last)
            outputs.append(self.from_model(model(x).float().cpu()))
        return torch.cat(outputs)


def _large(images: torch.Tensor) -> torch.Tensor:
    return pipeline.to_rgb(pipeline.resize(images))


def _small(output: torch.Tensor) -> torch.Tensor:
    gray = pipeline.denormalise(output).mean(dim=1, keepdim=True)
    return pipeline.resize(gray, gray.shape[-1] // 2).clamp(0, 1)


PROTOCOLS = {
    "the paper's noise": Protocol(
        about="what the paper says: noise on the 96×96 RGB image in [-1, 1], then clamped to "
        "[0, 1], which cuts away the darker half; scored as it is",
        reference=lambda clean: pipeline.normalise(_large(clean)),
        to_model=lambda noisy: noisy,
        from_model=lambda output: output,
        data_range=2.0,
    ),
    "noise in [0, 1]": Protocol(
        about="what the paper seems to mean: noise and clamp on the 96×96 RGB image in [0, 1], "
        "normalised after that; scored at 96×96, clamped to [0, 1]",
        reference=_large,
        to_model=pipeline.normalise,
        from_model=lambda output: pipeline.denormalise(output).clamp(0, 1),
        data_range=1.0,
    ),
    "camera noise": Protocol(
        about="nearest to a camera: noise and clamp on the 48×48 gray image, resized after that; "
        "scored at 48×48, clamped to [0, 1]",
        reference=lambda clean: clean,
        to_model=lambda noisy: pipeline.normalise(_large(noisy)),
        from_model=_small,
        data_range=1.0,
    ),
}
