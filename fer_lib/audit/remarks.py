"""The paper's remarks on its pictures, and which follow from the code: in our network's images and,
where possible, in the same way in the paper's own figures. "Shown" means as matplotlib shows a
float image: values are clipped to [0, 1]."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from fer_lib import metrics, stats
from fer_lib.audit import procedure
from fer_lib.audit.procedure import Procedure

FOLLOWS, PARTLY, NOT = "follows", "follows in part", "does not follow"
BLACK = 8 / 255  # darker pixels look black to a reader
ALIKE = 0.9  # from this SSIM on, two shown images look nearly the same
COARSER = 1.5  # what is left of noise looks like dots above this multiple of its spacing
OURS, THEIRS = "our network", "the paper's figures"


def looks(model, faces: np.ndarray, ids, *, levels: Sequence[float], seed: int) -> pd.DataFrame:
    """How images look as shown, one row per level and face; faces: uint8 (N, 48, 48). Columns:
    level, id, those of `look`, and one value per level for `spacing`, of what the noise changes in
    the outputs, and `noise_spacing`, of the noise itself. The first level must be 0."""
    clean, tables, first = procedure.clean_images(faces), [], None
    for level in levels:
        noisy = procedure.noisy_images(clean, Procedure(), level, ids, seed)
        output = procedure.AS_THEY_ARE.restore(model, noisy).clamp(0, 1)
        raw = clean.clamp(0, 1)
        first = output if first is None else first
        row = {"level": level, "id": ids, **look(raw, noisy, output)}
        row |= {"spacing": spacing(output - first), "noise_spacing": spacing(noisy - raw)}
        tables.append(pd.DataFrame(row))
    return pd.concat(tables, ignore_index=True)


def look(raw: torch.Tensor, noisy: torch.Tensor, output: torch.Tensor) -> dict[str, torch.Tensor]:
    """For each of the images (N, 3, H, W) in [0, 1]: mean brightness `raw`, `noisy`, `output`;
    fractions of black pixels `raw_black`, `output_black`; `shown`, the SSIM of output and raw."""
    pixels = {"raw": raw, "noisy": noisy, "output": output}
    pixels |= {"raw_black": raw < BLACK, "output_black": output < BLACK}
    means = {name: values.double().mean(dim=(1, 2, 3)) for name, values in pixels.items()}
    return means | {"shown": metrics.ssim(output, raw, 1.0, window="gaussian")}


def spacing(errors: torch.Tensor) -> float:
    """Pixels from spot to spot in errors (N, C, H, W): 1 / mean frequency, weighted by power, over
    the frequencies below 0.5 cycles per pixel. 0 if there are no errors."""
    centred = errors.double() - errors.double().mean(dim=(2, 3), keepdim=True)
    power = torch.fft.fft2(centred).abs().square().mean(dim=(0, 1)).numpy()
    frequency = np.hypot.outer(*map(np.fft.fftfreq, errors.shape[-2:]))
    power = np.where(frequency < 0.5, power, 0)
    return float(power.sum() / (power * frequency).sum()) if power.any() else 0.0


def verdicts(
    table: pd.DataFrame, figures: pd.DataFrame, mixed: pd.DataFrame, matched: pd.DataFrame
) -> pd.DataFrame:
    """One row per remark and source: claim (docs/claims.md), remark, verdict, evidence, source.
    table: of `looks`. figures: docs/paper_figures.csv. mixed, matched: `procedure.score` of one
    network, with images compared in mixed ranges and in the same range."""
    both = ((table, OURS), (figures, THEIRS))
    rows = [(*f(t), source) for f in (_brighter, _untouched, _revealed) for t, source in both]
    rows += [(*_spots(table), OURS), (*_negative(mixed, matched), OURS)]
    return pd.DataFrame(rows, columns=["claim", "remark", "verdict", "evidence", "source"])


def _brighter(table: pd.DataFrame) -> tuple:
    evidence, holds = [], []
    for against in ("raw", "noisy"):
        evidence.append(f"than the {against} image:")
        for level, rows in table[table["level"] > 0].groupby("level"):
            gap = stats.difference(rows["output"].to_numpy(), rows[against].to_numpy())
            word = stats.verdict(gap, "brighter", "darker")
            evidence.append(f"{word} at {level:g};")
            holds.append(word == "brighter")
    verdict = FOLLOWS if all(holds) else PARTLY if any(holds) else NOT
    return 21, "outputs seem brighter than the input", verdict, " ".join(evidence).rstrip(";")


def _untouched(table: pd.DataFrame) -> tuple:
    (_, first), (level, low) = list(table.groupby("level")["shown"].mean().items())[:2]
    evidence = f"SSIM of output and raw image, as shown: {low:.2f}, without noise {first:.2f}"
    remark = f"little to no signs of image processing at {level:g}"
    return 15, remark, FOLLOWS if low >= ALIKE else NOT, evidence


def _revealed(table: pd.DataFrame) -> tuple:
    level, rows = list(table.groupby("level"))[1]
    raw, output = rows["raw_black"].to_numpy(), rows["output_black"].to_numpy()
    evidence = f"shown black: {raw.mean():.0%} of the raw image, {output.mean():.0%} of the output"
    remark = f"features hidden by low illumination are revealed at {level:g}"
    return 16, remark, stats.verdict(stats.difference(raw, output), FOLLOWS, NOT), evidence


def _spots(table: pd.DataFrame) -> tuple:
    means = table.groupby("level")[["spacing", "noise_spacing"]].mean().iloc[-1]
    evidence = "pixels from spot to spot: {:.1f} in what the noise changes, {:.1f} in it"
    verdict = FOLLOWS if means["spacing"] > COARSER * means["noise_spacing"] else NOT
    return 12, f"polka dots at {means.name:g}", verdict, evidence.format(*means)


def _negative(mixed: pd.DataFrame, matched: pd.DataFrame) -> tuple:
    slip, none = ((scores["ssim"] < 0).mean() for scores in (mixed, matched))
    evidence = f"below 0: {slip:.1%} of values in mixed ranges, {none:.1%} in one range"
    return 22, "negative SSIM comes from brightness", FOLLOWS if slip > none else NOT, evidence
