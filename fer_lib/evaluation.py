"""Methods x protocols x levels -> one long table of per-image scores, and its summary."""

import itertools
import re
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch
from scipy import ndimage

from fer_lib import metrics, pipeline, stats
from fer_lib.noise import BATCH, PROTOCOLS, Protocol
from fer_lib.tools.progress import Progress

#: A method: (noisy images, protocol, noise level) -> images to score; blind ones ignore the level.
#: It gets all images at once, and must limit its memory use itself.
Method = Callable[[torch.Tensor, Protocol, float], torch.Tensor]
#: Postprocessing of a method's output: (images, level) -> images.
Correction = Callable[[torch.Tensor, float], torch.Tensor]
FEW = 10  # with fewer images an interval means nothing
SIGMAS = (0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)  # of the blurs, in pixels


def nothing(noisy: torch.Tensor, protocol: Protocol, level: float) -> torch.Tensor:
    """The baseline that does nothing: its output is the noisy input."""
    return noisy


def blur(sigmas: dict[str, float]) -> Method:
    """The same Gaussian blur at all levels; sigmas: standard deviation in pixels, by protocol."""
    by_protocol = {PROTOCOLS[name]: sigma for name, sigma in sigmas.items()}

    def method(noisy: torch.Tensor, protocol: Protocol, level: float) -> torch.Tensor:
        widths = (0, 0, by_protocol[protocol], by_protocol[protocol])
        return torch.from_numpy(ndimage.gaussian_filter(noisy.numpy(), widths, mode="nearest"))

    return method


def choose_blur(faces: np.ndarray, ids: np.ndarray, *, levels, seed: int) -> dict[str, float]:
    """For each protocol the sigma of SIGMAS with the best mean SSIM over all levels above 0. faces:
    uint8 (N, 48, 48), none of them test faces; 64 are enough. seed: of the noise."""
    clean, means = pipeline.to_unit(torch.tensor(faces)), {}
    for name, protocol in PROTOCOLS.items():
        noisy = torch.cat([protocol.corrupt(clean, x, ids, seed) for x in levels if x > 0])
        reference = protocol.reference(clean).repeat(len(noisy) // len(clean), 1, 1, 1)
        for sigma in SIGMAS:
            blurred = blur({name: sigma})(noisy, protocol, 0)
            means[name, sigma] = metrics.ssim(blurred, reference, protocol.data_range).mean().item()
    return pd.Series(means).unstack(sort=False).idxmax(axis="columns").to_dict()


def network(model: torch.nn.Module) -> Method:
    """A trained network in eval mode as a blind method: it is not told the level."""
    return lambda noisy, protocol, level: protocol.restore(model, noisy)


def score(
    faces: np.ndarray,
    ids: np.ndarray,
    *,
    methods: dict[tuple[str, int], Method],
    levels: Sequence[float],
    seed: int,
    protocols: Sequence[str] = tuple(PROTOCOLS),
    noise: str = "gaussian",
    corrections: Sequence[Correction | None] = (None,),
) -> pd.DataFrame:
    """Score `methods`, keyed by (method, seed), on `faces` uint8 (N, 48, 48), in every protocol.

    seed: of the noise. noise: a key of `NOISES`, which says what `levels` mean. corrections: every
    output is scored with each of them; None leaves the output unchanged.
    Returns one row per protocol, method, seed, level, correction (column `corrected`: True if
    there is one) and image: `ssim`; `mse` and `brightness` (mean of output minus reference), both
    on the [0, 1] scale; `psnr` in dB; `gmsd`."""
    clean = pipeline.to_unit(torch.tensor(faces))
    tables = []
    with Progress("scoring", len(protocols) * len(levels) * len(methods)) as bar:
        for name, level in itertools.product(protocols, levels):
            protocol = PROTOCOLS[name]
            noisy = protocol.corrupt(clean, level, ids, seed, noise=noise)
            for (method, training), denoise in methods.items():
                output = denoise(noisy, protocol, level)
                for correct in corrections:
                    row = {"protocol": name, "method": method, "seed": training, "noise": noise}
                    row |= {"level": level, "corrected": correct is not None, "id": ids}
                    images = output if correct is None else correct(output, level)
                    tables.append(pd.DataFrame(row | measure(images, clean, protocol)))
                bar.advance(f"{name}, factor {level:g}, {method}")
    return pd.concat(tables, ignore_index=True)


def measure(output: torch.Tensor, clean: torch.Tensor, protocol: Protocol) -> dict:
    """All scores of each image, as `score` has them, computed in batches to limit the memory."""
    span, parts = protocol.data_range, []
    for images, part in zip(output.split(BATCH), clean.split(BATCH), strict=True):
        reference = protocol.reference(part)
        mse = metrics.mse(images, reference) / span**2
        scores = {"ssim": metrics.ssim(images, reference, span), "mse": mse}
        brightness = (images - reference).double().mean(dim=(1, 2, 3)) / span
        scores |= {"psnr": metrics.psnr(mse, 1.0), "brightness": brightness}
        parts.append(scores | {"gmsd": metrics.gmsd(images, reference, span)})
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def scored(label: str, images: torch.Tensor, clean: torch.Tensor, protocol: Protocol) -> tuple:
    """A row of `figures.faces`: label, pixels in [0, 1], and the SSIM of each with `clean`."""
    scores = metrics.ssim(images, protocol.reference(clean), protocol.data_range)
    pixels = images.clamp(0, 1).permute(0, 2, 3, 1).squeeze(-1).numpy()
    return label, pixels, [f"{score:.2f}" for score in scores.tolist()]


#: What every output is scored with, and the sign of an improvement.
MEASURES = {"ssim": 1, "mse": -1, "psnr": 1, "gmsd": -1}
ROW = ["protocol", "method", "seed", "noise", "level"]
POOLED = [column for column in ROW if column != "seed"]


def summarise(scores: pd.DataFrame, row: Sequence[str] = ROW) -> pd.DataFrame:
    """`noise_evaluation.csv`: one row per protocol, method, seed, noise and level. MEASURES' means
    over the `n` images with 95% intervals; `psnr` is the mean of each image's PSNR. Scores with a
    correction are in further columns, named METRIC_corrected."""
    versions = dict(tuple(scores.groupby("corrected", sort=False)))
    plain = _means(versions[False], row)
    if True not in versions:
        return plain
    corrected = _means(versions[True], row).drop(columns="n").set_index(row)
    names = {name: re.sub(r"^(\w+?)(?=_|$)", r"\1_corrected", name) for name in corrected}
    return plain.join(corrected.rename(columns=names), on=row)


def pool(scores: pd.DataFrame) -> pd.DataFrame:
    """`summarise` over all seeds, intervals over trainings and images; `n`: seeds times images."""
    return summarise(scores, POOLED)


def _means(scores: pd.DataFrame, row: Sequence[str]) -> pd.DataFrame:
    rows = []
    for key, group in scores.groupby(row, sort=False):
        means = (stats.mean(stats.matrix(group, name)).values for name in MEASURES)
        rows.append([*key, len(group), *itertools.chain(*means)])
    columns = [f"{name}{end}" for name in MEASURES for end in ("", "_lo", "_hi")]
    return pd.DataFrame(rows, columns=[*row, "n", *columns])


def by_image(scores: pd.DataFrame) -> pd.DataFrame:
    """SSIM and MSE of each output without correction: one row per image, one column per "METRIC,
    PROTOCOL, METHOD, SEED, LEVEL". Other statistics can be computed from it without a network."""
    columns = ["protocol", "method", "seed", "level"]
    plain = scores[~scores["corrected"]].pivot(index="id", columns=columns, values=["ssim", "mse"])
    names = [", ".join(map(str, name)) for name in plain.columns]
    return plain.set_axis(names, axis="columns").reset_index()


def by_level(pooled: pd.DataFrame, metric: str) -> pd.DataFrame:
    """`metric`: one row per protocol and method, in order of appearance, one column per level."""
    return pooled.set_index(["protocol", "method", "level"])[metric].unstack("level", sort=False)


def with_intervals(pooled: pd.DataFrame, metric: str, digits: int) -> pd.DataFrame:
    """`by_level` with intervals, as text that is short enough for a table: 0.302 [.291, .314]."""
    numbers = pooled[[metric, f"{metric}_lo", f"{metric}_hi"]].to_numpy()
    texts = [f"{m:.{digits}f} [{lo:.{digits}f}, {hi:.{digits}f}]" for m, lo, hi in numbers]
    texts = [text.replace("[0.", "[.").replace(", 0.", ", .") for text in texts]
    return by_level(pooled.assign(**{metric: texts}), metric)


def beside_ssim(pooled: pd.DataFrame) -> pd.DataFrame:
    """PSNR in dB, then GMSD at the levels with noise, of `pool`: `with_intervals` of both."""
    noisy, digits = pooled[pooled["level"] > 0], {"PSNR": 1, "GMSD": 3}
    return pd.concat({name: with_intervals(noisy, name.lower(), n) for name, n in digits.items()})


def gain_by_group(
    scores: pd.DataFrame, groups: pd.Series, *, protocol: str, method: str = "cae"
) -> pd.DataFrame:
    """The gain in SSIM of a method over the noisy input for each group of images. groups: the name
    for each image id, "" for none. Returns emotion (the group), level, n and the gain with its
    interval, nan in a group of fewer than FEW images, for levels above 0."""
    rows, scores = [], scores.assign(group=scores["id"].map(groups))
    scores = scores[(scores["protocol"] == protocol) & (scores["level"] > 0)]
    for (level, name), group in scores[scores["group"] != ""].groupby(["level", "group"]):
        ours, theirs = (stats.matrix(group, "ssim", method=other) for other in (method, "noisy"))
        gain = stats.difference(ours, theirs)
        ends = (gain.lo, gain.hi) if ours.shape[1] >= FEW else (np.nan, np.nan)
        rows.append((name, level, ours.shape[1], gain.mean, *ends))
    numbers = ["level", "gain", "gain_lo", "gain_hi"]  # also where there is no group
    columns = ["emotion", "level", "n", *numbers[1:]]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(numbers, float))
