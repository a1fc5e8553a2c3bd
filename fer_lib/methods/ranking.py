"""Who leads the references, by how much, and at what cost (chapter 6)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from fer_lib import evaluation, stats
from fer_lib.methods import cost
from fer_lib.methods.table import Reference
from fer_lib.noise import PROTOCOLS


def lead(
    scores: pd.DataFrame, leader: str, own: Sequence[str] = ()
) -> pd.DataFrame:
    """How far `leader` is ahead of every other method, at each level above 0.

    scores: as `evaluation.score` returns them. The leader counts as it is; of every other method
    the better version counts, which can only make the lead smaller. own: the leader under other
    names, which is no rival. Returns level, method, the paired difference in SSIM with its
    interval, and p after Holm's correction over all rows.
    """
    rows = []
    scores = scores[scores["level"] > 0]
    for level, group in scores.groupby("level"):
        ours = evaluation.matrix(group, "ssim", method=leader, corrected=False)
        for name, rival in group.groupby("method", sort=False):
            if name not in (leader, *own):
                theirs = _best(rival)
                gain = stats.difference(ours, theirs)
                rows.append((level, name, *gain.values, gain.p))
    columns = ["level", "method", "difference", "lo", "hi", "p_holm"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(p_holm=stats.holm(table["p_holm"].to_numpy()))


def _best(scores: pd.DataFrame) -> np.ndarray:
    """The SSIM (seeds, images) of the better version of one method at one level."""
    versions = [evaluation.matrix(group, "ssim") for _, group in scores.groupby("corrected")]
    return max(versions, key=np.mean)


def costs(references: dict[str, Reference], noisy: torch.Tensor, level: float) -> pd.DataFrame:
    """What each reference needs for one noisy image (1, 1, H, W) of a level.

    Returns method, label, learns, told, parameters, flops (empty where nothing is counted: see
    `cost.flops`) and milliseconds on one core.
    """
    native, rows = PROTOCOLS["camera noise"], []
    for name, reference in references.items():

        def denoise(image, method=reference.method):
            return method(image, native, level)

        flops, time = cost.flops(denoise, noisy), cost.milliseconds(denoise, noisy)
        about = (reference.label, reference.learns, reference.told, reference.parameters)
        rows.append((name, *about, flops or None, time))
    columns = ["method", "label", "learns", "told", "parameters", "flops", "milliseconds"]
    return pd.DataFrame(rows, columns=columns)
