"""Train one network of a run."""

from fer_lib.config import UserError
from fer_lib.methods import lessons
from fer_lib.run import asked
from fer_lib.run.chapters import WINGS
from fer_lib.study import open_study


def make(run: str, key: str) -> None:
    """Train a network unless it is trained. Raises UserError for a key that `run` does not need."""
    study = open_study(**asked.parameters(run))
    recipes = [r for w in WINGS.values() for r in w.recipes(study.settings, study.faces.checksum)]
    recipe = {stage.key: stage for last in recipes for stage in last.stages}.get(key)
    if recipe is None:
        raise UserError(f"{run} asks for no training {key}: work/{run}/trainings lists them")
    lessons.train(study, recipe)
