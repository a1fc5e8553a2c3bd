"""The numbers that the paper prints, for comparison with ours."""

import numpy as np
import pandas as pd

from fer_lib import stats
from fer_lib.verdicts import words

LEVELS = (0.0, 0.15, 0.3, 0.5)
#: Table I: SSIM of ten random images per noise factor.
SSIM_SAMPLES = {
    0.0: (0.5491, 0.4162, 0.46466, 0.4817, 0.26833, 0.52598, 0.77343, 0.5701, 0.7800, 0.1680),
    0.15: (0.3346, 0.2391, 0.51529, 0.27837, 0.19295, 0.357389, 0.49135, -0.0621, 0.0912, 0.4597),
    0.3: (0.3686, 0.1387, 0.31888, -0.0264, 0.14627, 0.24110, -0.0226, 0.2027, 0.5211, 0.2586),
    0.5: (0.2056, 0.0824, -0.019, 0.248, 0.058, 0.0164, 0.047, -0.025, 0.083, 0.1141),
}
#: Table I: the means of these ten, as printed.
SSIM = {0.0: 0.49975, 0.15: 0.289785, 0.3: 0.2147, 0.5: 0.0811}
#: Table II as printed: test MSE per noise factor; the paper does not state the value range.
MSE_PRINTED = {0.0: "0.0063", 0.15: "0.010", 0.3: "0.0096", 0.5: "0.01"}
MSE = {level: float(text) for level, text in MSE_PRINTED.items()}
#: Figure 4: training loss of each epoch, read from the plot to three digits.
FIGURE_4 = (
    *(0.262, 0.190, 0.176, 0.169, 0.164, 0.160, 0.153, 0.151, 0.150, 0.149),
    *(0.148, 0.146, 0.145, 0.145, 0.145, 0.147, 0.145, 0.143, 0.143, 0.142),
    *(0.141, 0.141, 0.141, 0.141, 0.141, 0.140, 0.140, 0.142, 0.140, 0.142),
)
#: Figure 5, "no residual": training loss of each epoch. Which network drew it is not known.
FIGURE_5 = (0.47, 0.263, 0.261, *27 * (0.2605,))
#: Section "Model": each layer and its output shape, channels x height x width.
LAYERS = (
    *(("ResidualBlock(3, 32)", "32x96x96"), ("Conv2d(32, 64, 3, stride 2)", "64x48x48")),
    *(("ResidualBlock(64, 128)", "128x48x48"), ("Conv2d(128, 256, 3, stride 2)", "256x24x24")),
    *(("ResidualBlock(256, 512)", "512x24x24"), ("Conv2d(512, 1024, 3, stride 2)", "1024x12x12")),
    *(("ResidualBlock(1024, 2048)", "2048x12x12"), ("Conv2d(2048, 4096, 3, stride 2)", "4096x6x6")),
    ("ConvTranspose2d(4096, 2048), stride 2", "2048x12x12"),
    ("ConvTranspose2d(2048, 1024), stride 2", "1024x24x24"),
    ("ConvTranspose2d(1024, 512), stride 2", "512x48x48"),
    ("ConvTranspose2d(512, 256), stride 2", "256x96x96"),
    ("ConvTranspose2d(256, 64), stride 1", "64x96x96"),
    ("ConvTranspose2d(64, 3), stride 1", "3x96x96"),
)


def caveat(dataset: str) -> str:
    """The banner (Markdown) above results on other faces than the paper's; "" for FER+. dataset: a
    `Faces.name`. The link works from the pages of a report."""
    return words("caveat.j2", dataset=dataset)


def tables() -> pd.DataFrame:
    """Tables I and II: level, ssim with the 95% interval of a mean of ten (Student's t), mse."""
    means = {level: stats.mean(np.array(ten)) for level, ten in SSIM_SAMPLES.items()}
    rows = [(level, SSIM[level], mean.lo, mean.hi, MSE[level]) for level, mean in means.items()]
    return pd.DataFrame(rows, columns=["level", "ssim", "ssim_lo", "ssim_hi", "mse"])
