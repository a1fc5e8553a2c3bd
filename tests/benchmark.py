"""`./run_all.sh bench`: how fast the library is, beside what one would write or take instead.

    ./run_all.sh bench -- [--short] [--only PART] [--to FOLDER]

Every figure is a ratio of two things that took turns in one run, since processors differ and other
work slows both alike: seconds of the other one over ours, so that 2 is twice as fast. Given are its
median over the turns, the smallest and the largest. FOLDER (default: reports/) gets benchmarks.json
and the page benchmarks.html. --short takes small sizes, for the tests. Ten minutes on two cores.
"""

import argparse
import functools
import importlib.metadata
import itertools
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from datetime import date
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from fer_lib import autoencoder, config, data, metrics, training
from fer_lib.config import REPORTS, ROOT, ModelConfig
from fer_lib.denoise import denoise
from fer_lib.noise import corrupt
from fer_lib.readers import archive, ferplus, orl
from fer_lib.tools import device, files
from tests import benchmark_page
from tests import benchmark_rivals as rivals

TURNS, LEVEL = 5, 0.15
#: By what PyTorch's names of operations contain; the first that fits.
KINDS = {"convolution": "convolutions", "conv2d": "convolutions", "batch_norm": "batch norms"}
KINDS |= {"dam": "the optimiser", "grid_sampler": "flips and rotations"}
REST = "activations, sums, copies"
PACKAGES = ("torch", "torchvision", "numpy", "numba", "scikit-image", "deepinv")


def turns(count: int, *jobs: Callable) -> list[list[float]]:
    """Seconds of each job in `count` turns, in which all take part one after the other. The turn
    before them, in which things are compiled and cached, is not counted. A job that returns a float
    has measured itself."""
    seconds = [[] for _ in jobs]
    for turn in range(count + 1):
        for job, kept in zip(jobs, seconds, strict=True):
            start = time.perf_counter()
            found = job()
            took = found if isinstance(found, float) else time.perf_counter() - start
            kept += [took] * (turn > 0)
    return seconds


def figure(ours: str, other: str, mine: list[float], theirs: list[float], **facts) -> dict:
    """How many times as fast as `other` is `ours`, from the seconds of both in each turn, which are
    given as medians. `facts` stand beside it; `label` is its name in the plot."""
    each = [b / a for a, b in zip(mine, theirs, strict=True)]
    spread = {"ratio": statistics.median(each), "lowest": min(each), "highest": max(each)}
    seconds = [statistics.median(mine), statistics.median(theirs)]
    names = {"ours": ours, "other": other, "label": other}
    return {**names, **spread, "turns": len(each), "seconds": seconds, **facts}


def fresh(code: str, **variables: str) -> list[float]:
    """The numbers that `code` prints in a new process, which has the settings of a user's own: none
    of those that run_all.sh makes for trainings."""
    there = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")} | variables
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=there, stdout=subprocess.PIPE, check=True)
    return [float(word) for word in done.stdout.split()]


def cold(code: str, **variables: str) -> float:
    """Seconds that a new process needs for `code`, imports included, but not Python's own start."""
    clock = "import time; start = time.perf_counter()"
    return fresh(f"{clock}; {code}; print(time.perf_counter() - start)", **variables)[0]


def our_step(width: float, faces: np.ndarray, *, compiled: bool) -> Callable[[], None]:
    """A step of `training.fit` with the settings of the profile `paper`, of all faces at once."""
    part = config.Part(data="", name="sample")
    settings = {"width": width, "batch_size": len(faces), "compile": compiled}
    recipe = config.reconstruction(config.load("paper"), part, "cae", 0, **settings)
    run = training._Run(training.Reconstruction(recipe.model, True), recipe, "", None)
    step, batch = run.step_function(), torch.from_numpy(faces).to(run.device)

    def once() -> None:
        step([batch], 0.0).item()

    return once


def shares(step: Callable[[], None]) -> dict[str, float]:
    """What part of a step's time on the CPU goes into each of KINDS, the largest first."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
        for _ in range(3):
            step()
    spent = dict.fromkeys([*KINDS.values(), REST], 0.0)
    for event in seen.key_averages():
        kind = next((KINDS[word] for word in KINDS if word in event.key), REST)
        spent[kind] += event.self_cpu_time_total
    ranked = sorted(spent, key=spent.get, reverse=True)
    return {kind: spent[kind] / sum(spent.values()) for kind in ranked}


def training_steps(short: bool) -> list[dict]:
    """One step, and once more compiled, at the width of the profile `cpu`: compiling takes minutes.
    The limit is three times the products of a forward pass: a gradient needs as many again for the
    inputs of the layers, and for their weights."""
    dtype, rows = device.autocast_dtype("auto", device.best()), []
    widths = (1 / 16,) if short else (1 / 16, 1 / 8, 1 / 4) + (1.0,) * (dtype is torch.bfloat16)
    batch = 16 if short else 64
    faces = orl.read()[0][:batch]
    for width in widths:
        macs = sum(layer["macs"] for layer in autoencoder.describe(ModelConfig(width=width)))
        jobs = {"a plain script": rivals.plain_script(width, faces)}
        jobs["matrix products alone"] = rivals.products(3 * batch * macs, dtype)
        compiled = width == 1 / 8 and device.can_compile(device.best())
        ours = [our_step(width, faces, compiled=c) for c in (False, True)[: 1 + compiled]]
        mine, *seconds = turns(3 if short else TURNS, ours[0], *jobs.values(), *ours[1:])
        at = f"width {Fraction(width)}"
        facts = {"width": str(Fraction(width)), "batch": batch, "precision": str(dtype)}
        if not torch.cuda.is_available():
            facts["shares"] = shares(ours[0])
        for other, theirs in zip(jobs, seconds, strict=False):
            facts["label"] = f"{other}, {at}"
            rows.append(figure(f"a training step of {at}", other, mine, theirs, **facts))
        for own in seconds[len(jobs) :]:
            facts["label"] = f"itself not compiled, {at}"
            what, other = f"a compiled training step of {at}", "one that is not compiled"
            rows.append(figure(what, other, own, mine, **facts))
    return sorted(rows, key=lambda row: row["other"])  # one rival after the other


def quality(restored, clean: torch.Tensor) -> float:
    """Mean SSIM of images (N, 48, 48)."""
    restored = torch.from_numpy(np.stack(restored).astype(np.float32)).unsqueeze(1).clamp(0, 1)
    return metrics.ssim(restored, clean, 1.0).mean().item()


def noisy_faces(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`count` faces of ORL, of which no network here has learnt, again and again if need be, clean
    and with noise of their own: two (count, 1, 48, 48) in [0, 1]."""
    faces = np.resize(orl.read()[0], (count, 48, 48))
    clean = torch.from_numpy(faces).unsqueeze(1).float() / 255
    return clean, corrupt(clean, LEVEL, range(count), 0)


def denoising(short: bool) -> list[dict]:
    """Ours gets new faces in each turn, 1,000 in all; the others, which take them one by one, get
    fewer. Their strength is the best on the last faces, which none of them gets."""
    count, turn, few, tuned = (1, 8, 2, 4) if short else (TURNS, 200, 16, 16)
    clean, noisy = noisy_faces(max((count + 1) * turn, 400))
    images, judged, rows = noisy.squeeze(1).numpy(), (count + 1) * few, []
    others = rivals.denoisers(LEVEL)

    def tried(other: Callable, strength: float) -> float:
        return quality([other(image, strength) for image in images[-tuned:]], clean[-tuned:])

    strengths = {k: max(grid, key=functools.partial(tried, f)) for k, (f, grid) in others.items()}
    kept = {name: [] for name in ("ours", *others)}
    jobs = [restoring(denoise, images, turn, kept["ours"])]
    for name, (other, _) in others.items():
        one = functools.partial(other, strength=strengths[name])
        jobs.append(restoring(functools.partial(map, one), images, few, kept[name]))
    mine, *theirs = turns(count, *jobs)
    ssim = {name: quality(restored[:judged], clean[:judged]) for name, restored in kept.items()}
    before = quality(images[:judged], clean[:judged])
    for name, seconds in zip(others, theirs, strict=True):
        facts = {"ssim": [ssim["ours"], ssim[name]], "ssim_noisy": before}
        facts |= {"strength": strengths[name], "faces": [turn * count, few * count]}
        rows.append(figure("denoise", name, mine, seconds, **facts))
    return rows


def restoring(restore: Callable, images: np.ndarray, count: int, kept: list) -> Callable:
    """A job: `restore` gets the next `count` of `images`, and what it gives is kept. It returns the
    seconds for one image."""
    starts = itertools.count(0, count)

    def next_ones() -> float:
        first = next(starts)
        start = time.perf_counter()
        kept.extend(restore(images[first : first + count]))
        return (time.perf_counter() - start) / count

    return next_ones


def cold_start(short: bool) -> list[dict]:
    """How long a user waits for a first face."""
    code = "import numpy; from fer_lib.denoise import denoise; denoise(numpy.zeros((48, 48)))"
    jobs = functools.partial(cold, code), functools.partial(cold, "import torch")
    seconds = turns(1 if short else TURNS, *jobs)
    return [figure("denoise from a cold start", "import torch alone", *seconds)]


def scoring(short: bool) -> list[dict]:
    """Both give the same numbers (tests/test_metrics.py)."""
    from skimage.metrics import structural_similarity

    clean, noisy = noisy_faces(200 if short else 1000)
    pairs = list(zip(noisy[:, 0].double().numpy(), clean[:, 0].double().numpy(), strict=True))
    jobs = (
        lambda: metrics.ssim(noisy, clean, 1.0),
        lambda: [structural_similarity(x, y, data_range=1.0) for x, y in pairs],
    )
    seconds = turns(TURNS, *jobs)
    return [figure("SSIM", "scikit-image's in a loop", *seconds, faces=len(clean))]


def footprint(shape: tuple[int, int, int]) -> None:
    """Print seconds of `denoise`, and how many MB it holds at most beyond its input and its output:
    to be called in a new process. Only Linux tells the memory; elsewhere it is NaN."""
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    denoise(images[:1, :24, :24])
    before, start = memory("VmRSS"), time.perf_counter()
    result = denoise(images)
    print(time.perf_counter() - start, memory("VmHWM") - before - result.nbytes / 1e6)


def memory(which: str) -> float:
    """MB that this process holds (VmRSS), or held at most (VmHWM) since the last such question."""
    status, peak = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not peak.exists():
        return float("nan")
    found = int(re.search(rf"{which}:\s+(\d+)", status.read_text())[1]) * 1024 / 1e6
    peak.write_text("5")  # forgets the peak
    return found


def sizes(short: bool) -> list[dict]:
    """Seconds for a megapixel, and memory, of many small images and of a picture; each once, as
    five turns would take an hour."""
    counts, rows = (100, 400) if short else (1000, 4000, 16000, 32000), []
    shapes = [(count, 24, 24) for count in counts] + ([] if short else [(1, 3000, 4000)])
    code = "from tests.benchmark import footprint; footprint({})"
    taken, held = zip(*(fresh(code.format(shape)) for shape in shapes), strict=True)
    each = [seconds / np.prod(shape) * 1e6 for seconds, shape in zip(taken, shapes, strict=True)]
    for place, shape in enumerate(shapes[1:], 1):
        what = f"{shape[0]:,} images" if shape[0] > 1 else "a picture of 12 megapixels"
        facts = {"shape": shape, "least": shapes[0], "total": [taken[place], taken[0]]}
        if held[0] == held[0]:  # not NaN
            facts["megabytes"] = [held[place], held[0]]
        seconds = [each[place]], [each[0]]
        rows.append(
            figure(f"denoise of {what}", f"of {counts[0]:,}", *seconds, label=what, **facts)
        )
    return rows


def as_kaggle(source: Path, path: Path) -> None:
    """Write the FER+ at `source` as a zip of Kaggle's table of pixels and Microsoft's of votes."""
    root, faces = archive.root(source), data.load(str(source))
    grays, lines = [str(gray) for gray in range(256)], ["emotion,pixels,Usage"]
    pixels = dict(zip(faces.rows["id"], faces.images, strict=True))
    for usage, name, _ in ferplus._vote_rows(root):
        face = pixels[int(name[3:10])] if name else np.zeros_like(faces.images[0])
        lines.append(f"0,{' '.join(map(grays.__getitem__, face.tobytes()))},{usage}")
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("fer2013.csv", "\n".join(lines))
        made.writestr("fer2013new.csv", (root / "fer2013new.csv").read_bytes())


def reading(short: bool) -> list[dict]:
    """The first start decodes the data, which can be timed once in a work folder."""
    source, rows = os.environ.get("FER_DATA", ""), []
    if short or not source.endswith(".zip"):
        return rows
    with tempfile.TemporaryDirectory() as work:
        as_kaggle(Path(source), Path(work, "kaggle.zip"))
        for name, path in (("FER+", source), ("Kaggle's table", f"{work}/kaggle.zip")):
            start = functools.partial(
                cold, "from fer_lib import data; data.load()", FER_WORK=work, FER_DATA=path
            )
            first, [second] = start(), turns(TURNS, start)
            what = f"the second start on {name}"
            rows.append(figure(what, "the first", second, [first] * TURNS, label=name))
    return rows


#: What can be measured, in the order of the page.
PARTS = {
    "training": training_steps,
    "denoising": denoising,
    "cold": cold_start,
    "scoring": scoring,
    "reading": reading,
    "sizes": sizes,
}


def machine() -> dict:
    """What decides the figures besides the code, but no name of a machine."""
    cpu = Path("/proc/cpuinfo")
    model = re.search("model name.*: (.*)", cpu.read_text()) if cpu.exists() else None
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "date": str(date.today()),
        "processor": model[1] if model else platform.processor() or platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "GPU": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load before": round(os.getloadavg()[0], 1),
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def main(arguments: list[str]) -> int:
    """Measure and write; the exit code."""
    parser = argparse.ArgumentParser(prog="./run_all.sh bench --", description=__doc__)
    parser.add_argument("--short", action="store_true", help="small sizes, for the tests")
    parser.add_argument("--only", choices=PARTS, help="this part alone")
    parser.add_argument("--to", type=Path, default=REPORTS, help="folder (default: reports/)")
    options = parser.parse_args(arguments)
    found = {"machine": machine(), "level": LEVEL, "figures": []}
    for part in [options.only] if options.only else PARTS:
        start = time.perf_counter()
        rows = [{"part": part} | row for row in PARTS[part](options.short)]
        print(f"{part}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        for row in rows:
            spread = f"[{row['lowest']:.3g}, {row['highest']:.3g}]"
            print(f"{row['ratio']:8.3g}  {spread:16}  {benchmark_page.compared(row)}", flush=True)
        found["figures"] += rows
    files.write_text(options.to / "benchmarks.json", json.dumps(found, indent=1) + "\n")
    files.write_text(options.to / "benchmarks.html", benchmark_page.page(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
