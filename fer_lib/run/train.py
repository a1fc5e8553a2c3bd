"""Train one network of a run."""

from fer_lib.config import UserError
from fer_lib.methods import lessons
from fer_lib.recognition import recogniser
from fer_lib.run import asked, chapters
from fer_lib.study import open_study


def make(run: str, key: str) -> None:
    """Train a network unless it is trained. Raises UserError for a key that `run` does not need."""
    study = open_study(**asked.parameters(run))
    data = {"name": study.faces.name, "checksum": study.faces.checksum}
    recipes = [r for wing in chapters.recipes(study.settings, data).values() for r in wing]
    recipe = {stage.key: stage for last in recipes for stage in last.stages}.get(key)
    if recipe is None:
        raise UserError(f"{run} asks for no training {key}: work/{run}/trainings lists them")
    train = recogniser.train if recipe.task == "recognition" else lessons.train
    train(study, recipe)
