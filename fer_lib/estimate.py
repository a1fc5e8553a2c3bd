"""How long the trainings of a run will take here, measured on a few steps before they start.

`python -m fer_lib.estimate SETTINGS` prints one line.
"""

import itertools
import json
import sys
import time
from pathlib import Path

import torch

from fer_lib import config, cost, device, ferplus, models, procedures, restoration, testing
from fer_lib.config import Config, ModelConfig

#: Widest network that is timed on a CPU; wider ones are scaled up by their arithmetic.
CPU_WIDTH = 1 / 8
STEPS = 2


def training_seconds(settings: Config, images: int) -> float:
    """Seconds for all trainings of `settings` on `images` faces each, from scratch, for the audit's
    steps on the test set and for the denoisers of chapter 6."""
    where = device.best()
    width = settings.model.width
    timed = min(width, CPU_WIDTH) if where.type == "cpu" else width
    scale = _macs(width) / _macs(timed)
    steps = -(-images // settings.training.batch_size) * settings.training.epochs
    trainings = settings.seeds * len(config.VARIANTS)
    trainings += _audit_trainings(settings, images) + _denoisers(settings, images)
    return _step_seconds(timed, settings, where) * scale * steps * trainings


def _audit_trainings(settings: Config, images: int) -> float:
    """What chapter 5 trains and steps, in trainings of the profile's own network."""
    loops: dict = {}
    for run in procedures.passes(settings.audit_small):  # one loop serves passes of both modes
        loop = testing.loop_of(run)
        loops[loop] = max(run.passes, loops.get(loop, 0))
    tested = sum(loops.values()) * len(settings.levels) * (settings.test_images or images / 4)
    stepped = tested / (images * settings.training.epochs)
    own = settings.model.width
    shares = [_macs(width) / _macs(own) for width in settings.audit_widths]
    return sum(share * (stepped + (share != 1)) for share in shares)


def _denoisers(settings: Config, images: int) -> float:
    """What chapter 6 trains, in trainings of the profile's own network: by their arithmetic."""
    references, shares = settings.references, 0.0
    each = references.training.epoch_images or images
    own = settings.training.epochs * images * _macs(settings.model.width)
    lessons = {*references.networks, *itertools.chain(*references.trend.values())}
    for course in {course for lesson in lessons for course in lesson.courses}:
        if course.network == "cae-denoising":
            shares += course.epochs / settings.training.epochs
        else:
            network = restoration.RESTORATIONS[course.network].build(0)
            macs = cost.flops(network, torch.zeros(1, 1, ferplus.SIDE, ferplus.SIDE)) / 2
            shares += course.own_images(each, each) * macs / own
    return shares


def _macs(width: float) -> int:
    return sum(row["macs"] for row in models.describe(ModelConfig(width=width)))


def _step_seconds(width: float, settings: Config, where: torch.device) -> float:
    """Time of one optimiser step on a batch, after one to warm up."""
    model = models.build(ModelConfig(width=width), seed=0).to(where)
    model = model.to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(model.parameters())
    x = torch.rand(settings.training.batch_size, 3, 96, 96, device=where)
    dtype = device.autocast_dtype(settings.training.precision, where)
    for step in range(STEPS + 1):
        if step == 1:
            start = time.monotonic()
        with torch.autocast(where.type, dtype, enabled=dtype is not torch.float32):
            loss = (model(x) - x).square().mean()
        loss.backward()
        optimiser.step()
        loss.item()  # waits for the GPU
    return (time.monotonic() - start) / STEPS


def main() -> None:
    """Print the estimate for a settings.json."""
    asked = json.loads(Path(sys.argv[1]).read_text())["config"]
    settings = config.load(asked["profile"], asked["seed"], asked["seeds"])
    images = settings.train_images or 28_568  # four fifths of FER+
    hours = training_seconds(settings, images) / 3600
    memory = 16 * sum(r["parameters"] for r in models.describe(settings.model)) / 1e9
    print(
        f"estimate: {hours:.1f} hours of training on {device.best().type}, and {memory:.1f} GB for "
        "weights and optimiser; stop whenever you like, the same command goes on from there",
        flush=True,
    )


if __name__ == "__main__":
    main()
