"""What the profile `full` costs on GPUs, on paper: `python docs/cluster.py` writes docs/cluster.md.

The arithmetic is counted from the networks and the plans; how fast a GPU does it is assumed, since
none was lent when this was written.
"""

import functools
import heapq
import sys
from pathlib import Path

import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fer_lib import autoencoder, config
from fer_lib.config import REPORTS, ROOT, ModelConfig, Recipe
from fer_lib.methods import cost, networks
from fer_lib.recognition.plan import RecogniserConfig
from fer_lib.recognition.recogniser import Recogniser
from fer_lib.run.chapters import WINGS
from fer_lib.tools import files

PAGE = ROOT / "docs" / "cluster.md"
START, END = "<!-- made by docs/cluster.py -->\n", "<!-- end -->\n"
SEEDS, GPUS = 5, 8
RATES = (50, 100, 200)  # TFLOP/s that a training sustains; an assumption
PRICE = 3  # dollars for an hour of one GPU; an assumption
TRAIN_SHARE = 4 / 5  # of all faces, in this profile


@functools.cache
def operations(model) -> int:
    """Floating-point operations of one image's forward pass, 2 for each multiply-accumulate."""
    if isinstance(model, ModelConfig):
        return 2 * sum(layer["macs"] for layer in autoencoder.describe(model))
    network = (
        Recogniser(model)
        if isinstance(model, RecogniserConfig)
        else networks.build(model.architecture, 0)
    ).eval()
    with torch.inference_mode():
        return cost.flops(network, torch.zeros(1, 1, 48, 48))


def work(recipe: Recipe, faces: int) -> float:
    """Operations of a training: a backward pass has two products for each of a forward pass."""
    learnt = recipe.part.count or round(faces * TRAIN_SHARE)
    images = min(recipe.training.epoch_images or learnt, learnt)
    return 3.0 * operations(recipe.model) * images * recipe.training.epochs


def wall(jobs: dict[str, float], before: dict[str, str | None], workers: int) -> float:
    """When the last job ends if free workers take the longest that may start, in units of `jobs`.
    before: what each job waits for."""
    ended, busy, now, left = {}, [], 0.0, dict(jobs)
    while left or busy:
        ready = [name for name in left if before[name] is None or before[name] in ended]
        while ready and len(busy) < workers:
            name = max(ready, key=left.get)
            ready.remove(name)
            heapq.heappush(busy, (now + left.pop(name), name))
        now, name = heapq.heappop(busy)
        ended[name] = now
    return now


def paragraph() -> str:
    """The estimate, in Markdown."""
    tables = REPORTS / "ferplus-cpu" / "tables"
    budgets, times = (pd.read_csv(tables / f"{n}.csv") for n in ("budgets", "history_times"))
    # Those who are not tested, and the 800 that are.
    faces = int(budgets["different faces"].max()) + 800
    settings = config.load("full", seeds=SEEDS)
    recipes = [
        r for wing in WINGS.values() for last in wing.recipes(settings, "") for r in last.stages
    ]
    trainings = {recipe.key: recipe for recipe in recipes}
    jobs = {key: work(recipe, faces) for key, recipe in trainings.items()}
    before = {key: recipe.start and recipe.start.key for key, recipe in trainings.items()}
    total = sum(jobs.values())
    paper = sum(work for key, work in jobs.items() if isinstance(trainings[key].model, ModelConfig))
    small = config.load("cpu")
    epoch = 3.0 * operations(small.model("cae")) * small.train_images
    measured = epoch / times.loc[times["model"] == "cae", "seconds"].median() / 1e12
    hours = {rate: total / rate / 1e12 / 3600 for rate in RATES}
    longest = wall(jobs, before, GPUS) / total  # the share of one GPU's time
    rows = [f"| {r} | {h:.0f} | {h * longest:.1f} | {h * PRICE:.0f} |" for r, h in hours.items()]
    lines = (
        f"`--profile full --seeds {SEEDS}` asks for {len(jobs)} trainings on",
        f"{round(faces * TRAIN_SHARE):,} faces: {total / 1e18:.1f} · 10^18 operations,",
        f"{paper / total:.1%} of them in the paper's network at width 1, of which one image takes",
        f"{operations(settings.model('cae')) / 1e9:.0f} · 10^9 forwards, counted from the layers.",
        "A training step is taken for three forward passes.\n\n"
        f"| TFLOP/s sustained | GPU hours | hours on {GPUS} GPUs | dollars |",
        "\n| --- | --- | --- | --- |\n",
        "\n".join(rows),
        "\n\nAssumed, not measured: the rate, since no GPU was lent when this was written (one",
        f"core of the report's CPU sustained {measured:.2f} TFLOP/s by `history_times.csv`);",
        f"{PRICE} dollars for an hour; one training on each GPU, the longest first; no queueing.",
        "The chapters, which score the networks, are not counted.\n",
    )
    return " ".join(lines).replace(" \n", "\n").replace("\n ", "\n")


def render(page: str) -> str:
    """`page` with the estimate between its marks."""
    start, end = page.index(START) + len(START), page.index(END)
    return page[:start] + paragraph() + page[end:]


if __name__ == "__main__":
    files.write_text(PAGE, render(PAGE.read_text(encoding="utf-8")))
