"""The denoising networks: shapes, sizes, and what their descriptions promise."""

import pytest
import torch

from fer_lib.config import UserError
from fer_lib.methods import cost, networks, table

NAMES = tuple(networks.ARCHITECTURES)


@pytest.fixture(scope="module")
def noisy() -> torch.Tensor:
    return torch.rand(2, 1, 48, 48, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", NAMES)
def test_an_image_becomes_an_image(name, noisy):
    with torch.inference_mode():
        output = networks.build(name, 0)(noisy)
    assert output.shape == noisy.shape
    assert output.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides_the_weights_whatever_the_global_state(name):
    first = networks.build(name, 0).state_dict()
    torch.manual_seed(99)
    before = torch.get_rng_state()
    again, other = (networks.build(name, seed).state_dict() for seed in (0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


def test_ours_is_compact(noisy):
    """1 to 2 million parameters, and at most a fiftieth of the paper's 27 G multiplications."""
    model = networks.build("compact", 0)
    assert 1e6 < sum(p.numel() for p in model.parameters()) < 2e6
    assert cost.flops(model, noisy[:1]) < 2 * 27.0e9 / 50


def test_ours_is_homogeneous(noisy):
    """No biases: twice the input is twice the output."""
    model = networks.build("compact", 0).double()
    assert not [name for name, _ in model.named_parameters() if "bias" in name]
    x = noisy.double()
    torch.testing.assert_close(model(3 * x), 3 * model(x))


@pytest.mark.parametrize("size", [(48, 48), (50, 41), (8, 8), (3, 100), (1, 1)])
@pytest.mark.parametrize("name", NAMES)
def test_every_network_restores_any_size(name, size):
    x = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(0))
    model = networks.build(name, 0).eval()
    with torch.inference_mode():
        restored = table.restorer(model)(x, None, 0.0)
    assert restored.shape == x.shape
    assert restored.isfinite().all()
    if size == (48, 48):
        with torch.inference_mode():
            torch.testing.assert_close(restored, model(x).clamp(0, 1))


def test_gondara_has_five_convolutions_and_two_poolings():
    kinds = [type(layer).__name__ for layer in networks.build("gondara", 0)]
    assert [kinds.count(k) for k in ("Conv2d", "MaxPool2d", "Upsample")] == [5, 2, 2]


def test_dncnn_has_twenty_layers_of_64():
    layers = [m for m in networks.build("dncnn", 0).modules() if isinstance(m, torch.nn.Conv2d)]
    assert [layer.out_channels for layer in layers] == [64] * 19 + [1]


def test_xie_joins_patches_by_their_mean(noisy):
    """Patches cut out and joined again are the image; all pixels are reached."""
    model = networks.build("xie", 0)
    joined = model.join(model.patches(noisy), (48, 48))
    torch.testing.assert_close(joined, noisy)
    assert model.patches(noisy).shape == (2, 100, 144)


def test_an_unknown_architecture_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match="unknown architecture 'unet': choose one of .*compact, "):
        networks.build("unet", 0)
