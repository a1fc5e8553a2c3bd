"""The field beside the paper's autoencoder: every reference as an `evaluation.Method` (chapter 6).

All work on gray images in [0, 1], the protocol *camera noise*. Those made for one noise level are made
when it is first asked for; told that there is no noise, they return the image as it is.
"""

import copy
import functools
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import nn

from fer_lib import evaluation, learning
from fer_lib.config import WORK, Lesson, ReferenceConfig
from fer_lib.evaluation import Method
from fer_lib.learning import Trained
from fer_lib.methods import clipping, cost, filters, linear, mixture, supervision, widening
from fer_lib.methods.filters import Strengths
from fer_lib.methods.linear import Components
from fer_lib.methods.mixture import Mixture, Place
from fer_lib.noise import PROTOCOLS
from fer_lib.readers.ferplus import SIDE
from fer_lib.study import Study
from fer_lib.tools import device, weights

#: Trained networks: label and what they learn from, by name.
TRAINED = {
    "cae": ("the paper's autoencoder", "clean"),
    "cae-denoising": ("the paper's, trained with noise", "pairs"),
    "gondara": ("Gondara's autoencoder", "pairs"),
    "xie": ("Xie's stacked autoencoder", "pairs"),
    "dncnn": ("DnCNN", "pairs"),
    "compact": ("compact (ours)", "pairs"),
    "compact-small": ("compact, half the channels", "pairs"),
    "compact-large": ("oracle: compact, twice the channels", "pairs"),
    "compact-mse": ("compact, squared error only", "pairs"),
    "noise2noise": ("compact, Noise2Noise", "noisy"),
    "neighbor2neighbor": ("compact, Neighbor2Neighbor", "noisy"),
}
#: Networks that are also scored `mirrored`, and their labels then.
MIRRORED = {
    "compact": "compact, both mirror images (ours)",
    "compact-large": "oracle, both mirror images",
}
#: How networks for gray images see those of *camera noise*: as they are.
GRAY = replace(
    PROTOCOLS["camera noise"],
    to_model=lambda noisy: noisy,
    from_model=lambda output: output.clamp(0, 1),
)
#: Estimated levels become the nearest of these, so that few denoisers have to be made.
LEVELS = (0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1)
#: Bytes for denoisers of the patch mixture: making one takes seconds, and each level has its own.
MEMORY = 2 * 10**9
#: The modules whose code decides what a prior is.
RECIPE = ("linear", "mixture")


@dataclass(frozen=True)
class Reference:
    """A method and what to know of it.

    label: for tables. learns: from "nothing", "clean" images, "pairs" of noisy and clean ones, or
    "noisy" ones alone. told: whether it is told the noise level. parameters: numbers that it keeps.
    """

    label: str
    learns: str
    told: bool
    parameters: int
    method: Method


def filters(strengths: Strengths) -> dict[str, Reference]:
    """The filters of `denoisers` by name, each with its strength at each level of one noise."""
    found = {}
    for name, by_level in strengths.items():
        label = filters.DENOISERS[name].label
        method = functools.partial(_filtered, name, by_level)
        found[name] = Reference(label, "nothing", name != "noisy", 1, method)
    return found


def _filtered(name: str, strengths: dict, noisy, protocol, level) -> torch.Tensor:
    return filters.apply(name, noisy, *strengths[level]) if level else noisy


def fixed(denoise: Callable[[torch.Tensor], torch.Tensor]) -> Method:
    """A denoiser that does the same at every level."""
    return lambda noisy, protocol, level: denoise(noisy)


def per_level(build: Callable[[float], Callable], kept: int = 4) -> Method:
    """A denoiser made by `build` for each level; the last few that were asked for are kept."""
    build = functools.lru_cache(maxsize=kept)(build)
    return lambda noisy, protocol, level: build(level)(noisy) if level else noisy


def estimated(method: Method) -> Method:
    """`method` that is not told the level: each image's own is estimated from the image."""

    def blind(noisy, protocol, level):
        ladder = torch.tensor(LEVELS, dtype=torch.float64)
        levels = ladder[(clipping.estimate_level(noisy)[:, None] - ladder).abs().argmin(dim=1)]
        output = torch.empty_like(noisy)
        for own in levels.unique().tolist():
            output[levels == own] = method(noisy[levels == own], protocol, own)
        return output

    return blind


def from_clean(faces: np.ndarray, settings: ReferenceConfig) -> dict[str, Reference]:
    """The methods that learn from clean `faces`, uint8 (N, H, W), alone, by name."""
    components = linear.fit(faces)
    prior = learnt_mixture(faces, components, settings)
    found = {}
    for k in settings.ladder:
        method = fixed(linear.pca(components, k))
        size = (k + 1) * components.mean.size
        found[f"pca-{k}"] = Reference(f"PCA, {k} axes", "clean", False, size, method)
    families = {
        "wiener": ("Wiener filter on PCA", linear.wiener, components, components.axes.size),
        "clamped-wiener": (
            "Wiener filter, clamped noise", linear.clamped_wiener, components, components.axes.size
        ),
        "mixture": ("patch mixture (ours)", mixture.denoiser, prior, _size(prior)),
    }  # fmt: skip
    for name, (label, build, learnt, size) in families.items():
        kept = _affordable(prior) if learnt is prior else 4
        method = per_level(functools.partial(build, learnt), kept)
        found[name] = Reference(label, "clean", told=True, parameters=size, method=method)
    told = found["mixture"]
    label, method = f"{told.label}, level estimated", estimated(told.method)
    found["mixture-blind"] = replace(told, label=label, told=False, method=method)
    return found


def _size(prior: Mixture) -> int:
    arrays = [prior.axes, prior.components.mean]
    arrays += [x for place in prior.places for x in (place.weights, place.means)]
    triangles = sum(len(p.weights) * _triangle(p.means.shape[1]) for p in prior.places)
    return sum(array.size for array in arrays) + triangles


def _affordable(prior: Mixture) -> int:
    """How many of its denoisers, which hold two matrices a class in float32, fit in MEMORY."""
    lengths = [(len(place.weights), place.means.shape[1]) for place in prior.places]
    numbers = sum(count * length * (length + prior.side**2) for count, length in lengths)
    return max(1, MEMORY // (4 * numbers))


def _triangle(side: int) -> int:
    """Different numbers in a covariance."""
    return side * (side + 1) // 2


def mirrored(method: Method) -> Method:
    """The mean of what `method` makes of an image and of its mirror image, which is as likely."""

    def both(noisy, protocol, level):
        other = method(noisy.flip(-1), protocol, level).flip(-1)
        return (method(noisy, protocol, level) + other) / 2

    return both


def restorer(model: nn.Module) -> Method:
    """A trained network of `networks` as a method; it is not told the level."""
    method = evaluation.network(model)
    return lambda noisy, protocol, level: method(noisy, GRAY, level)


@dataclass(frozen=True)
class Continued:
    """`task` from the weights of a finished training on, which took `after` epochs in all, with the
    learning rate risen again (Loshchilov & Hutter 2017, "SGDR: stochastic gradient descent with
    warm restarts")."""

    task: learning.Task
    start: Trained
    after: int

    @property
    def name(self) -> str:
        return self.task.name

    @property
    def recipe(self) -> tuple[str, ...]:
        return self.task.recipe

    def facts(self) -> dict:
        return self.task.facts() | {"continues": self.start.key, "after": self.after}

    def build(self, seed: int) -> nn.Module:
        return copy.deepcopy(self.start.model)

    def batch(self, faces: torch.Tensor, generator: torch.Generator):
        return self.task.batch(faces, generator)

    def loss(self, network: nn.Module, batch, progress: float) -> torch.Tensor:
        return self.task.loss(network, batch, progress)


class Widened(Continued):
    """The same where the network of `task` is that of `start`, wider."""

    @property
    def recipe(self) -> tuple[str, ...]:
        return (*self.task.recipe, "widening")

    def build(self, seed: int) -> nn.Module:
        return widening.widened(self.start.model, self.task.build(seed))


def fit(study: Study, lesson: Lesson) -> Trained:
    """The network of `lesson` trained with noise, now unless it was before.

    The paper's network learns from the paper's sample by the paper's training; all others from
    faces that are not tested, by one and the same training but for its length.
    """
    settings = study.settings
    if lesson.network == "cae-denoising":
        task = supervision.DenoisingAutoencoder(settings.model, settings.training.rotation)
        faces, training = study.side("train")[0], settings.training
    else:
        task, training = supervision.RESTORATIONS[lesson.network], settings.references.training
        faces = study.untested()
        some = np.linspace(0, len(faces), lesson.faces or len(faces), endpoint=False)
        faces = faces[some.astype(int)]
    if before := lesson.start:
        grown = Continued if before.network == lesson.network else Widened
        task = grown(task, fit(study, before), before.all_epochs)
    if training.compile:
        device.compile_each_shape()
    seed = settings.seed + lesson.seed + lesson.all_epochs - lesson.epochs  # no draw comes again
    rate = training.learning_rate * lesson.rate
    return learning.fit(
        task, faces, seed, replace(training, epochs=lesson.epochs, learning_rate=rate)
    )


def networks(study: Study) -> dict[tuple[str, int], Reference]:
    """Every trained network of the study by name and seed: the paper's, and those of the lessons;
    those of MIRRORED in a second version."""
    found = {}
    for seed in study.settings.training_seeds:
        found["cae", seed] = trained("cae", study.trained("cae", seed).model)
    for lesson in study.settings.references.networks:
        name, label = _named(study, lesson)
        reference = trained(lesson.network, fit(study, lesson).model)
        found[name, study.settings.seed + lesson.seed] = replace(reference, label=label)
    for (name, seed), reference in list(found.items()):
        if name in MIRRORED:
            method = mirrored(reference.method)
            found[f"{name}-mirrored", seed] = replace(
                reference, label=MIRRORED[name], method=method
            )
    return found


def _named(study: Study, lesson: Lesson) -> tuple[str, str]:
    """Name and label of a lesson: those of its network, or, where another lesson of the same
    network is longer, with the number of epochs."""
    same = [x for x in study.settings.references.networks if x.network == lesson.network]
    label = TRAINED[lesson.network][0]
    if lesson.all_epochs == max(other.all_epochs for other in same):
        return lesson.network, label
    return lesson.name, f"{label}, {lesson.all_epochs} epochs"


def budgets(study: Study) -> pd.DataFrame:
    """What the lessons took: one row a network, with the number of its trainings, and of the first
    of them the images seen, how many of them different, the arithmetic of their way forward (`cost`
    says what is counted), minutes where it was trained, the last epoch's loss, and by which share
    it fell in the last fifth of the epochs since the learning rate last rose."""
    lessons = study.settings.references.networks
    again = [lesson.again(0) for lesson in lessons]
    rows = {
        _named(study, lesson)[1]: {"trainings": again.count(lesson), **_budget(study, lesson)}
        for lesson in lessons
        if not lesson.seed
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def _budget(study: Study, lesson: Lesson) -> dict[str, float]:
    own = lesson.network == "cae-denoising"
    faces = len(study.side("train")[0] if own else study.untested())
    each = faces if own else study.settings.references.training.epoch_images
    courses = {course: fit(study, course) for course in lesson.courses}
    history = [epoch for course in courses.values() for epoch in course.history]
    loss = [epoch["train_loss"] for epoch in courses[lesson].history]
    work = sum(
        course.own_images(each, faces) * _operations(course.network, fitted.model)
        for course, fitted in courses.items()
    )
    return {
        "images seen": lesson.images(each, faces),
        "different faces": faces,
        "trillion operations": work / 1e12,
        "minutes": sum(epoch["seconds"] for epoch in history) / 60,
        "last loss": loss[-1],
        "fell": 1 - loss[-1] / loss[len(loss) * 4 // 5 - 1],
    }


def _operations(name: str, model: nn.Module) -> int:
    """The arithmetic for one image."""
    method, image = trained(name, model).method, torch.zeros(1, 1, SIDE, SIDE)
    return cost.flops(lambda noisy: method(noisy, PROTOCOLS["camera noise"], 0.0), image)


def trained(name: str, model: nn.Module) -> Reference:
    """A trained network of TRAINED; those named after the paper's see 96x96 RGB."""
    label, learns = TRAINED[name]
    method = evaluation.network(model) if name.startswith("cae") else restorer(model)
    return Reference(label, learns, False, sum(p.numel() for p in model.parameters()), method)


def learnt_mixture(faces: np.ndarray, components: Components, settings: ReferenceConfig) -> Mixture:
    """The prior of faces in patches, learnt now unless the work folder has it."""
    options = asdict(settings.mixture)
    key = weights.key(RECIPE, faces=weights.digest(faces), **options)
    path = WORK / "priors" / f"mixture-{key}.safetensors"
    if not path.exists():
        _save(path, mixture.fit(faces, components, **options))
    return _load(path, components, faces.shape[1:], settings)


def _save(path, prior: Mixture) -> None:
    tensors = {"axes": prior.axes}
    for number, place in enumerate(prior.places):
        parts = {"corner": np.array(place.corner), "weights": place.weights}
        parts |= {"means": place.means, "covariances": place.covariances}
        tensors |= {f"{number}.{name}": array for name, array in parts.items()}
    weights.save(path, {name: torch.tensor(array) for name, array in tensors.items()})


def _load(path, components: Components, size, settings: ReferenceConfig) -> Mixture:
    arrays = {name: tensor.numpy() for name, tensor in weights.load(path)[0].items()}
    places = []
    for number in range(sum(name.endswith(".corner") for name in arrays)):
        parts = weights.nested(str(number), arrays)
        places.append(Place(**parts | {"corner": tuple(parts["corner"].tolist())}))
    return Mixture(tuple(size), settings.mixture.side, components, arrays["axes"], places)
