"""A larger network that starts where a smaller one ended (chapter 6's oracle)."""

import torch
from torch import nn


@torch.no_grad()
def widened(small: nn.Module, large: nn.Module) -> nn.Module:
    """`large`, freshly initialised, changed so that it computes what `small` does.

    Both have the same convolutions without biases, those of `large` with some whole multiple of the
    channels, which come copy after copy (Chen, Goodfellow & Shlens 2016, "Net2Net", section 2.2).
    """
    layers = dict(small.named_modules())
    for name, layer in large.named_modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            inputs = 1 if isinstance(layer, nn.Conv2d) else 0
            layer.weight.copy_(_widened(layers[name].weight, layer.weight, inputs))
    return large


def _widened(small: torch.Tensor, fresh: torch.Tensor, inputs: int) -> torch.Tensor:
    """`small` spread over the copies of its inputs, whose axis is given, for each copy of its
    outputs. What is added to it of `fresh` sums to 0 over the copies of an input: it does nothing
    while they are equal, and makes them learn different things."""
    times = [ours // theirs for ours, theirs in zip(fresh.shape, small.shape, strict=True)]
    copies = fresh.unflatten(inputs, (times[inputs], -1))
    silent = (copies - copies.mean(inputs, keepdim=True)).flatten(inputs, inputs + 1)
    return small.tile(times) / times[inputs] + silent
