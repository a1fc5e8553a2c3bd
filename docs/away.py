"""Chapter 5's networks on a machine that is lent, and their scores back, without the rest.

    python -m docs.away pack PACK.tar.gz [--profile paper]   here; the faces of $FER_DATA, else ORL
    tar xf PACK.tar.gz
    python fer-away/docs/away.py [--minutes 9]               there, until it says that all is done

The pack has the library, the paper's sample as decoded faces, and the small packages that it needs.
The machine needs Python 3.11 or newer with PyTorch and NumPy, and for scores pandas, SciPy, numba
and Pillow. After so many minutes it stops, and goes on when it is called again. Then fer-away/out
has tables of losses, gradients and scores, and with --weights the networks, in half precision.
"""

import argparse
import csv
import io
import json
import os
import signal
import sys
import tarfile
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAME = "fer-away"  # the folder in the pack
#: Of these the first two are Python alone; safetensors has one library for all Pythons.
PACKAGES = ("filelock", "tqdm", "safetensors")
OUT = ROOT / "out"


def pack(path: Path, profile: str) -> None:
    """Write the pack of a profile."""
    import numpy as np

    from fer_lib.study import open_study

    study = open_study(profile)
    faces, rows = study.paper("test")
    held = {"train": study.paper("train")[0], "test": faces, "ids": rows["id"].to_numpy()}
    held["validation"], held["validation_ids"] = study.validation()
    np.savez_compressed(content := io.BytesIO(), **held)
    held = content.getvalue()
    asked = {"profile": profile, "data": study.faces.checksum}
    ours = [*(ROOT / "docs").glob("*.py"), *(ROOT / "fer_lib").rglob("*.py")]
    with tarfile.open(path, "w:gz") as archive:
        for file in ours:
            archive.add(file, Path(NAME, file.relative_to(ROOT)))
        for package in PACKAGES:
            folder = Path(find_spec(package).origin).parent
            archive.add(folder, Path(NAME, "packages", package), filter=_source)
        for name, data in (("faces.npz", held), ("asked.json", json.dumps(asked).encode())):
            entry = tarfile.TarInfo(f"{NAME}/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    print(f"{path.name}: {path.stat().st_size / 1e6:.0f} MB")


def _source(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in entry.name else entry


def run(minutes: float, weights_too: bool) -> bool:
    """Train and score what is left, for so many minutes; whether all is done."""
    os.environ |= {"FER_WORK": str(ROOT / "work"), "FER_REPORTS": str(OUT)}
    sys.path[:0] = [str(ROOT)]
    sys.path.append(str(ROOT / "packages"))  # the machine's own come first
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 60 * minutes)
    try:
        _run(weights_too)
    except KeyboardInterrupt:  # an epoch that was begun is lost, the others are kept
        return False
    return True


def _run(weights_too: bool) -> None:
    import numpy as np

    from fer_lib import config, training
    from fer_lib.audit import plan

    asked, faces = json.loads((ROOT / "asked.json").read_text()), np.load(ROOT / "faces.npz")
    settings, trained = config.load(asked["profile"]), {}
    arms = plan.PLANS[settings.profile].tables
    for recipe in (r for arm in arms for r in plan.trainings(settings, asked["data"], arm)):
        task = training.Reconstruction(recipe.model, recipe.training.augmented)
        run = training.fit(task, faces["train"], recipe)
        print(f"{plan.label(recipe)}: last loss {run.history[-1]['train_loss']:.4f}", flush=True)
        table(f"losses_{recipe.key}", run.history)
        table(f"gradients_{recipe.key}", run.gradients)
        if weights_too:
            from docs.publish import publish

            publish(recipe.key, OUT)
        scored(recipe, run.model, faces, settings)
        trained.setdefault(recipe.network, run.model)
    if len(trained) > 1 and find_spec("pandas") and not (OUT / "ladder.csv").exists():
        from fer_lib.audit import procedure

        how = {"levels": settings.levels, "seed": settings.seed, "resamples": settings.resamples}
        frame(procedure.ladder(trained, faces["test"], faces["ids"], **how), "ladder")


def scored(recipe, model, faces: dict, settings) -> None:
    """Scores of every test face, as the authors' code tests and as chapter 4 does."""
    name = f"honest_{recipe.key}"
    if not find_spec("pandas"):
        print("no scores: pandas is not installed here", file=sys.stderr)
    if not find_spec("pandas") or (OUT / f"{name}.csv").exists():
        return
    from fer_lib import evaluation
    from fer_lib.audit import procedure

    how = {"levels": settings.levels, "seed": settings.seed}
    own = procedure.score(model, faces["test"], faces["ids"], procedure.Procedure(), **how)
    frame(own, f"as_run_{recipe.key}")
    few = faces["validation"], faces["validation_ids"]
    sigmas = evaluation.choose_blur(*few, levels=settings.levels, seed=settings.seed + 1)
    methods = {("noisy", settings.seed): evaluation.nothing}
    methods["blur", settings.seed] = evaluation.blur(sigmas)
    methods[recipe.network, recipe.seed] = evaluation.network(model)
    scores = evaluation.score(faces["test"], faces["ids"], methods=methods, **how)
    frame(evaluation.by_image(scores), name)


def frame(made, name: str) -> None:
    """Write a table of pandas."""
    table(name, made.to_dict("records"))


def table(name: str, rows: list[dict]) -> None:
    """Write out/NAME.csv, whole or not at all."""
    from fer_lib.tools import files

    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    files.write_text(OUT / f"{name}.csv", text.getvalue())


def main(arguments: list[str]) -> int:
    """Pack, or run a pack; the exit code: 3 if there is more to do."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pack", nargs="*", metavar="pack FILE", help="write a pack")
    parser.add_argument("--profile", default="paper")
    parser.add_argument("--minutes", type=float, default=9)
    parser.add_argument("--weights", action="store_true")
    options = parser.parse_args(arguments)
    if options.pack:
        pack(Path(options.pack[-1]), options.profile)
        return 0
    if not (ROOT / "asked.json").exists():
        parser.error("this is no pack: make one with `pack FILE`, and run what is in it")
    if run(options.minutes, options.weights):
        print(f"all done: {len([*OUT.iterdir()])} files in {NAME}/out")
        return 0
    print("time is up: the same command goes on")
    return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
