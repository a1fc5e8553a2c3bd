"""What each recipe does is as it was when its version was declared.

A training's key is a hash of its settings and of a declared version, so nothing but this test sees
that the code behind a version has changed. It trains every network small and briefly, in float32
and with one thread, and holds what it measures against tests/golden.json. Losses alone are too
blunt: AdamW for Adam, or tanh for ReLU, changes them by less than 1e-4.

If a test here fails and the change is meant, raise the version that it names and run
`python -m tests.test_golden`, which measures what is new or has another version.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fer_lib import config, data, training
from fer_lib.config import Recipe
from fer_lib.methods import lessons
from fer_lib.readers import sources
from fer_lib.readers.ferplus import EMOTIONS
from fer_lib.recognition.recogniser import Recognition
from fer_lib.run.chapters import WINGS
from fer_lib.tools import weights

GOLDEN = Path(__file__).with_suffix("").with_name("golden.json")
FACES = 20  # of ORL; batches of 16 and 4
#: What may differ between processors and numbers of threads, relative to the value. A mean step
#: counts in learning rates; `along` is its component along the weights, in learning rates too.
TOLERANCES = {"losses": 1e-4, "gradients": 0.03, "step": 1e-4, "along": 2e-3}
WIDTH = 1 / 16


def recipes() -> dict[str, Recipe]:
    """One recipe of every kind that the study trains, by a name for people."""
    settings = config.load("cpu")
    plans_of_all = (wing.recipes for wing in WINGS.values())
    kinds = {}
    for recipe in (recipe for plan in plans_of_all for recipe in plan(settings, "")):
        model = recipe.model
        model = replace(model, width=WIDTH) if hasattr(model, "width") else model
        kinds.setdefault((recipe.network, model), replace(recipe, model=model, start=None))
    return {recipe.network: small(recipe) for recipe in kinds.values()}


def small(recipe: Recipe) -> Recipe:
    """Two epochs with steps so short that rounding does not grow."""
    brief = replace(
        recipe.training,
        epochs=2,
        batch_size=16,
        learning_rate=1e-4,
        precision="float32",
        compile=False,
        epoch_images=None,
        gradient_epochs=1,
        threads=1,
    )
    return replace(recipe, training=brief, seed=0)


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> np.ndarray:
    return orl(tmp_path_factory.mktemp("data"))


def orl(work: Path) -> np.ndarray:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "WORK", work)
        patch.delenv("FER_DATA", raising=False)
        return np.array(data.load().images[:: 400 // FACES][:FACES])


def measure(recipe: Recipe, faces: np.ndarray) -> dict:
    """What the training does: its losses, each layer's gradient in the first epoch, and how far
    and in which direction the first step moves the weights."""
    task, labels = lessons.task(recipe), ()
    if recipe.task == "recognition":  # ORL has no votes
        labels = (np.eye(len(EMOTIONS), dtype=np.float32)[np.arange(len(faces)) % len(EMOTIONS)],)
        task = Recognition(recipe.model)
    trained = training.fit(task, faces, recipe, None, *labels)
    one = replace(recipe.training, epochs=1, batch_size=len(faces))
    stepped = training.fit(task, faces, replace(recipe, training=one), None, *labels)
    before = [p.detach().flatten() for p in task.build(recipe.seed).parameters()]
    after = [p.detach().flatten() for p in stepped.model.parameters()]
    start = torch.cat(before).double()
    move = (torch.cat(after).double() - start) / one.learning_rate
    return {
        "losses": [epoch["train_loss"] for epoch in trained.history],
        "gradients": [row["norm"] for row in stepped.gradients],
        "step": [move.abs().mean().item()],
        "along": [(move @ start / (start @ start)).item()],
    }


@pytest.mark.parametrize("name", recipes())
def test_a_recipe_does_what_its_version_did(name, faces, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "WORK", tmp_path)
    recipe, golden = recipes()[name], json.loads(GOLDEN.read_text()).get(name, {"version": 0})
    assert golden.pop("version") == recipe.version, f"{name}: run python -m tests.test_golden"
    measured = measure(recipe, faces)
    assert measured.keys() == golden.keys()
    for what, values in golden.items():
        np.testing.assert_allclose(
            measured[what],
            values,
            rtol=TOLERANCES[what],
            atol=TOLERANCES[what] if what == "along" else 0,
            err_msg=f"{what} of {name}: raise the version of the task {recipe.task!r}",
        )


def main() -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as work, pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "WORK", Path(work))
        faces = orl(Path(work))
        before, golden = json.loads(GOLDEN.read_text()), {}
        for name, recipe in recipes().items():
            golden[name] = before.get(name, {})
            if golden[name].get("version") != recipe.version:
                golden[name] = {"version": recipe.version, **measure(recipe, faces)}
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
