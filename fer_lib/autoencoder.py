"""The paper's convolutional autoencoder (paper, section "Model") and its layer table."""

import torch
from torch import nn

from fer_lib.config import ModelConfig

#: Channels at width 1 of the encoder's stages: block in, block out, strided convolution out.
ENCODER = ((3, 32, 64), (64, 128, 256), (256, 512, 1024), (1024, 2048, 4096))
#: (channels in, channels out, stride) of the decoder's six transposed convolutions.
DECODER = (
    *((4096, 2048, 2), (2048, 1024, 2), (1024, 512, 2)),
    *((512, 256, 2), (256, 64, 1), (64, 3, 1)),
)
#: The eight transposed convolutions of the authors' first network, in the same form.
EARLY_DECODER = (
    *((4096, 2048, 2), (2048, 1024, 1), (1024, 512, 2), (512, 256, 1)),
    *((256, 128, 2), (128, 64, 1), (64, 32, 2), (32, 3, 1)),
)
ACTIVATIONS = {"relu": nn.ReLU, "identity": nn.Identity, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norms and ReLUs, plus the projected input (He et al. 2016).
    The projection is a 1x1 convolution because the channel counts differ; `residual=False` leaves
    only the addition out. The projection's weights are drawn from a copy of the random state, so
    both variants start with equal weights in all layers that they share."""

    def __init__(self, inputs: int, outputs: int, config: ModelConfig):
        super().__init__()
        norm = nn.BatchNorm2d if config.norms else nn.Identity
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm1 = norm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.norm2 = norm(outputs)
        with torch.random.fork_rng(devices=[]):
            skip = nn.Conv2d(inputs, outputs, 1)
        if config.projection == "conv_norm":
            skip = nn.Sequential(skip, nn.BatchNorm2d(outputs))
        self.skip = skip if config.residual else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.relu(self.norm1(self.conv1(x)))
        h = self.norm2(self.conv2(h))
        return torch.relu(h if self.skip is None else h + self.skip(x))


class CAE(nn.Module):
    """Convolutional autoencoder: (N, 3, 96, 96) in [-1, 1] -> the same shape. The latent code has
    4096 x 6 x 6 values at width 1, 5.3 times as many as the input."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.encoder = nn.Sequential(*self._encoder())
        self.decoder = nn.Sequential(*self._decoder())

    def _encoder(self):
        for first, block, strided in ENCODER:
            ends = strided == ENCODER[-1][-1]
            first, block, strided = map(self._channels, (first, block, strided))
            if self.config.blocks:
                yield ResidualBlock(first, block, self.config)
            else:
                yield nn.Conv2d(first, block, 3, padding=1)
                yield nn.ReLU()
            yield nn.Conv2d(block, strided, 3, stride=2, padding=1)
            yield ACTIVATIONS[self.config.code if ends else "relu"]()

    def _decoder(self):
        for inputs, outputs, stride in DECODER if self.config.blocks else EARLY_DECODER:
            ends = outputs == 3
            inputs, outputs = self._channels(inputs), self._channels(outputs)
            yield nn.ConvTranspose2d(
                inputs, outputs, 3, stride=stride, padding=1, output_padding=stride - 1
            )
            yield ACTIVATIONS[self.config.output if ends else "relu"]()

    def _channels(self, count: int) -> int:
        """The channel count scaled by the width; the three channels of an image stay three."""
        return count if count == 3 else max(1, round(count * self.config.width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.encoder(x))


def build(config: ModelConfig, seed: int) -> CAE:
    """A new network; the same seed gives the same weights. Keeps the global random state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CAE(config)


def describe(config: ModelConfig, size: int = 96) -> list[dict]:
    """The layer table: one row per layer with weights, in order of execution. `output` is channels
    x height x width; `macs` are the multiply-accumulate operations (2 FLOPs each) of one image, 0
    for batch norms, which can be folded. Width 1 needs no memory either."""
    from torch.utils.flop_counter import FlopCounterMode  # it loads triton: half a second

    with torch.device("meta"):
        model = CAE(config).eval()
        image = torch.empty(1, 3, size, size)
    shapes, rows = {}, []
    for layer in model.modules():
        layer.register_forward_hook(lambda layer, _, output: shapes.update({layer: output.shape}))
    with FlopCounterMode(display=False) as counter:
        model(image)
    flops = counter.get_flop_counts()
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d):
            shape = "x".join(map(str, shapes[layer][1:]))
            row = {"layer": name, "type": type(layer).__name__, "output": shape}
            row["parameters"] = sum(p.numel() for p in layer.parameters())  # with biases
            row["macs"] = sum(flops.get(f"CAE.{name}", {}).values()) // 2
            rows.append(row)
    return rows
