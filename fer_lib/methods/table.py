"""Every method beside the paper's autoencoder as an `evaluation.Method`, and what is said of it; on
gray images in [0, 1], the protocol *camera noise*. Those made for one noise level are made when it
is first asked for; told that there is no noise, they return the image as it is."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import nn

from fer_lib import evaluation, pipeline
from fer_lib.config import Part
from fer_lib.evaluation import Method
from fer_lib.methods import clipping, filters, lessons, linear, mixture, plans
from fer_lib.methods.networks import restore
from fer_lib.study import Study

#: Estimated levels become the nearest of these, so that few denoisers have to be made.
LEVELS = (0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1)


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A method and all that is said of it.

    label: for tables. learns: from "nothing", "clean" images, "pairs" of noisy and clean ones, or
    "noisy" ones alone. told: whether it is told the noise level; if not, it is blind. parameters:
    numbers that it keeps. family: versions of one method share it and are no rivals. methods: one
    for each of its trainings, or the one there is."""

    label: str
    learns: str
    told: bool = False
    parameters: int = 1
    family: str = ""
    methods: tuple[Method, ...]

    @property
    def method(self) -> Method:
        """Of several trainings the first."""
        return self.methods[0]


def by_seed(references: dict[str, Reference], seed: int) -> dict[tuple[str, int], Method]:
    """Every training as `evaluation.score` takes it; their seeds count up from that of the run."""
    return {(name, seed + n): m for name, r in references.items() for n, m in enumerate(r.methods)}


def about(references: dict[str, Reference]) -> pd.DataFrame:
    """What is said of each method, by name: label, learns, and level ("told" or "blind")."""
    rows = [(r.label, r.learns, "told" if r.told else "blind") for r in references.values()]
    return pd.DataFrame(rows, list(references), ["label", "learns", "level"])


def tune(study: Study, levels: Sequence[float], **options) -> pd.DataFrame:
    """`filters.curves` on faces that the paper's sample trains on, with noise of their own."""
    (sample, rows), settings = study.side("train"), study.settings
    random, plan = np.random.default_rng(settings.seed), plans.PLANS[settings.profile]
    chosen = random.choice(len(sample), plan.tuning, replace=False)
    clean, ids = pipeline.to_unit(torch.tensor(sample[chosen])), rows["id"].to_numpy()[chosen]
    names = [name for name, one in filters.FILTERS.items() if plan.slow or not one.slow]
    options = {"ids": ids, "seed": settings.seed + 1, "names": names} | options
    return filters.curves(clean, levels, **options)


def filtered(curves: pd.DataFrame, corrected: bool = False) -> dict[str, Reference]:
    """The filters in `curves` of one noise, each with its best strength at each level, either of
    its output as it is or of the corrected one."""
    best = filters.best(curves, corrected).set_index("level")
    return {
        name: Reference(
            label=filters.FILTERS[name].label,
            learns="nothing",
            told=name != "noisy",
            methods=(functools.partial(_filter, name, rows[["scale", "strength"]]),),
        )
        for name, rows in best.groupby("method", sort=False)
    }


def _filter(name: str, tuned: pd.DataFrame, noisy, protocol, level) -> torch.Tensor:
    return filters.apply(name, noisy, *tuned.loc[level]) if level else noisy


def blurred(study: Study) -> dict[str, Reference]:
    """The Gaussian blur of chapter 4: one strength for all levels, so it is blind."""
    (sample, rows), settings = study.side("train"), study.settings
    few = slice(None, None, max(1, len(sample) // 64))
    options = {"levels": settings.levels, "seed": settings.seed + 1}
    sigmas = evaluation.choose_blur(sample[few], rows["id"].to_numpy()[few], **options)
    method = evaluation.blur(sigmas)
    return {"blur": Reference(label="one Gaussian blur", learns="nothing", methods=(method,))}


def from_clean(study: Study, part: Part | None = None) -> dict[str, Reference]:
    """The methods that learn from clean faces alone: from `part`, else all that are not tested."""
    faces = study.images(part or study.part("untested", version=0))
    plan, references = plans.PLANS[study.settings.profile], {}
    components = linear.fit(faces)
    prior = mixture.learnt(faces, components, plan.mixture)

    def add(name: str, label: str, method: Method, **facts) -> None:
        references[name] = Reference(label=label, learns="clean", methods=(method,), **facts)

    for k in plan.ladder:
        method = fixed(linear.pca(components, k))
        add(f"pca-{k}", f"PCA, {k} axes", method, parameters=(k + 1) * components.mean.size)
    wiener, clamped = (per_level(f, components) for f in (linear.wiener, linear.clamped_wiener))
    matrix = {"told": True, "parameters": components.axes.size}
    add("wiener", "Wiener filter on PCA", wiener, **matrix)
    add("clamped-wiener", "Wiener filter, clamped noise", clamped, **matrix)
    told = per_level(mixture.denoiser, prior)
    ours = {"parameters": prior.parameters, "family": "mixture"}
    add("mixture", "our patch mixture", told, told=True, **ours)
    add("mixture-blind", "our patch mixture, level estimated", estimated(told), **ours)
    return references


def fixed(denoise: linear.Denoiser) -> Method:
    """A denoiser that does the same at every level."""
    return lambda noisy, protocol, level: denoise(noisy)


def per_level(build: Callable, learnt) -> Method:
    """A denoiser made by build(learnt, level) for each level; the last few asked for are kept."""
    # Of the largest patch mixture, one takes some seconds to make and 230 MB.
    make = functools.lru_cache(maxsize=8)(functools.partial(build, learnt))
    return lambda noisy, protocol, level: make(level)(noisy) if level else noisy


def estimated(method: Method) -> Method:
    """`method` made blind: the level of each image is estimated from the image."""

    def blind(noisy, protocol, level):
        ladder = torch.tensor(LEVELS, dtype=torch.float64)
        levels = ladder[(clipping.estimate_level(noisy)[:, None] - ladder).abs().argmin(dim=1)]
        output = torch.empty_like(noisy)
        for one in levels.unique().tolist():
            output[levels == one] = method(noisy[levels == one], protocol, one)
        return output

    return blind


def networks(study: Study) -> dict[str, Reference]:
    """Every trained network of the study: the paper's, those of the profile's plan, and the second
    versions of those that have one."""
    plan = plans.PLANS[study.settings.profile]
    asked = study.settings, study.faces.checksum
    models = [study.trained("cae", seed).model for seed in study.settings.training_seeds]
    references = {"cae": network("cae", *models)}
    for name, schedule in plan.named.items():
        recipes = [plans.recipe(schedule, *asked, n) for n in range(plan.trainings)]
        models = [lessons.train(study, recipe).model for recipe in recipes]
        references[name] = network(name, *models)
    for name, reference in list(references.items()):
        if name in plans.NETWORKS and (label := plans.NETWORKS[name].mirrored):
            methods = tuple(map(mirrored, reference.methods))
            references[f"{name}-mirrored"] = replace(reference, label=label, methods=methods)
    return references


def network(name: str, *models: nn.Module) -> Reference:
    """All trainings of a network, by its name in tables; none is told the level."""
    family = name.partition(",")[0]
    facts = plans.NETWORKS[family]
    return Reference(
        label=facts.label + name.removeprefix(family),
        learns=facts.learns,
        parameters=sum(p.numel() for p in models[0].parameters()),
        family=family,
        methods=tuple(map(restorer if facts.model else evaluation.network, models)),
    )


def restorer(model: nn.Module) -> Method:
    """A trained network for gray images as a method."""
    return lambda noisy, protocol, level: restore(model, noisy)


def mirrored(method: Method) -> Method:
    """Test-time augmentation: the mean of what `method` makes of an image and its mirror image."""

    def both(noisy, protocol, level):
        other = method(noisy.flip(-1), protocol, level).flip(-1)
        return (method(noisy, protocol, level) + other) / 2

    return both
