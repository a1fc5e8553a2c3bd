"""What a denoiser costs: numbers kept, arithmetic, and time for one image on one core."""

import timeit
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

REPEATS = 5


def flops(denoise: Callable[[torch.Tensor], torch.Tensor], noisy: torch.Tensor) -> int:
    """Floating-point operations of matrix products and convolutions for one image (1, 1, H, W).

    One multiplication with one addition counts 2. 0 for what does without either: what runs outside
    torch, or adds and compares only, is not counted.
    """
    with FlopCounterMode(display=False) as counter:
        denoise(noisy)
    return counter.get_total_flops()


def milliseconds(denoise: Callable[[torch.Tensor], torch.Tensor], noisy: torch.Tensor) -> float:
    """Time for one image (1, 1, H, W) on one core: the least of several runs, after one to warm
    up."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        denoise(noisy)
        return 1000 * min(timeit.repeat(lambda: denoise(noisy), number=1, repeat=REPEATS))
    finally:
        torch.set_num_threads(threads)
