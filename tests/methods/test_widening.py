"""A wider network starts where a narrower one ended, and can go further."""

import pytest
import torch

from fer_lib.methods import networks, widening
from fer_lib.methods.networks import Compact


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(2, 1, 48, 48, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture
def small() -> torch.nn.Module:
    return networks.build("compact-small", 1).double()


@pytest.mark.parametrize("channels", [(24, 48, 80), (48, 96, 160), (72, 48, 240)])
def test_it_computes_what_the_small_one_does(small, images, channels):
    large = widening.widened(small, Compact(channels).double())
    assert (small(images) - images).abs().mean() > 1e-3
    torch.testing.assert_close(large(images), small(images))


def test_the_small_one_is_left_as_it_was(small):
    before = {name: x.clone() for name, x in small.state_dict().items()}
    widening.widened(small, networks.build("compact", 0).double())
    assert all(torch.equal(before[name], x) for name, x in small.state_dict().items())


def test_copies_of_a_channel_learn_different_things(small, images):
    large = widening.widened(small, networks.build("compact", 0).double())
    weight = large.bottom[0].conv1.weight
    first, second = weight.unflatten(0, (2, -1)).unbind()
    assert not torch.allclose(first, second)
    large(images).square().mean().backward()
    first, second = weight.grad.unflatten(0, (2, -1)).unbind()
    assert (first - second).norm() > 0.1 * first.norm()
