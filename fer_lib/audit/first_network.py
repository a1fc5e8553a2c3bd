"""Figure 5: does the authors' first network learn, and what made the later one do so?

Losses and gradients are in tables of `records`.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fer_lib import stats
from fer_lib.audit import plan, procedure
from fer_lib.audit.ablation import VANISHED, input_share
from fer_lib.config import NETWORKS
from fer_lib.study import Study

LEARNS, MIXED, NOT = "learns", "learns in some trainings", "does not learn"


def limits(study: Study) -> dict[str, dict[str, float]]:
    """What a loss can be compared with, by output layer: `constant`, of the best image that ignores
    the input, and `floor`, the least that values of the layer's range reach, on the training faces.
    """
    x = procedure.clean_images(study.paper("train")[0])
    found = {}
    for output, lowest in (("sigmoid", 0.0), ("tanh", -1.0)):
        best = x.mean(dim=0).clamp(min=lowest)
        floor = (x.clamp(min=lowest) - x).square().mean().item()
        found[output] = {"constant": (x - best).square().mean().item(), "floor": floor}
    return found


def records(trained: Sequence[tuple], name: str = "history") -> pd.DataFrame:
    """One table of a record ("history" or "gradients") of (recipe, `Trained`) pairs, with the
    label, network, width and seed of each; the first has the learning rate of most."""
    usual = trained[0][0].training.learning_rate
    return pd.concat(
        pd.DataFrame(getattr(run, name)).assign(
            label=plan.label(recipe, seed=False, usual=usual),
            network=recipe.network,
            width=recipe.model.width,
            seed=recipe.seed,
        )
        for recipe, run in trained
    )


def summarise(history: pd.DataFrame, limits: dict, epoch: int | None = None) -> pd.DataFrame:
    """One row a network and width: what its blocks have, its loss after `epoch` (its last one
    without) and whether it learns: every training is below the loss of the best constant image.

    loss, lo, hi: mean over `trainings` with Student's 95% interval. learnt: how far the loss is on
    the way from the constant image to the floor.
    """
    rows = []
    for (label, network), runs in history.groupby(["label", "network"], sort=False):
        at = runs["epoch"].max() if epoch is None else epoch
        final = runs.loc[runs["epoch"] == at, "train_loss"].to_numpy()
        if not len(final):
            continue
        model, mean = NETWORKS[network], stats.mean(final)
        bounds = limits[model.output]
        rows.append(
            {
                "label": label,
                "network": network,
                "output": model.output,
                "additions": model.blocks and model.residual,
                "batch norms": model.blocks and model.norms,
                "trainings": len(final),
                "epoch": at,
                "loss": mean.mean,
                "lo": mean.lo,
                "hi": mean.hi,
                **bounds,
                "learnt": (bounds["constant"] - mean.mean) / (bounds["constant"] - bounds["floor"]),
                "verdict": verdict(final, bounds["constant"]),
            }
        )
    return pd.DataFrame(rows)


def verdict(final: np.ndarray, constant: float) -> str:
    """Whether trainings that end with the losses `final` have learnt more than a constant image."""
    below = final < constant * (1 - stats.ROUNDING)
    return LEARNS if below.all() else MIXED if below.any() else NOT


def reproduced(first: str, block: str) -> str:
    """The verdict on figure 5, of the two networks' verdicts."""
    same = first == NOT and block == LEARNS
    return "figure 5 is reproduced" if same else "figure 5 is not reproduced"


def cause(cells: pd.DataFrame) -> str:
    """What of a residual block makes a sigmoid network learn, by `summarise` of its cells: the part
    without which it does not learn while it does without the other."""
    sigmoid = cells[cells["output"] == "sigmoid"].set_index("network")["verdict"]
    alone = {"its batch norms": "as-run-no-norms", "its additions": "as-run-plain"}
    stuck = [part for part, network in alone.items() if sigmoid.get(network) == NOT]
    if set(alone.values()) - set(sigmoid.index):
        return "not asked in this run"
    return {0: "neither part alone", 1: "".join(stuck), 2: "both parts together"}[len(stuck)]


def answer(table: pd.DataFrame, cells: pd.DataFrame, gradients: pd.DataFrame) -> str:
    """What figure 5 comes to, as Markdown: of `summarise` of both networks (the main pair first),
    of the cells, and of the main pair's gradients."""
    found = table.groupby("network")["verdict"].first()
    share = input_share(gradients.rename(columns={"network": "model"}))
    others = table[(table["network"] == "early")].iloc[1:]
    more = "".join(f"; {row.label}, it {row.verdict}" for row in others.itertuples())
    return (
        f"**{reproduced(found['early'], found['as-run']).capitalize()}**: the authors' first"
        f" network {found['early']}, the one with residual blocks {found['as-run']}{more}. What of"
        f" a block makes it learn: **{cause(cells)}**. In the first epoch the first network's"
        " gradient at the input, relative to that at the output, is"
        f" {share['as-run'] / share['early']:.2g} times smaller (threshold {VANISHED})."
    )
