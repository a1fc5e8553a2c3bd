"""Denoising networks beside the paper's: gray images (N, 1, H, W) in [0, 1] -> the same shape. Ours
is `Compact`; the others are DnCNN, as deepinv defines it, and the two of the paper's related work,
rebuilt small from their descriptions. How each learns is said in `plans.NETWORKS`."""

import functools
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import nn

from fer_lib.config import one_of
from fer_lib.noise import PROTOCOLS

#: How these networks see the images of *camera noise*: as they are.
GRAY = replace(PROTOCOLS["camera noise"], to_model=lambda x: x, from_model=lambda x: x.clamp(0, 1))


class Block(nn.Module):
    """x + conv(relu(conv(x))), 3x3 without biases (Lim et al. 2017, "EDSR", figure 2c)."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv2(torch.relu(self.conv1(x)))


class Compact(nn.Module):
    """A small blind U-Net that predicts the noise: no biases, no norms, so it is homogeneous.

    Half the size at once (pixel unshuffling: Zhang et al. 2018, "FFDNet"), then two halvings, with
    `channels` at the three sizes and two residual blocks at each on the way down and up. Without
    biases it keeps working outside the trained levels (Mohan et al. 2020). Sizes: multiples of 8.
    """

    def __init__(self, channels: tuple[int, int, int] = (48, 96, 160)):
        super().__init__()
        first, second, third = channels
        self.head = nn.Conv2d(4, first, 3, padding=1, bias=False)
        self.down1 = _blocks(first)
        self.shrink1 = nn.Conv2d(first, second, 2, stride=2, bias=False)
        self.down2 = _blocks(second)
        self.shrink2 = nn.Conv2d(second, third, 2, stride=2, bias=False)
        self.bottom = _blocks(third)
        self.grow2 = nn.ConvTranspose2d(third, second, 2, stride=2, bias=False)
        self.up2 = _blocks(second)
        self.grow1 = nn.ConvTranspose2d(second, first, 2, stride=2, bias=False)
        self.up1 = _blocks(first)
        self.tail = nn.Conv2d(first, 4, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        large = self.down1(self.head(F.pixel_unshuffle(x, 2)))
        middle = self.down2(self.shrink1(large))
        small = self.bottom(self.shrink2(middle))
        middle = self.up2(self.grow2(small) + middle)
        large = self.up1(self.grow1(middle) + large)
        return x - F.pixel_shuffle(self.tail(large), 2)


def _blocks(channels: int) -> nn.Sequential:
    return nn.Sequential(Block(channels), Block(channels))


class Gondara(nn.Sequential):
    """Five 3x3 convolutions, two poolings and two enlargements (Gondara 2016, "Medical image
    denoising using convolutional denoising autoencoders", figure 3). Sizes are multiples of 4."""

    def __init__(self):
        def layer(inputs, after):
            return nn.Conv2d(inputs, 64, 3, padding=1), nn.ReLU(), after

        super().__init__(
            *layer(1, nn.MaxPool2d(2)),
            *layer(64, nn.MaxPool2d(2)),
            *layer(64, nn.Upsample(scale_factor=2)),
            *layer(64, nn.Upsample(scale_factor=2)),
            nn.Conv2d(64, 1, 3, padding=1),
            nn.Sigmoid(),
        )


class Xie(nn.Module):
    """Two stacked sparse denoising autoencoders on patches, whose outputs are averaged (Xie, Xu &
    Chen 2012, "Image denoising and inpainting with deep neural networks", section 2.2). Each hidden
    layer has 5 times as many units as a patch has pixels; all units are sigmoids. Sizes are a
    multiple of `step` plus side - step."""

    def __init__(self, side: int = 12, step: int = 4):
        super().__init__()
        pixels, hidden = side**2, 5 * side**2
        self.side, self.step = side, step
        self.encode1, self.decode1 = nn.Linear(pixels, hidden), nn.Linear(hidden, pixels)
        self.encode2, self.decode2 = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)

    def patches(self, images: torch.Tensor) -> torch.Tensor:
        """(N, 1, H, W) -> (N, places, pixels)."""
        return F.unfold(images, self.side, stride=self.step).transpose(1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        code = self.encode2(self.encode1(self.patches(x)).sigmoid()).sigmoid()
        return self.join(self.decode1(self.decode2(code).sigmoid()).sigmoid(), x.shape[-2:])

    def join(self, patches: torch.Tensor, size) -> torch.Tensor:
        """The mean of all patches over each pixel: (N, places, pixels) -> (N, 1, H, W)."""
        fold, columns = nn.Fold(size, self.side, stride=self.step), patches.transpose(1, 2)
        return fold(columns) / fold(torch.ones_like(columns))


def dncnn() -> nn.Module:
    """DnCNN (Zhang et al. 2017), deepinv's definition: 20 layers of 64 channels, no batch norm."""
    import deepinv  # takes a second

    return deepinv.models.DnCNN(1, 1, pretrained=None)


#: By the name that `plans.RestorerConfig` gives.
ARCHITECTURES = {
    "compact": Compact,
    "compact-small": functools.partial(Compact, (24, 48, 80)),
    "dncnn": dncnn,
    "gondara": Gondara,
    "xie": Xie,
}


def build(architecture: str, seed: int) -> nn.Module:
    """A freshly initialised network; the same seed gives the same weights and leaves the global
    random state as it was. Raises UserError for an unknown architecture."""
    one_of("architecture", architecture, ARCHITECTURES)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ARCHITECTURES[architecture]()


def restore(model: nn.Module, noisy: torch.Tensor) -> torch.Tensor:
    """What a trained network makes of images (N, 1, H, W) of any size: their last row and column
    are repeated up to multiples of 8 from 16, which every network takes."""
    height, width = noisy.shape[-2:]
    below, right = (max(16 - side, -side % 8) for side in (height, width))
    padded = F.pad(noisy, (0, right, 0, below), mode="replicate")
    return GRAY.restore(model, padded)[..., :height, :width]
