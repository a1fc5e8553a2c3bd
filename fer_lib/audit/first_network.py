"""Figure 5: does the authors' first network learn, and what makes the later network learn?"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fer_lib import stats
from fer_lib.audit import plan, procedure
from fer_lib.audit.ablation import VANISHED
from fer_lib.config import NETWORKS
from fer_lib.study import Study

LEARNS, MIXED, NOT = "learns", "learns in some trainings", "does not learn"


def limits(study: Study) -> dict[str, dict[str, float]]:
    """Losses on the training faces to compare with, for each output layer: `constant`, of the best
    constant image, and `floor`, the lowest loss that the layer's range of values allows."""
    x = procedure.clean_images(study.paper("train")[0])
    found = {}
    for output, lowest in (("sigmoid", 0.0), ("tanh", -1.0)):
        best = x.mean(dim=0).clamp(min=lowest)
        floor = (x.clamp(min=lowest) - x).square().mean().item()
        found[output] = {"constant": (x - best).square().mean().item(), "floor": floor}
    return found


def records(trained: Sequence[tuple], name: str = "history") -> pd.DataFrame:
    """One table of the "history" or "gradients" of (recipe, `Trained`) pairs, with label, network,
    width and seed. Labels name a learning rate only if it differs from that of the first pair."""
    usual, tables = trained[0][0].training.learning_rate, []
    for recipe, run in trained:
        named = {"label": plan.label(recipe, seed=False, usual=usual), "network": recipe.network}
        named |= {"width": recipe.model.width, "seed": recipe.seed}
        tables.append(pd.DataFrame(getattr(run, name)).assign(**named))
    return pd.concat(tables)


def summarise(history: pd.DataFrame, limits: dict, epoch: int | None = None) -> pd.DataFrame:
    """One row per label and network: the parts of its blocks, its loss after `epoch` (None: the
    last) and the verdict: "learns" if all its trainings are then below the best constant image.

    loss, lo, hi: mean over `trainings` with Student's 95% interval. starts: the epoch in which each
    training gets below the best constant image, "never" for one that does not.
    """
    rows = []
    for (label, network), runs in history.groupby(["label", "network"], sort=False):
        at = runs["epoch"].max() if epoch is None else epoch
        final = runs.loc[runs["epoch"] == at, "train_loss"].to_numpy()
        model, mean = NETWORKS[network], stats.mean(final)
        row = {"label": label, "network": network, "output": model.output}
        row["additions"] = model.blocks and model.residual
        row["batch norms"] = model.blocks and model.norms
        row |= {"trainings": len(final), "epoch": at}
        row |= {"loss": mean.mean, "lo": mean.lo, "hi": mean.hi} | limits[model.output]
        below = runs[runs["train_loss"] < row["constant"]].groupby("seed")["epoch"].min()
        starts = (str(below.get(seed, "never")) for seed in sorted(runs["seed"].unique()))
        row |= {"starts": ", ".join(starts), "verdict": verdict(final, row["constant"])}
        rows.append(row)
    return pd.DataFrame(rows)


def verdict(final: np.ndarray, constant: float) -> str:
    """LEARNS, MIXED or NOT, if all, some or none of the losses `final` are below `constant`."""
    below = final < constant * (1 - stats.ROUNDING)
    return LEARNS if below.all() else MIXED if below.any() else NOT


def reproduced(first: str, block: str) -> str:
    """The verdict on figure 5, from those on the first network and on the one with blocks."""
    words = {NOT: "is reproduced", MIXED: "is reproduced in some trainings"}
    return f"figure 5 {words.get(first if block == LEARNS else '', 'is not reproduced')}"


def cause(cells: pd.DataFrame) -> str:
    """Which parts of the residual blocks a sigmoid network needs to learn: those without which it
    does not. cells: `summarise` of the ablation."""
    sigmoid = cells[cells["output"] == "sigmoid"].set_index("network")["verdict"]
    parts = {"as-run-no-norms": "its batch norms", "as-run-plain": "its additions"}
    parts["as-run-bare"] = "its batch norms or its additions, either of them"
    if set(parts) - set(sigmoid.index):
        return "not asked in this run"
    stuck = [part for network, part in parts.items() if sigmoid[network] == NOT]
    alone = [part for part in stuck if part != parts["as-run-bare"]]
    return " and ".join(alone or stuck) or "neither its batch norms nor its additions"


def answer(table: pd.DataFrame, cells: pd.DataFrame) -> str:
    """The finding on figure 5, as Markdown. table: `summarise` of both networks, the main pair
    first, with the `input_share` of their gradients. cells: as in `cause`."""
    first, block = (rows.iloc[0] for rows in pair(table))
    fall = block["input_share"] / first["input_share"]
    vanish = "gradients vanish" if fall >= VANISHED else "gradients do not vanish"
    others = pair(table)[0].iloc[1:]
    more = "".join(f" ({row.label}: {row.verdict})" for row in others.itertuples())
    return (
        f"**{reproduced(first['verdict'], block['verdict']).capitalize()}**: the authors' first"
        f" network {first['verdict']}{more}, the one with residual blocks {block['verdict']}. They"
        f" get below the best constant image in epochs {first['starts']}, and {block['starts']}"
        f" (one number a training). **{vanish.capitalize()} in the first network**: in the"
        " first epoch, the gradient at the input relative to that at the output is"
        f" {fall:.2g} times smaller than with the blocks (threshold {VANISHED}). What of a block"
        f" makes the network learn within {cells['epoch'].iloc[0]} epochs: **{cause(cells)}**."
    )


def pair(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of the authors' first network, and of the one with residual blocks."""
    return table[table["network"] == "early"], table[table["network"] == "as-run"]
