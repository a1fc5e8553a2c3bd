"""Figure 5: which networks without residuals learn, and whose loss goes flat as printed?"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fer_lib import stats
from fer_lib.audit import plan, procedure
from fer_lib.audit.ablation import VANISHED, input_share
from fer_lib.config import NETWORKS
from fer_lib.study import Study
from fer_lib.verdicts import words

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


def summarise(history: pd.DataFrame, limits: dict, gradients: pd.DataFrame) -> pd.DataFrame:
    """One row per label: the parts of its blocks, its loss after the last `epoch`, and whether it
    learns: all its trainings are then below the best constant image.
    loss, lo, hi: mean over `trainings` with Student's 95% interval. starts: the epoch in which each
    training gets below the best constant image, or "never". flat: how many trainings are
    `like_figure_5`. input_share: see `input_share`. history, gradients: of `records`."""
    shares, rows = input_share(gradients.assign(model=gradients["label"])), []
    for (label, network), runs in history.groupby(["label", "network"], sort=False):
        curves = runs.pivot(index="epoch", columns="seed", values="train_loss")
        final, model = curves.iloc[-1].to_numpy(), NETWORKS[network]
        mean, bounds = stats.mean(final), limits[model.output]
        constant = bounds["constant"]
        below = curves[curves < constant]
        row = {"label": label, "network": network, "output": model.output}
        row["additions"] = model.blocks and model.residual
        row["batch norms"] = model.blocks and model.norms
        row |= {"trainings": len(final), "epoch": curves.index[-1]}
        row |= {"loss": mean.mean, "lo": mean.lo, "hi": mean.hi} | bounds
        starts = (below[seed].first_valid_index() or "never" for seed in below)
        row["starts"] = ", ".join(map(str, starts))
        row["flat"] = sum(like_figure_5(curves[seed].to_numpy(), constant) for seed in curves)
        row |= {"input_share": shares[label], "verdict": verdict(final, constant)}
        rows.append(row)
    return pd.DataFrame(rows)


def verdict(final: np.ndarray, constant: float) -> str:
    """LEARNS, MIXED or NOT, if all, some or none of the losses `final` are below `constant`."""
    below = final < constant * (1 - stats.ROUNDING)
    return LEARNS if below.all() else MIXED if below.any() else NOT


def like_figure_5(losses: np.ndarray, constant: float) -> bool:
    """Whether a training's loss drops and goes flat as in figure 5: from the fourth epoch on within
    5% of its end, which is no better than the best constant image."""
    flat = len(losses) > 4 and losses[3:].max() <= 1.05 * losses[-1]
    return bool(flat and losses[-1] >= constant)


def answer(table: pd.DataFrame) -> str:
    """The finding on figure 5, as Markdown. table: `summarise`, the network as run first."""
    sigmoid = table[table["output"] == "sigmoid"]
    without = sigmoid[~sigmoid["additions"]]
    others = table.iloc[1:].assign(fall=table["input_share"].iloc[0] / table["input_share"])
    facts = {"sigmoid": sigmoid, "without": without, "same": without[without["flat"] > 0]}
    facts |= {"others": others, "vanished": others[others["fall"] >= VANISHED]}
    return words("audit/first_network.j2", **facts, vanishes=VANISHED, learns=LEARNS)
