"""The field beside the paper's autoencoder: every reference as an `evaluation.Method`.

All work on gray images in [0, 1], the `native` protocol. Those made for one noise level are made
when it is first asked for; told that there is no noise, they return the image as it is.
"""

import functools
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import torch

from fer_lib import checkpoint, clipping, denoisers, linear, mixture
from fer_lib.config import WORK, ReferenceConfig
from fer_lib.evaluation import Method
from fer_lib.linear import Components
from fer_lib.mixture import Mixture, Place

#: Estimated levels are rounded to this, so that few denoisers have to be made.
STEP = 0.05
#: The modules whose code decides what a prior is.
RECIPE = ("linear", "mixture")


def filtered(name: str, strengths: dict[float, float]) -> Method:
    """A filter of `denoisers` with its own strength at each level."""

    def method(noisy, protocol, level):
        return denoisers.apply(name, noisy, level, strengths[level]) if level else noisy

    return method


def fixed(denoise: Callable[[torch.Tensor], torch.Tensor]) -> Method:
    """A denoiser that does the same at every level."""
    return lambda noisy, protocol, level: denoise(noisy)


def per_level(build: Callable[[float], Callable[[torch.Tensor], torch.Tensor]]) -> Method:
    """A denoiser made by `build` for each level; the last one made is kept."""
    build = functools.lru_cache(maxsize=1)(build)
    return lambda noisy, protocol, level: build(level)(noisy) if level else noisy


def corrected(method: Method) -> Method:
    """`method` with the correction for clipping behind it (`clipping.correct`)."""
    return lambda noisy, protocol, level: clipping.correct(method(noisy, protocol, level), level)


def estimated(method: Method) -> Method:
    """`method` that is not told the level: each image's own is estimated from the image."""

    def blind(noisy, protocol, level):
        levels = (clipping.estimate_level(noisy) / STEP).round() * STEP
        output = torch.empty_like(noisy)
        for own in levels.unique().tolist():
            output[levels == own] = method(noisy[levels == own], protocol, own)
        return output

    return blind


def from_clean(faces: np.ndarray, settings: ReferenceConfig) -> dict[str, Method]:
    """The methods that learn from clean `faces`, uint8 (N, H, W), alone, by name."""
    components = linear.fit(faces)
    prior = learnt_mixture(faces, components, settings)
    ladder = {f"pca-{k}": fixed(linear.pca(components, k)) for k in settings.ladder}
    return ladder | {
        "wiener": per_level(functools.partial(linear.wiener, components)),
        "clamped-wiener": per_level(functools.partial(linear.clamped_wiener, components)),
        "mixture": per_level(functools.partial(mixture.denoiser, prior)),
    }


def learnt_mixture(faces: np.ndarray, components: Components, settings: ReferenceConfig) -> Mixture:
    """The prior of faces in patches, learnt now unless the work folder has it."""
    options = asdict(settings.mixture)
    key = checkpoint.key(RECIPE, faces=checkpoint.digest(faces), **options)
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
    checkpoint.save(path, {name: torch.tensor(array) for name, array in tensors.items()})


def _load(path, components: Components, size, settings: ReferenceConfig) -> Mixture:
    arrays = {name: tensor.numpy() for name, tensor in checkpoint.load(path)[0].items()}
    places = []
    for number in range(sum(name.endswith(".corner") for name in arrays)):
        parts = checkpoint.nested(str(number), arrays)
        places.append(Place(**parts | {"corner": tuple(parts["corner"].tolist())}))
    return Mixture(tuple(size), settings.mixture.side, components, arrays["axes"], places)
