"""The network against the paper's layer table, and what each named choice changes."""

import re
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fer_lib import autoencoder, paper, training
from fer_lib.config import NETWORKS, ModelConfig, UserError

TINY = 1 / 32
#: The paper's channels: three numbers a stage of the encoder, then those of the decoder.
STAGES = [(3, 32, 64), (64, 128, 256), (256, 512, 1024), (1024, 2048, 4096)]
BACK = [4096, 2048, 1024, 512, 256, 64, 3]


def tiny(**settings) -> autoencoder.CAE:
    return autoencoder.build(ModelConfig(width=TINY, **settings), 0)


def picture(n=2) -> torch.Tensor:
    return torch.rand(n, 3, 96, 96, generator=torch.Generator().manual_seed(1)) * 2 - 1


def expected_parameters(projections=True) -> int:
    """From the channels alone: 9 weights a pair of channels, biases, two per norm and channel."""
    total = 0
    for first, block, strided in STAGES:
        total += (9 * first + 1) * block + (9 * block + 1) * block + 2 * 2 * block
        total += (first + 1) * block if projections else 0
        total += (9 * block + 1) * strided
    return total + sum((9 * a + 1) * b for a, b in zip(BACK, BACK[1:], strict=False))


def expected_macs() -> int:
    """Each weight of a convolution works once per pixel; of a transposed one, per input pixel."""
    total = 0
    for (first, block, strided), side in zip(STAGES, (96, 48, 24, 12), strict=True):
        total += (9 * first + 9 * block + first) * block * side**2
        total += 9 * block * strided * (side // 2) ** 2
    sides = (6, 12, 24, 48, 96, 96)
    return total + sum(9 * a * b * s**2 for a, b, s in zip(BACK, BACK[1:], sides, strict=False))


@pytest.fixture(scope="module")
def table() -> list[dict]:
    return autoencoder.describe(ModelConfig())


def test_the_layers_are_the_papers(table):
    stages = {}  # of several layers in a residual block the last one's shape counts
    for row in table:
        stages[re.match(r"\w+\.\d+", row["layer"]).group()] = row["output"]
    assert list(stages.values()) == [output for _, output in paper.LAYERS]


def test_the_papers_table_is_made_of_its_channels():
    """`paper.LAYERS` was typed in: its names and shapes must say the same."""
    blocks = [f"ResidualBlock({a}, {b})" for a, b, _ in STAGES]
    strided = [f"Conv2d({b}, {c}, 3, stride 2)" for _, b, c in STAGES]
    steps = (2, 2, 2, 2, 1, 1)
    back = [
        f"ConvTranspose2d({a}, {b}), stride {step}"
        for a, b, step in zip(BACK, BACK[1:], steps, strict=False)
    ]
    names = [name for pair in zip(blocks, strided, strict=True) for name in pair] + back
    assert [name for name, _ in paper.LAYERS] == names


def test_the_main_path_has_12_convolutions_and_6_transposed(table):
    main = [row for row in table if ".skip" not in row["layer"]]
    assert [row["type"] for row in main].count("Conv2d") == 12
    assert [row["type"] for row in main].count("ConvTranspose2d") == 6
    assert [row["layer"] for row in table if ".skip" in row["layer"]] == [
        f"encoder.{number}.skip" for number in (0, 3, 6, 9)
    ]
    named = [name for name, _ in training.layers(tiny())]
    assert named == [row["layer"] for row in main if row["type"] != "BatchNorm2d"]


def test_width_1_has_243_6_million_parameters_and_27_gmac(table):
    parameters, macs = (sum(row[name] for row in table) for name in ("parameters", "macs"))
    assert parameters == expected_parameters() == 243_606_883
    assert macs == expected_macs()
    assert f"{parameters / 1e6:.1f} {macs / 1e9:.1f} {2 * macs / 1e9:.0f}" == "243.6 27.0 54"


def test_each_layers_numbers_are_its_own(table):
    rows = {row["layer"]: row for row in table}
    assert rows["encoder.0.conv1"]["parameters"] == 3 * 32 * 9 + 32
    assert rows["encoder.0.conv1"]["macs"] == 3 * 32 * 9 * 96 * 96
    assert rows["encoder.0.norm1"]["parameters"] == 64
    assert rows["encoder.0.norm1"]["macs"] == 0
    assert rows["encoder.1"]["macs"] == 32 * 64 * 9 * 48 * 48
    assert rows["decoder.0"]["macs"] == 4096 * 2048 * 9 * 6 * 6


def test_without_residuals_the_table_lacks_the_projections_alone():
    rows = autoencoder.describe(ModelConfig(residual=False))
    assert sum(row["parameters"] for row in rows) == expected_parameters(projections=False)
    assert not [row for row in rows if ".skip" in row["layer"]]


@pytest.mark.parametrize("projection", ["conv", "conv_norm"])
@pytest.mark.parametrize("residual", [True, False])
def test_the_table_agrees_with_a_real_model(residual, projection):
    config = ModelConfig(width=1 / 16, residual=residual, projection=projection)
    model = autoencoder.build(config, 0)
    real = sum(parameter.numel() for parameter in model.parameters())
    assert sum(row["parameters"] for row in autoencoder.describe(config)) == real


def test_the_code_is_5_times_as_large_as_the_image(table):
    deepest = next(row for row in table if row["layer"] == "encoder.10")
    channels, height, width = map(int, deepest["output"].split("x"))
    assert channels * height * width == 147_456
    assert channels * height * width / (3 * 96 * 96) == pytest.approx(5.33, abs=0.01)


def test_the_width_scales_every_count_of_channels_but_the_images_own():
    shapes = [row["output"] for row in autoencoder.describe(ModelConfig(width=1 / 8))]
    assert (shapes[0], shapes[-2], shapes[-1]) == ("4x96x96", "8x96x96", "3x96x96")
    assert "512x6x6" in shapes
    narrow = [row["output"] for row in autoencoder.describe(ModelConfig(width=1 / 1000))]
    assert (narrow[0], narrow[-1]) == ("1x96x96", "3x96x96")


def test_an_image_comes_out_in_its_own_shape_and_in_range():
    output = tiny()(picture(3))
    assert output.shape == (3, 3, 96, 96)
    assert output.abs().max() < 1
    assert output.std() > 0


def test_a_residual_block_is_the_formula():
    torch.manual_seed(0)
    block = autoencoder.ResidualBlock(2, 4, ModelConfig()).eval()
    for norm in (block.norm1, block.norm2):
        torch.nn.init.uniform_(norm.weight, 0.5, 2)
        torch.nn.init.uniform_(norm.bias, -0.5, 0.5)
        norm.running_mean.uniform_(-0.3, 0.3)
        norm.running_var.uniform_(0.5, 2)

    def norm(h, layer):
        mean, var, w, b = (
            t.view(1, -1, 1, 1)
            for t in (layer.running_mean, layer.running_var, layer.weight, layer.bias)
        )
        return (h - mean) / (var + 1e-5).sqrt() * w + b

    x = torch.randn(2, 2, 9, 9)
    h = F.conv2d(x, block.conv1.weight, block.conv1.bias, padding=1)
    h = norm(h, block.norm1).clamp(min=0)
    h = norm(F.conv2d(h, block.conv2.weight, block.conv2.bias, padding=1), block.norm2)
    h = h + F.conv2d(x, block.skip.weight, block.skip.bias)
    torch.testing.assert_close(block(x), h.clamp(min=0))


def test_without_residuals_only_the_addition_is_missing():
    """A network whose projections are silenced computes what its twin does."""
    with_skips, without = tiny().eval(), tiny(residual=False).eval()
    x = picture()
    change = with_skips.encoder[0](x) - without.encoder[0](x)
    assert change.abs().mean() > 0.05
    for name, parameter in with_skips.named_parameters():
        if ".skip" in name:
            torch.nn.init.zeros_(parameter)
    torch.testing.assert_close(with_skips(x), without(x))


@pytest.mark.parametrize("projection", ["conv", "conv_norm"])
def test_both_variants_start_from_the_same_values(projection):
    whole = tiny(projection=projection).state_dict()
    twin = tiny(projection=projection, residual=False).state_dict()
    assert list(twin) == [name for name in whole if ".skip" not in name]
    assert len(whole) > len(twin)
    assert all(torch.equal(twin[name], whole[name]) for name in twin)


def test_the_seed_decides_the_weights():
    config = ModelConfig(width=TINY)
    first, again, other = (autoencoder.build(config, seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    weights = [name for name in first if "conv" in name and name.endswith("weight")]
    assert len(weights) == 8
    assert not any(torch.equal(first[name], other[name]) for name in weights)


def test_build_leaves_the_global_random_state_as_it_was():
    before = torch.get_rng_state()
    tiny()
    autoencoder.describe(ModelConfig())
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("settings", "known"),
    [
        ({"projection": "pool"}, ("conv", "conv_norm")),
        ({"code": "gelu"}, ("relu", "identity")),
        ({"output": "linear"}, ("tanh", "sigmoid")),
    ],
)
def test_an_unknown_setting_is_refused_with_the_known_ones(settings, known):
    with pytest.raises(UserError) as error:
        ModelConfig(**settings)
    assert all(word in str(error.value) for word in (*settings, *settings.values(), *known))


@pytest.mark.parametrize("width", [0, -1, 5, float("nan"), float("inf")])
def test_a_width_that_makes_no_network_is_refused(width):
    with pytest.raises(UserError, match="width"):
        ModelConfig(width=width)


def test_an_unknown_name_of_a_setting_is_refused():
    with pytest.raises(TypeError):
        ModelConfig(depth=3)


def test_the_output_setting_is_the_last_layer_alone():
    x = picture()
    bounded, positive = tiny().double()(x.double()), tiny(output="sigmoid").double()(x.double())
    torch.testing.assert_close(torch.atanh(bounded), torch.logit(positive))
    assert bounded.min() < 0 < positive.min()
    assert positive.max() < 1


def test_without_norms_the_main_path_lacks_them_and_nothing_else_changes():
    whole, without = (tiny(projection="conv_norm", norms=norms) for norms in (True, False))
    gone = set(whole.state_dict()) - set(without.state_dict())
    assert {name.split(".")[2] for name in gone} == {"norm1", "norm2"}
    for name, tensor in without.state_dict().items():
        assert torch.equal(tensor, whole.state_dict()[name]), name
    assert len(gone) == 4 * 2 * 5
    for module in whole.modules():  # a norm that has seen nothing is the identity, but for eps
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 0.0
    whole.eval(), without.eval()
    for number in (0, 3, 6, 9):
        without.encoder[number].skip[1].eps = 0.0
    torch.testing.assert_close(without(picture()), whole(picture()))


def test_the_code_setting_is_the_activation_of_the_code_alone():
    rectified, free = tiny().eval(), tiny(code="identity").eval()
    x = picture()
    assert free.encoder(x).min() < -0.01
    torch.testing.assert_close(rectified.encoder(x), free.encoder(x).clamp(min=0))
    code = torch.rand(2, 128, 6, 6)
    torch.testing.assert_close(rectified.decoder(code), free.decoder(code))


@pytest.mark.parametrize(("code", "count"), [("relu", 9), ("identity", 8)])
def test_a_relu_follows_every_layer_outside_the_blocks_but_the_last(code, count):
    model = tiny(code=code)
    kinds = [type(module) for module in (*model.encoder, *model.decoder)]
    assert kinds.count(nn.ReLU) == count
    assert kinds[-1] is nn.Tanh


def test_the_projection_setting_adds_a_norm_to_the_skips_alone():
    plain, normed = tiny().state_dict(), tiny(projection="conv_norm").state_dict()
    extra = {name for name in normed if "running_mean" in name} - set(plain)
    assert extra == {f"encoder.{number}.skip.1.running_mean" for number in (0, 3, 6, 9)}


class AuthorsBlock(nn.Module):
    """conv, norm, ReLU, conv, norm, plus a 1x1 convolution with a norm of the input, ReLU."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
        )
        self.side = nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.path(x) + self.side(x)).clamp(min=0)


def authors_network(width: float, last: nn.Module) -> nn.Sequential:
    """What the authors' code builds (github.com/mameersohel/CNN-AE, commit 2eefa1ee), by hand.

    A ReLU follows each strided convolution but the last and each transposed one but the last.
    """
    n = {count: int(count * width) for count in (32, 64, 128, 256, 512, 1024, 2048, 4096)}
    half = {"kernel_size": 3, "stride": 2, "padding": 1}
    twice = {**half, "output_padding": 1}
    return nn.Sequential(
        *(AuthorsBlock(3, n[32]), nn.Conv2d(n[32], n[64], **half), nn.ReLU()),
        *(AuthorsBlock(n[64], n[128]), nn.Conv2d(n[128], n[256], **half), nn.ReLU()),
        *(AuthorsBlock(n[256], n[512]), nn.Conv2d(n[512], n[1024], **half), nn.ReLU()),
        *(AuthorsBlock(n[1024], n[2048]), nn.Conv2d(n[2048], n[4096], **half)),
        *(nn.ConvTranspose2d(n[4096], n[2048], **twice), nn.ReLU()),
        *(nn.ConvTranspose2d(n[2048], n[1024], **twice), nn.ReLU()),
        *(nn.ConvTranspose2d(n[1024], n[512], **twice), nn.ReLU()),
        *(nn.ConvTranspose2d(n[512], n[256], **twice), nn.ReLU()),
        *(nn.ConvTranspose2d(n[256], n[64], 3, padding=1), nn.ReLU()),
        *(nn.ConvTranspose2d(n[64], 3, 3, padding=1), last),
    )


@pytest.mark.parametrize(("name", "last"), [("as-run", nn.Sigmoid()), ("range-matched", nn.Tanh())])
def test_the_authors_networks_are_what_their_code_builds(name, last):
    config = replace(NETWORKS[name], width=TINY)
    ours, theirs = autoencoder.build(config, 0), authors_network(TINY, last)
    tensors = list(ours.state_dict().values())
    for tensor in tensors:  # nothing stays at 0 or 1, where an error would not show
        if tensor.ndim == 1:
            tensor.uniform_(0.1, 0.5)
    names = theirs.state_dict()
    theirs.load_state_dict(dict(zip(names, tensors, strict=True)))
    x = picture(3)
    for training_mode in (False, True):
        ours.train(training_mode), theirs.train(training_mode)
        torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(list(ours.state_dict().values()), list(theirs.state_dict().values()))


def test_the_two_networks_of_the_authors_code_differ_in_the_last_layer_alone():
    assert replace(NETWORKS["as-run"], output="tanh") == NETWORKS["range-matched"]
    assert NETWORKS["as-run"].output == "sigmoid"


def test_the_authors_network_has_the_norms_of_its_skips_more_than_ours():
    rows = autoencoder.describe(NETWORKS["as-run"])
    with torch.device("meta"):
        theirs = authors_network(1, nn.Sigmoid())
    total = sum(row["parameters"] for row in rows)
    assert total == sum(parameter.numel() for parameter in theirs.parameters())
    assert total == 243_606_883 + 2 * (32 + 128 + 512 + 2048)
