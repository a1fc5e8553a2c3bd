"""What a denoiser learns from: noisy and clean faces, two noisy ones, or one noisy one alone. The
noise is *camera noise*, Gaussian and clamped, on the gray 48x48 image in [0, 1], of an unknown
level: for each image it is drawn from 0 to `HIGHEST`."""

import functools
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from fer_lib import pipeline
from fer_lib.methods import networks
from fer_lib.methods.plans import RestorerConfig
from fer_lib.training import Reconstruction

HIGHEST = 0.6
MSE_SHARE = 5.0  # weight of the squared error beside SSIM
WINDOW, C1, C2 = 7, 0.01**2, 0.03**2  # of SSIM at range 1, as `metrics.ssim` has them
SPARSITY, WEIGHT = 0.05, 0.01  # Xie, Xu & Chen 2012: target activity, weight of the penalty
PRETRAINING = 1 / 3  # share of the training


def corrupt(clean: torch.Tensor, levels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Clamped noise on (N, 1, H, W) of each image's own level (N,), drawn on the CPU."""
    draw = torch.randn(clean.shape, generator=generator).to(clean.device)
    return (clean + levels.to(clean.device).view(-1, 1, 1, 1) * draw).clamp(0, 1)


def draw_levels(count: int, generator: torch.Generator) -> torch.Tensor:
    """(count,), uniform from 0 to `HIGHEST`."""
    return torch.rand(count, generator=generator) * HIGHEST


@dataclass(frozen=True)
class Restoration:
    """The task of a network for gray images: to remove noise."""

    model: RestorerConfig

    def build(self, seed: int) -> nn.Module:
        return networks.build(self.model.architecture, seed)

    def batch(self, faces: torch.Tensor, generator: torch.Generator) -> tuple:
        """Noisy images and their targets; for "neighbor2neighbor" a seed takes their place."""
        mirrored = torch.rand(len(faces), generator=generator) < 0.5
        clean = pipeline.flip(pipeline.to_unit(faces), mirrored.to(faces.device))
        levels = draw_levels(len(faces), generator)
        noisy = corrupt(clean, levels, generator)
        if self.model.supervision == "clean":
            return noisy, clean
        if self.model.supervision == "noise2noise":
            return noisy, corrupt(clean, levels, generator)
        return noisy, torch.randint(2**31, (), generator=generator)

    def loss(self, network: nn.Module, batch: tuple, progress: float) -> torch.Tensor:
        noisy, target = batch
        if self.model.supervision == "neighbor2neighbor":
            return _neighbours(network, noisy, int(target))
        if self.model.architecture == "xie" and progress < PRETRAINING:
            return _pretraining(network, noisy, target)
        restored = network(noisy).float()
        error = F.mse_loss(restored, target)
        if self.model.loss == "mse":
            return error
        return 1 - ssim(restored, target).mean() + MSE_SHARE * error


def ssim(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """`metrics.ssim` at range 1, but with a gradient: (N, 1, H, W) twice -> (N,)."""
    window_mean = functools.partial(F.avg_pool2d, kernel_size=WINDOW, stride=1)
    mean_x, mean_y = window_mean(x), window_mean(y)
    correction = WINDOW**2 / (WINDOW**2 - 1)
    var_x = correction * (window_mean(x * x) - mean_x**2)
    var_y = correction * (window_mean(y * y) - mean_y**2)
    covariance = correction * (window_mean(x * y) - mean_x * mean_y)
    means = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    return (means * (2 * covariance + C2) / (var_x + var_y + C2)).mean(dim=(1, 2, 3))


def _neighbours(network: nn.Module, noisy: torch.Tensor, seed: int) -> torch.Tensor:
    """deepinv's loss, which draws from the global generators, with a seed of its own."""
    import deepinv

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        loss = deepinv.loss.Neighbor2Neighbor()
        return loss(noisy, None, lambda images, physics: network(images).float())


def _pretraining(network: networks.Xie, noisy: torch.Tensor, clean: torch.Tensor) -> torch.Tensor:
    """Both autoencoders at once, neither with a gradient from the other: the first restores
    patches, the second the first's hidden layer. Both hidden layers are to be sparse."""
    noisy, clean = network.patches(noisy), network.patches(clean)
    first = network.encode1(noisy).sigmoid()
    loss = F.mse_loss(network.decode1(first).sigmoid(), clean) + WEIGHT * _sparsity(first)
    with torch.no_grad():
        target = network.encode1(clean).sigmoid()
    second = network.encode2(first.detach()).sigmoid()
    restored = network.decode2(second).sigmoid()
    return loss + F.mse_loss(restored, target) + WEIGHT * _sparsity(second)


def _sparsity(activity: torch.Tensor) -> torch.Tensor:
    """Kullback-Leibler divergence of each unit's mean activity from the target, mean over units."""
    mean = activity.mean(dim=(0, 1)).clamp(1e-6, 1 - 1e-6)
    on, off = SPARSITY, 1 - SPARSITY
    return (on * (on / mean).log() + off * (off / (1 - mean)).log()).mean()


class DenoisingAutoencoder(Reconstruction):
    """The paper's network, trained as the paper trains it, but for its input, which is noisy."""

    def batch(self, faces: torch.Tensor, generator: torch.Generator) -> tuple:
        _, target = super().batch(faces, generator)
        gray = pipeline.denormalise(target[:, :1])
        small = pipeline.resize(gray, gray.shape[-1] // 2)
        noisy = corrupt(small, draw_levels(len(faces), generator), generator)
        x = pipeline.to_rgb(pipeline.normalise(pipeline.resize(noisy)))
        return x.contiguous(memory_format=torch.channels_last), target
