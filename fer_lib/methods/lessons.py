"""From recipes to trained networks, and what their trainings took (chapters 6 to 8)."""

import torch

from fer_lib import training
from fer_lib.config import Recipe
from fer_lib.methods import supervision
from fer_lib.study import Study
from fer_lib.training import Reconstruction, Task, Trained


def task(recipe: Recipe) -> Task:
    """What the training of a recipe of `plans`, or of the paper's network, learns."""
    whole = {"reconstruction": Reconstruction, "denoising": supervision.DenoisingAutoencoder}
    if recipe.task in whole:
        return whole[recipe.task](recipe.model, recipe.training.augmented)
    return supervision.Restoration(recipe.model)


def train(study: Study, recipe: Recipe) -> Trained:
    """The network of a recipe and before it what it starts from, trained unless they were."""
    start = train(study, recipe.start) if recipe.start else None
    if recipe.training.compile:  # each shape for itself, and forget other networks: for an image
        torch.compiler.reset()  # and its half at once torch 2.14 fails on CPUs
        torch._dynamo.config.automatic_dynamic_shapes = False
    return training.fit(task(recipe), study.images(recipe.part), recipe, start)


def images_seen(recipe: Recipe, faces: int) -> int:
    """By a training and all that it started from, where there are so many `faces`."""
    stages = (stage.training for stage in recipe.stages)
    return sum(t.epochs * min(t.epoch_images or faces, faces) for t in stages)
