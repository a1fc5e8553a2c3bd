"""Methods x protocols x levels -> one long table of per-image scores, and its summary."""

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
import torch

from fer_lib import metrics, pipeline, stats
from fer_lib.methods import clipping
from fer_lib.noise import PROTOCOLS, Protocol
from fer_lib.other_noise import NOISES
from fer_lib.tools.progress import Progress

#: A method: noisy images of a protocol, and the noise level if it is to know -> images to score.
#: It gets all images at once, and bounds its own memory.
Method = Callable[[torch.Tensor, Protocol, float], torch.Tensor]
BATCH = 50
FEW = 10  # images below which a bootstrap interval means nothing


def untouched(noisy: torch.Tensor, protocol: Protocol, level: float) -> torch.Tensor:
    """The method that does nothing."""
    return noisy


def network(model: torch.nn.Module) -> Method:
    """A trained network in eval mode as a method; it is not told the level."""

    @torch.inference_mode()
    def restore(noisy: torch.Tensor, protocol: Protocol) -> torch.Tensor:
        where = next(model.parameters()).device
        x = protocol.to_model(noisy).to(where).contiguous(memory_format=torch.channels_last)
        return protocol.from_model(model(x).float().cpu())

    def method(noisy: torch.Tensor, protocol: Protocol, level: float) -> torch.Tensor:
        return torch.cat([restore(part, protocol) for part in noisy.split(BATCH)])

    return method


def score(
    faces: np.ndarray,
    ids: np.ndarray,
    methods: dict[tuple[str, int], Method],
    levels: tuple[float, ...],
    noise_seed: int,
    protocols: Sequence[str] = tuple(PROTOCOLS),
    noise: str = "gaussian",
    corrected: Sequence[bool] = (False,),
) -> pd.DataFrame:
    """Score `methods`, named (method, seed), on `faces` uint8 (N, 48, 48) under every protocol.

    noise: a name of `other_noise.NOISES`, which says what `levels` mean. corrected:
    versions of each output, as it is and with the correction for clipping, which is told the level.
    Returns one row per protocol, method, seed, level, version and image: `ssim`; `mse` on the
    [0, 1] scale; `psnr` in dB; and `brightness`, the mean of output minus reference on that scale.
    """
    clean = pipeline.to_unit(torch.tensor(faces))
    tables = []
    with Progress("scoring", len(protocols) * len(levels) * len(methods)) as bar:
        for name, level in itertools.product(protocols, levels):
            protocol = PROTOCOLS[name]
            noisy = corrupt(protocol, clean, level, ids, seed=noise_seed, noise=noise)
            case = protocol, level
            for (method, seed), denoise in methods.items():
                named = {"protocol": name, "method": method, "seed": seed, "noise": noise}
                for version, rows in _score_one(denoise, noisy, clean, case, corrected):
                    named |= {"level": level, "corrected": version, "id": ids}
                    tables.append(pd.DataFrame({**named, **rows}))
                bar.advance(f"{name}, factor {level:g}, {method}")
    return pd.concat(tables, ignore_index=True)


def corrupt(
    protocol: Protocol, clean: torch.Tensor, level: float, ids, *, seed: int, noise: str
) -> torch.Tensor:
    """The noisy images of a protocol for clean (N, 1, 48, 48), clamped to [0, 1]."""
    return NOISES[noise][0](protocol.reference(clean), level, ids, seed).clamp(0, 1)


def _score_one(denoise: Method, noisy, clean, case: tuple, corrected) -> Iterator:
    """(version, scores) of one method on all images, scored in parts that bound the memory."""
    protocol, level = case
    output = denoise(noisy, protocol, level)
    for version in corrected:
        images = clipping.correct(output, level) if version else output
        pairs = zip(images.split(BATCH), clean.split(BATCH), strict=True)
        parts = [_scores(x, protocol.reference(y), protocol) for x, y in pairs]
        yield version, {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _scores(output: torch.Tensor, reference: torch.Tensor, protocol: Protocol) -> dict:
    span = protocol.data_range
    mse = metrics.mse(output, reference) / span**2
    return {
        "ssim": metrics.ssim(output, reference, span),
        "mse": mse,
        "psnr": metrics.psnr(mse, 1.0),
        "brightness": (output - reference).double().mean(dim=(1, 2, 3)) / span,
    }


ROW = ["protocol", "method", "seed", "noise", "level"]
POOLED = [column for column in ROW if column != "seed"]


def summarise(scores: pd.DataFrame, resamples: int) -> pd.DataFrame:
    """`noise_evaluation.csv`: one row per protocol, method, seed, noise and level.

    Means over the `n` images with 95% bootstrap intervals; `psnr` is the mean of each image's PSNR.
    What was scored with the correction for clipping stands in columns of its own, named
    METRIC_corrected.
    """
    return _versions(scores, ROW, resamples)


def pool(scores: pd.DataFrame, resamples: int) -> pd.DataFrame:
    """The same over all seeds, with intervals over trainings and images; `n` counts both."""
    return _versions(scores, POOLED, resamples)


def _versions(scores: pd.DataFrame, row: list[str], resamples: int) -> pd.DataFrame:
    """The summary of the outputs as they are, and beside it that of the corrected ones, if any."""
    versions = dict(tuple(scores.groupby("corrected", sort=False)))
    plain = _means(versions[False], row, resamples)
    if True not in versions:
        return plain
    corrected = _means(versions[True], row, resamples).drop(columns="n").set_index(row)
    return plain.join(corrected.rename(columns=_corrected), on=row)


def _corrected(column: str) -> str:
    """ssim_lo -> ssim_corrected_lo."""
    metric, *end = column.split("_")
    return "_".join([metric, "corrected", *end])


def _means(scores: pd.DataFrame, row: list[str], resamples: int) -> pd.DataFrame:
    rows = []
    for key, group in scores.groupby(row, sort=False):
        ssim, mse = (stats.mean(matrix(group, name), resamples) for name in ("ssim", "mse"))
        rows.append([*key, len(group), *ssim.values, *mse.values, group["psnr"].mean()])
    columns = ["n", "ssim", "ssim_lo", "ssim_hi", "mse", "mse_lo", "mse_hi", "psnr"]
    return pd.DataFrame(rows, columns=[*row, *columns])


def matrix(scores: pd.DataFrame, metric: str, **where) -> np.ndarray:
    """The scores of one method, protocol and level as (seeds, images), images in order of id."""
    for column, value in where.items():
        scores = scores[scores[column] == value]
    return scores.pivot(index="seed", columns="id", values=metric).to_numpy()


def text(pooled: pd.DataFrame, metric: str, digits: int) -> pd.DataFrame:
    """`pooled` with `metric` as text, short enough for a table: 0.302 [.291, .314]."""
    numbers = pooled[[metric, f"{metric}_lo", f"{metric}_hi"]].to_numpy()
    texts = [f"{m:.{digits}f} [{lo:.{digits}f}, {hi:.{digits}f}]" for m, lo, hi in numbers]
    texts = [text.replace("[0.", "[.").replace(", 0.", ", .") for text in texts]
    return pooled[["protocol", "method", "level"]].assign(**{metric: texts})


def wide(table: pd.DataFrame, value: str) -> pd.DataFrame:
    """One row per protocol and method, in their order of appearance, one column per level."""
    return table.set_index(["protocol", "method", "level"])[value].unstack("level", sort=False)


def verdicts(scores: pd.DataFrame, method: str, resamples: int) -> pd.DataFrame:
    """The answers to RQ1 (per level) and RQ2 (per pair of neighbouring levels) for `method`.

    One row per question, protocol and comparison: the paired difference in SSIM, its interval,
    and the verdict by the criteria of chapter 4.
    """
    rows = []
    for protocol, group in scores.groupby("protocol", sort=False):
        levels = sorted(group["level"].unique())
        ours = {level: matrix(group, "ssim", method=method, level=level) for level in levels}
        for level in levels:
            theirs = matrix(group, "ssim", method="noisy", level=level)
            gain = stats.difference(ours[level], theirs, resamples)
            found = stats.verdict(gain, "effective", "harmful")
            rows.append(("RQ1", protocol, f"{level:g}", gain.mean, gain.lo, gain.hi, found))
        for low, high in itertools.pairwise(levels):
            change = stats.difference(ours[high], ours[low], resamples)
            found = stats.verdict(change, "better", "worse")
            step = f"{low:g} to {high:g}"
            rows.append(("RQ2", protocol, step, change.mean, change.lo, change.hi, found))
    columns = ["question", "protocol", "at", "difference", "lo", "hi", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def gain_by_group(
    scores: pd.DataFrame, groups: pd.Series, protocol: str, resamples: int
) -> pd.DataFrame:
    """The autoencoder's gain in SSIM over the noisy input for each group of images.

    groups: a name for each image id, "" for none. Returns emotion, level, n and the gain with its
    interval, levels above 0 only; no interval for groups of less than FEW images, and no rows if
    there are no groups.
    """
    columns = ["emotion", "level", "n", "gain", "gain_lo", "gain_hi"]
    rows = []
    scores = scores[(scores["protocol"] == protocol) & (scores["level"] > 0)]
    scores = scores.assign(group=scores["id"].map(groups))
    for (level, name), group in scores[scores["group"] != ""].groupby(["level", "group"]):
        ours, theirs = (matrix(group, "ssim", method=method) for method in ("cae", "noisy"))
        gain = stats.difference(ours, theirs, resamples)
        ends = (gain.lo, gain.hi) if ours.shape[1] >= FEW else (np.nan, np.nan)
        rows.append((name, level, ours.shape[1], gain.mean, *ends))
    return pd.DataFrame(rows, columns=columns)
