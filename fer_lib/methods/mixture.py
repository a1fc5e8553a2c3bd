"""A prior of faces in patches, learnt from clean faces only; denoising with it is closed form.

At each place of the face, a patch and the whole face's first principal components (its context)
are together a mixture of a few Gaussians: flat or textured, left light or right. Given clamped
noise of any known level, each Gaussian has its Wiener estimate and its likelihood; the estimates
are averaged by the likelihoods, and overlapping patches by plain means. It is Zoran & Weiss 2011
("From learning models of natural image patches to whole image restoration", section 4) and Yu,
Sapiro & Mallat 2012 ("piecewise linear estimators", equation 8) with two things added: the patches
know their place and their face, and the clamping is part of the model (`linear.straighten`)."""

import functools
import hashlib
import itertools
import json
from dataclasses import asdict, dataclass

import numpy as np
import scipy.cluster.vq
import torch
from scipy.linalg import solve_triangular

from fer_lib.config import WORK
from fer_lib.methods import linear
from fer_lib.methods.linear import Components, Denoiser
from fer_lib.methods.plans import MixtureConfig
from fer_lib.tools import weights

VERSION = 1  # raised when `fit` learns another prior from the same faces
SAMPLE = 10_000  # patches that find the classes
FEATURES = 24  # principal components of a patch that find the classes
STEPS = 12  # of expectation and maximisation
RIDGE = 1e-2  # variance added to features, whose smallest is 10
PRIOR = 60  # patches' worth of the covariance of all classes of a place, in each of them
BATCH = 50  # images at once
_tensor = functools.partial(torch.tensor, dtype=torch.float32)


@dataclass(frozen=True)
class Place:
    """The mixture at one place: K classes of vectors [patch of p pixels, context of q numbers].
    corner: (2,), row and column of the patch. weights: (K,). means: (K, p + q). covariances:
    (K, p + q, p + q), float32."""

    corner: np.ndarray
    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray


@dataclass(frozen=True)
class Mixture:
    """The prior: places on the left half of the face, the right half being its mirror image. size:
    (H, W) of the images. side: of the patches. components: of the face. axes: the context's (n, q).
    """

    size: tuple[int, int]
    side: int
    components: Components
    axes: np.ndarray
    places: list[Place]

    @property
    def parameters(self) -> int:
        """How many different numbers it keeps; of a covariance, those of one triangle."""
        shapes = (place.means.shape for place in self.places)
        mixtures = sum(k * (1 + length + length * (length + 1) // 2) for k, length in shapes)
        return self.axes.size + self.components.mean.size + mixtures


def learnt(faces: np.ndarray, components: Components, options: MixtureConfig) -> Mixture:
    """The mixture that `fit` learns, now unless the work folder has it."""
    made_of = json.dumps([VERSION, asdict(options), weights.digest(faces)])
    name = f"mixture-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}.safetensors"
    path = WORK / "priors" / name
    if not path.exists():
        places = enumerate(fit(faces, components, options).places)
        named = {f"{n}.{name}": x for n, place in places for name, x in vars(place).items()}
        weights.save(path, {name: torch.as_tensor(x) for name, x in named.items()})
    tensors, places = weights.load(path)[0], []
    while parts := weights.nested(str(len(places)), tensors):
        places.append(Place(**{name: x.numpy() for name, x in parts.items()}))
    axes = components.axes[:, : options.context]
    return Mixture(faces.shape[1:], options.side, components, axes, places)


def fit(faces: np.ndarray, components: Components, options: MixtureConfig) -> Mixture:
    """Learn the mixture from clean `faces` uint8 (N, H, W) and their mirror images; minutes for
    35,000. Raises ValueError unless the places reach all borders."""
    side, size = options.side, faces.shape[1:]
    if any((length - side) % options.step for length in size):
        raise ValueError(f"patches of {side} every {options.step} pixels do not reach all borders")
    images = np.concatenate([faces, faces[:, :, ::-1]]).astype(np.float32) / 255
    axes = components.axes[:, : options.context]
    context = (images.reshape(len(images), -1) - components.mean) @ axes
    context = context.astype(np.float32)
    rows = range(0, size[0] - side + 1, options.step)
    columns = range(0, (size[1] - side) // 2 + 1, options.step)  # of the left half and the middle
    places, random = [], np.random.default_rng(0)
    for row, column in itertools.product(rows, columns):
        patches = images[:, row : row + side, column : column + side].reshape(len(images), -1)
        mixture = _learn(patches, context, options.classes, random)
        places.append(Place(np.array([row, column]), *mixture))
    return Mixture(size, side, components, axes, places)


def _learn(patches: np.ndarray, context: np.ndarray, classes: int, random) -> tuple:
    """Weights, means and covariances of a place: classes from the patches' first components, then
    each class's moments with the context; its covariance is shrunk a little to that of them all."""
    vectors = np.concatenate([patches, context], axis=1)
    mean = vectors.mean(axis=0)
    centred = vectors - mean
    shared = centred.T @ centred / len(centred)
    shared[np.diag_indices(len(shared))] += linear.ROUNDING
    pixels = patches.shape[1]
    labels = _classify(_features(centred[:, :pixels], shared[:pixels, :pixels]), classes, random)
    means, covariances = [], []
    names, counts = np.unique(labels, return_counts=True)
    for name in names:
        part = centred[labels == name]
        means.append(part.mean(axis=0))
        part = part - means[-1]
        covariances.append((part.T @ part + PRIOR * shared) / (len(part) + PRIOR))
    return counts / len(labels), mean + np.stack(means), np.stack(covariances)


def _features(patches: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """The first components of patches (N, p), half-way to equal variances: fine detail counts."""
    variances, axes = np.linalg.eigh(covariance.astype(np.float64))
    variances, axes = variances[::-1][:FEATURES], axes[:, ::-1][:, :FEATURES]
    scale = 10**0.5 * (variances[-1] * variances) ** -0.25
    return patches @ (axes * scale).astype(np.float32)


def _classify(features: np.ndarray, classes: int, random) -> np.ndarray:
    """The most likely class of each of (N, d), by a mixture fitted to a sample of them."""
    sample = features[random.permutation(len(features))[:SAMPLE]]
    _, labels = scipy.cluster.vq.kmeans2(sample, classes, iter=8, minit="++", rng=random)
    chances = np.eye(classes, dtype=np.float32)[labels]
    for _ in range(STEPS):
        mixture = _maximise(sample, chances)
        logs = _expect(sample, mixture)
        chances = np.exp(logs - np.logaddexp.reduce(logs, axis=1, keepdims=True))
    return _expect(features, _maximise(sample, chances)).argmax(axis=1)


def _maximise(sample: np.ndarray, chances: np.ndarray) -> list[tuple]:
    """Weight, mean and covariance of each class, from the chances (N, K) that it made a row."""
    mixture = []
    for chance in chances.T[chances.sum(axis=0) > 1]:
        mean = chance @ sample / chance.sum()
        rest = sample - mean
        covariance = (rest.T * chance) @ rest / chance.sum()
        mixture.append((chance.mean(), mean, covariance + RIDGE * np.eye(len(mean))))
    return mixture


def _expect(features: np.ndarray, mixture: list[tuple]) -> np.ndarray:
    """The logarithm of each class's share in the density of each row, (N, K), up to a constant."""
    logs = []
    for weight, mean, covariance in mixture:
        whiten = np.linalg.inv(np.linalg.cholesky(covariance)).T.astype(np.float32)
        distance = np.square((features - mean.astype(np.float32)) @ whiten).sum(axis=1)
        logs.append(np.log(weight) + np.log(np.diag(whiten)).sum() - distance / 2)
    return np.stack(logs, axis=1)


def denoiser(mixture: Mixture, level: float) -> Denoiser:
    """The mixture's denoiser for clamped noise of a known level above 0; seconds."""
    faces = mixture.components
    variances = faces.axes**2 @ faces.variances  # the diagonal of the covariance, much sooner
    centre, gain, noise = linear.straighten(faces.mean, variances, level)
    context, estimators = mixture.axes / gain[:, None], []
    pixels = np.arange(noise.size).reshape(mixture.size)
    for place in mixture.places:
        window = ..., *(slice(start, start + mixture.side) for start in place.corner)
        estimate = _estimator(place, pixels[window].ravel(), context, noise, level)
        estimators.append((window, estimate))
    centre, context = _tensor(centre), _tensor(context)

    @torch.inference_mode()
    def denoise(noisy: torch.Tensor) -> torch.Tensor:
        parts = []
        for part in noisy.split(BATCH):  # mirror images too: the places are those of the left half
            images = torch.cat([part, part.flip(-1)]).squeeze(1)
            contexts = (images.flatten(1) - centre) @ context
            sums = torch.zeros(2, *images.shape)  # of all estimates of a pixel, and their number
            for window, estimate in estimators:
                patches = images[window]
                estimates = estimate(torch.cat([patches.flatten(1), contexts], dim=1))
                sums[0][window] += estimates.view(patches.shape)
                sums[1][window] += 1
            one, mirrored = sums.chunk(2, dim=1)
            total, count = one + mirrored.flip(-1)
            parts.append(total / count)
        return torch.cat(parts).clamp(0, 1).unsqueeze(1)

    return denoise


def _estimator(place: Place, here, context: np.ndarray, noise: np.ndarray, level: float):
    """What a place does at one level: a function of observations o (N, d), each a patch and its
    context, to the patches' posterior means (N, p).
    z = o whiten - offset, (d,) for each class and there of variance 1; the log likelihood is
    constant - |z|^2 / 2, the estimate means + z restore. here: its pixels; noise: all variances."""
    shared = (context.T * noise) @ context, context[here], noise[here]
    pairs = zip(place.means, place.covariances, strict=True)
    parts = [_wiener(m.astype(float), s.astype(float), shared, level) for m, s in pairs]
    whiten, offset, restore = (np.stack(part) for part in zip(*parts, strict=True))
    constant = np.log(place.weights) + np.log(np.diagonal(whiten, axis1=1, axis2=2)).sum(axis=1)
    whiten, offset = _tensor(np.concatenate(whiten, axis=1)), _tensor(offset.ravel())
    restore, constant = _tensor(restore.reshape(-1, len(here))), _tensor(constant)
    means = _tensor(place.means[:, : len(here)])

    def estimate(observed: torch.Tensor) -> torch.Tensor:
        z = (observed @ whiten - offset).view(len(observed), len(constant), -1)
        chances = (constant - z.square().sum(dim=2) / 2).softmax(dim=1)
        return chances @ means + (chances.unsqueeze(2) * z).flatten(1) @ restore

    return estimate


def _wiener(mean: np.ndarray, covariance: np.ndarray, shared: tuple, level: float) -> tuple:
    """One class: whiten (d, d), offset (d,) and restore (d, p) of `_estimator`. The observation is
    its clean vector with the patch times the gain, plus the noise e of the pixels and that of the
    context, which is linear in the same e. `shared`: the context's noise, the part of its matrix
    for this patch, and the noise of the average face at the patch."""
    context_noise, context, average = shared
    p = len(average)
    centre, slope, noise = linear.straighten(mean[:p], np.diag(covariance)[:p], level)
    gain = np.concatenate([slope, np.ones(len(mean) - p)])
    cross = noise[:, None] * context
    context_noise = context_noise + (context.T * (noise - average)) @ context
    signal = gain[:, None] * covariance
    observed = signal * gain + np.block([[np.diag(noise), cross], [cross.T, context_noise]])
    # A triangle is inverted three times as fast as a matrix: this is most of the time.
    root = np.linalg.cholesky(observed)
    whiten = solve_triangular(root, np.eye(len(root)), lower=True, check_finite=False).T
    offset = np.concatenate([centre, mean[p:]]) @ whiten
    return whiten, offset, whiten.T @ signal[:, :p]
