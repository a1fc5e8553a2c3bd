"""What a denoiser costs: its training, and for one image arithmetic and time on one core."""

import functools
import timeit
from collections.abc import Callable

import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from fer_lib import config
from fer_lib.methods import lessons, plans, table
from fer_lib.methods.table import Reference
from fer_lib.noise import PROTOCOLS
from fer_lib.study import Study
from fer_lib.tools import device

NATIVE = PROTOCOLS["camera noise"]


def flops(denoise: Callable[[torch.Tensor], torch.Tensor], noisy: torch.Tensor) -> int:
    """Floating-point operations of matrix products and convolutions for one image (1, 1, H, W): 2
    for a multiplication with an addition; without what runs outside torch, or only adds."""
    with FlopCounterMode(display=False) as counter:
        denoise(noisy)
    return counter.get_total_flops()


def milliseconds(denoise: Callable[[torch.Tensor], torch.Tensor], noisy: torch.Tensor) -> float:
    """Time for one image (1, 1, H, W) on one core: the least of five runs after a first one."""
    with device.threads(1):
        denoise(noisy)
        return 1000 * min(timeit.repeat(lambda: denoise(noisy), number=1, repeat=5))


def costs(references: dict[str, Reference], noisy: torch.Tensor, level: float) -> pd.DataFrame:
    """What each method needs for one noisy image (1, 1, H, W) of a level: method, label, learns,
    told, parameters, flops (empty where nothing is counted) and milliseconds on one core."""
    rows = []
    for name, reference in references.items():
        denoise = functools.partial(reference.method, protocol=NATIVE, level=level)
        about = (reference.label, reference.learns, reference.told, reference.parameters)
        counted = flops(denoise, noisy) or None
        rows.append((name, *about, counted, milliseconds(denoise, noisy)))
    columns = ["method", "label", "learns", "told", "parameters", "flops", "milliseconds"]
    return pd.DataFrame(rows, columns=columns)


def budgets(study: Study) -> pd.DataFrame:
    """What the paper's training and those with noise took, one row a network: its label, how many
    trainings, and of the first the images seen, how many of them different, the arithmetic of their
    forward passes (see `flops`), minutes where it was trained, the last epoch's loss, and by which
    share that fell in the last fifth of the epochs since the learning rate last rose."""
    settings, plan, rows = study.settings, plans.PLANS[study.settings.profile], []
    part = settings.part(study.faces.checksum, "sample", version=0)
    asked = {"cae": (settings.seeds, config.reconstruction(settings, part, "cae", settings.seed))}
    for name, schedule in plan.named.items():
        asked[name] = plan.trainings, plans.recipe(schedule, settings, study.faces.checksum)
    for name, (trainings, recipe) in asked.items():
        stages = [lessons.train(study, stage) for stage in recipe.stages]
        reference = table.network(name, stages[-1].model)
        faces = study.images(recipe.part)
        seen, image = lessons.images_seen(recipe, len(faces)), torch.zeros(1, 1, *faces.shape[1:])
        work = seen * flops(functools.partial(reference.method, protocol=NATIVE, level=0), image)
        seconds = sum(epoch["seconds"] for stage in stages for epoch in stage.history)
        losses = [epoch["train_loss"] for epoch in stages[-1].history]
        fell = 1 - losses[-1] / losses[len(losses) * 4 // 5 - 1]
        learning = (seen, len(faces), work / 1e12, seconds / 60, losses[-1], fell)
        rows.append((reference.label, trainings, *learning))
    columns = ["network", "trainings", "images seen", "different faces", "trillion operations"]
    return pd.DataFrame(rows, columns=[*columns, "minutes", "last loss", "fell"])
