"""Profiles, frozen settings, every path of the project, and recipes, which determine a training;
without numpy and torch, so that the command line plans a run in a fraction of a second."""

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
REPORTS = Path(os.environ.get("FER_REPORTS") or ROOT / "reports").resolve()
#: Decoded data, checkpoints, executed notebooks: all of it can be deleted and made again.
WORK = Path(os.environ.get("FER_WORK") or ROOT / "work").resolve()
#: Version of the core's results: raised when its code changes a table of any chapter.
VERSION = 4
#: Version of the rule that splits a data set (docs/protocol.md): raised when the split changes.
SPLIT_VERSION = 1


class UserError(ValueError):
    """A mistake in the user's input; the message is one line: what, where, what to do."""


def one_of(what: str, value: str, known) -> None:
    """Raise UserError, which lists `known`, unless `value` is one of them."""
    if value not in [*known]:
        raise UserError(f"unknown {what} {value!r:.60}: choose one of {', '.join(known)}")


# Never change a default below, or what it does: the keys of trainings leave it out (see `Recipe`).


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The paper's network (section "Model"). What the paper leaves open is a setting here.

    width: factor on every channel count; 1 gives the paper's 243.6 M parameters. blocks: False is
    the authors' first network (commit aced6371), with one convolution in place of each residual
    block and a decoder of eight layers. residual: False removes only the four skip connections
    (paper, figure 5). norms: False removes only the batch norms of the blocks' main path.
    projection: of the skip, a 1x1 convolution ("conv") or one with a batch norm ("conv_norm").
    code: activation after the encoder's last convolution, "relu" or "identity". output: the last
    activation, "tanh" with the range of the data, [-1, 1], or "sigmoid" with [0, 1]."""

    width: float = 1.0
    blocks: bool = True
    residual: bool = True
    norms: bool = True
    projection: str = "conv"
    code: str = "relu"
    output: str = "tanh"

    def __post_init__(self):
        one_of("projection", self.projection, ("conv", "conv_norm"))
        one_of("code", self.code, ("relu", "identity"))
        one_of("output", self.output, ("tanh", "sigmoid"))
        if not 0 < self.width <= 4:
            raise UserError(f"width {self.width} is out of range: give a number above 0, at most 4")


_AS_RUN = ModelConfig(projection="conv_norm", code="identity", output="sigmoid")
_MATCHED = replace(_AS_RUN, output="tanh")
_BARE = {"norms": False, "projection": "conv"}
NETWORKS = {
    # The paper's network as in its authors' code, and the same with only the output changed.
    "as-run": _AS_RUN,
    "range-matched": _MATCHED,
    # The same two without skip connections, without any batch norm, or with neither (chapter 3).
    "as-run-plain": replace(_AS_RUN, residual=False),
    "as-run-no-norms": replace(_AS_RUN, **_BARE),
    "as-run-bare": replace(_AS_RUN, residual=False, **_BARE),
    "range-matched-plain": replace(_MATCHED, residual=False),
    "range-matched-no-norms": replace(_MATCHED, **_BARE),
    "range-matched-bare": replace(_MATCHED, residual=False, **_BARE),
    # The authors' first network: figure 5.
    "early": ModelConfig(blocks=False, output="sigmoid"),
    # Our reading of the paper before we knew the authors' code, and its ablation.
    "cae": ModelConfig(),
    "cae-plain": ModelConfig(residual=False),
}
#: The two arms of the ablation (chapter 3): the same network with and without skips.
VARIANTS = ("cae", "cae-plain")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Settings of a training (paper, section "Training").

    augmented: random flips, and rotations by up to 10 degrees (paper, section "Data"). precision:
    "auto" is bfloat16 autocast where the hardware multiplies bfloat16, else float32. compile: use
    torch.compile; pays off in long trainings. gradient_epochs: number of first epochs in which each
    layer's gradient norm is recorded. schedule: of the learning rate, "constant" or "cosine", which
    ends at 0. epoch_images: number of images drawn for each epoch, None for all. threads: of a CPU;
    1 for small trainings, which run in parallel, 0 for torch's default."""

    epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 1e-4
    augmented: bool = True
    precision: str = "auto"
    compile: bool = False
    gradient_epochs: int = 3
    schedule: str = "constant"
    epoch_images: int | None = None
    threads: int = 0

    def __post_init__(self):
        one_of("precision", self.precision, ("auto", "float32", "bfloat16"))
        one_of("schedule", self.schedule, ("constant", "cosine"))
        if self.epochs < 1 or self.batch_size < 1 or not self.learning_rate > 0:
            raise UserError("epochs, batch_size and learning_rate must be positive")


@dataclass(frozen=True, kw_only=True)
class Part:
    """Which faces of a data set a training learns from; `Study.images` finds them.

    data: the set's checksum. name: "paper" (the paper's sample) or "learning" in the split of now,
    "sample" or "untested" in the earlier random split, version 0. train, test: sizes of the sample,
    None for all. count: use only this many faces, evenly spaced."""

    data: str
    name: str
    version: int = SPLIT_VERSION
    seed: int = 0
    train: int | None = None
    test: int | None = None
    count: int | None = None


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that decides a training, as plain values.

    task: what is learnt. version: of the task's code, declared beside its plan. It is raised when
    the same settings give another network, which tests/test_golden.py detects. network: its name in
    tables. model: the network's settings, a frozen dataclass of plain values. start: the recipe of
    the training whose weights it starts from (a warm start)."""

    task: str
    version: int
    network: str
    model: object
    training: TrainConfig
    part: Part
    seed: int
    start: "Recipe | None" = None

    @property
    def key(self) -> str:
        """NETWORK-HASH: the name of the training. The hash ignores settings at their defaults,
        except `version`: a new setting whose default is the old behaviour changes no key."""
        text = json.dumps(_chosen(self), sort_keys=True)
        return f"{self.network}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    @property
    def stages(self) -> tuple["Recipe", ...]:
        """The recipes of the trainings that it starts from, earliest first, then itself."""
        return (*(self.start.stages if self.start else ()), self)


def _chosen(value):
    """A dataclass as a dict of its `version` and fields not at their defaults; others unchanged."""
    if not dataclasses.is_dataclass(value):
        return value
    fields = ((f, getattr(value, f.name)) for f in dataclasses.fields(value))
    return {f.name: _chosen(v) for f, v in fields if v != f.default or f.name == "version"}


@dataclass(frozen=True, kw_only=True)
class Config:
    """The settings of a run that all chapters share; `audit` and `methods` have their own plans.

    width, training: of the paper's network. seed: of the split, the noise and the first training;
    later ones count up from it. seeds: trainings of each network. train_images, test_images: sizes
    of the paper's sample; None takes every image, one fifth of them for testing. levels: the noise
    factors of tables I and II. resamples: random draws of images for chapter 5's intervals."""

    profile: str
    width: float
    training: TrainConfig
    seed: int = 0
    seeds: int = 3
    train_images: int | None = 3200
    test_images: int | None = 800
    levels: tuple[float, ...] = (0.0, 0.15, 0.3, 0.5)
    resamples: int = 2000

    @property
    def training_seeds(self) -> range:
        return range(self.seed, self.seed + self.seeds)

    def model(self, network: str, width: float | None = None) -> ModelConfig:
        """The settings of one of NETWORKS, at `width` or else at the profile's width."""
        one_of("network", network, NETWORKS)
        return replace(NETWORKS[network], width=self.width if width is None else width)

    def part(self, data: str, name: str, *, version: int = SPLIT_VERSION, count=None) -> Part:
        """A part of the data set with the checksum `data`, with the sample sizes of this run."""
        sizes = {"train": self.train_images, "test": self.test_images}
        return Part(data=data, name=name, version=version, seed=self.seed, count=count, **sizes)


#: Version of the task "reconstruction".
RECONSTRUCTION = 1


def reconstruction(
    settings: Config, part: Part, network: str, seed: int, *, width: float | None = None, **changes
) -> Recipe:
    """The recipe that trains one of NETWORKS to reproduce its input; changes: of `TrainConfig`."""
    return Recipe(
        task="reconstruction",
        version=RECONSTRUCTION,
        network=network,
        model=settings.model(network, width),
        training=replace(settings.training, **changes),
        part=part,
        seed=seed,
    )


def recipes(settings: Config, data: str) -> list[Recipe]:
    """The recipes of chapters 2 to 4, on the data set with the checksum `data`."""
    part = settings.part(data, "sample", version=0)
    seeds = settings.training_seeds
    return [reconstruction(settings, part, name, seed) for name in VARIANTS for seed in seeds]


_PAPER = Config(profile="paper", width=1.0, training=TrainConfig(compile=True))
#: A short training needs a larger learning rate and smaller batches.
_SHORT = TrainConfig(epochs=5, batch_size=8, learning_rate=1e-3, threads=1)
_BRIEF = replace(_SHORT, epochs=2, batch_size=16, gradient_epochs=1)
_SMOKE = Config(profile="smoke", width=1 / 32, training=_BRIEF, seeds=2, resamples=200)
PROFILES = {
    "smoke": replace(_SMOKE, train_images=48, test_images=12),
    "quick": Config(  # at width 1/32, one of two trainings learns nothing
        profile="quick", width=3 / 64, training=_SHORT, seeds=2, train_images=320, test_images=80
    ),
    "cpu": Config(profile="cpu", width=1 / 8, training=TrainConfig(compile=True, threads=1)),
    "paper": _PAPER,
    "full": replace(_PAPER, profile="full", train_images=None, test_images=None),
}


def load(profile: str, seed: int = 0, seeds: int = 0) -> Config:
    """The settings of a profile; seeds: trainings of each network, 0 for the profile's number.
    Raises UserError for an unknown profile, listing the known ones, or for a negative number."""
    one_of("profile", profile, PROFILES)
    if not all(isinstance(number, int) and number >= 0 for number in (seed, seeds)):
        raise UserError(f"seed {seed!r:.30}, seeds {seeds!r:.30}: give whole numbers from 0 up")
    settings = PROFILES[profile]
    return replace(settings, seed=seed, seeds=seeds or settings.seeds)


def run_name(dataset: str, settings: Config) -> str:
    """The name of a run's folders."""
    return f"{dataset}-{settings.profile}"
