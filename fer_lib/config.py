"""Profiles, their frozen settings, and every path of the project.

This module knows about nothing else in `fer_lib` and imports no torch, so that the
command line can check its words in a fraction of a second.
"""

import os
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
REPORTS = Path(os.environ.get("FER_REPORTS") or ROOT / "reports").resolve()
#: Decoded data, checkpoints, executed notebooks: all of it can be deleted and made again.
WORK = Path(os.environ.get("FER_WORK") or ROOT / "work").resolve()


class UserError(ValueError):
    """A mistake in what the user gave; the message is one line: what, where, what to do."""


def _one_of(what: str, value: str, known) -> None:
    if value not in known:
        raise UserError(f"unknown {what} {value!r}: choose one of {', '.join(known)}")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The network (paper, section "Model"). Where the paper is silent the choice has a name here.

    width: factor on every channel count; 1 is the paper's 243.6 M parameters.
    residual: False removes the four skip connections and nothing else (paper, figure 5).
    projection: of the skip to the block's channels; a 1x1 convolution, or one with a batch norm.
    activation: after every convolution outside the residual blocks but the last.
    output: the last layer's range; "tanh" keeps it in the data's own [-1, 1].
    """

    width: float = 1.0
    residual: bool = True
    projection: str = "conv"
    activation: str = "relu"
    output: str = "tanh"

    def __post_init__(self):
        _one_of("projection", self.projection, ("conv", "conv_norm"))
        _one_of("activation", self.activation, ("relu", "identity"))
        _one_of("output", self.output, ("tanh", "identity"))
        if not 0 < self.width <= 4:
            raise UserError(f"width {self.width} is out of range: give a number above 0, at most 4")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The training (paper, section "Training").

    rotation: largest rotation in degrees, drawn uniformly from [-rotation, rotation].
    precision: "auto" is bfloat16 autocast where the hardware multiplies it, else float32.
    compile: torch.compile; pays off in long trainings, needs a C++ compiler on CPU.
    gradient_epochs: epochs in which each layer's gradient norm is recorded.
    schedule: of the learning rate, "constant" or "cosine", which ends at 0.
    epoch_images: images an epoch draws from all that are given; None draws them all.
    """

    epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 1e-4
    rotation: float = 10.0
    precision: str = "auto"
    compile: bool = False
    gradient_epochs: int = 3
    schedule: str = "constant"
    epoch_images: int | None = None

    def __post_init__(self):
        _one_of("precision", self.precision, ("auto", "float32", "bfloat16"))
        _one_of("schedule", self.schedule, ("constant", "cosine"))
        if self.epochs < 1 or self.batch_size < 1 or not self.learning_rate > 0:
            raise UserError("epochs, batch_size and learning_rate must be positive")


@dataclass(frozen=True, kw_only=True)
class MixtureConfig:
    """The prior of faces in patches: see `mixture.fit`."""

    side: int = 12
    step: int = 4
    classes: int = 16
    context: int = 64


@dataclass(frozen=True)
class Lesson:
    """One training with noise.

    network: a name in `references.TRAINED`. epochs: of the training. faces: it learns from so many
    of those that are not tested, evenly spaced; None takes them all. start: the training whose
    weights it starts from, of the same network or of a narrower one. seed: counted from the run's.
    rate: its share of the learning rate that all others have.
    """

    network: str
    epochs: int
    faces: int | None = None
    start: "Lesson | None" = None
    seed: int = 0
    rate: float = 1.0

    @property
    def courses(self) -> tuple["Lesson", ...]:
        """It, and before it all that it goes on from."""
        return (*(self.start.courses if self.start else ()), self)

    @property
    def all_epochs(self) -> int:
        return sum(course.epochs for course in self.courses)

    def again(self, seed: int) -> "Lesson":
        """The same from another seed, from its start on."""
        return replace(self, seed=seed, start=self.start and self.start.again(seed))

    def images(self, each: int, faces: int) -> int:
        """The images seen in all, with `each` an epoch at most, of `faces` that there are."""
        return sum(course.own_images(each, faces) for course in self.courses)

    def own_images(self, each: int, faces: int) -> int:
        """The same of its own course only."""
        return self.epochs * min(each, self.faces or faces)

    @property
    def name(self) -> str:
        some = "" if self.faces is None else f", {self.faces} faces"
        return f"{self.network}, {self.all_epochs} epochs{some}"


@dataclass(frozen=True, kw_only=True)
class ReferenceConfig:
    """What chapter 6 sets beside the autoencoder.

    tuning: training images on which the filters' strengths are chosen.
    ladder: numbers of principal components kept.
    other_images: test images that meet other noise, evenly spaced (chapter 7).
    networks: the trainings with noise. trend: trainings that differ in one thing, by its name in
        `limit.AXES`, rising. training: that of them all, but for the epochs, and but for the
        paper's network, which keeps its own.
    """

    tuning: int = 64
    ladder: tuple[int, ...] = (16, 32, 64, 128, 256)
    other_images: int = 200
    mixture: MixtureConfig = MixtureConfig()
    networks: tuple[Lesson, ...] = ()
    trend: dict[str, tuple[Lesson, ...]] = field(default_factory=dict)
    training: TrainConfig = TrainConfig(
        batch_size=16,
        learning_rate=1e-3,
        schedule="cosine",
        epoch_images=8000,
        compile=True,
        gradient_epochs=0,
    )


@dataclass(frozen=True, kw_only=True)
class Config:
    """One run of the study.

    seed: drives the split, the noise and, counting up from it, the trainings.
    seeds: trainings of each model.
    train_images, test_images: sizes of the sample; None takes every image, split 80/20.
    levels: the noise factors of the paper's tables I and II.
    resamples: draws of each bootstrap.
    audit_widths: widths at which chapter 5 scores its grid of procedures, rising.
    audit_small: leave out of that grid what takes longest.
    references: the other methods, chapter 6.
    """

    profile: str
    model: ModelConfig
    training: TrainConfig
    seed: int = 0
    seeds: int = 3
    train_images: int | None = 3200
    test_images: int | None = 800
    levels: tuple[float, ...] = (0.0, 0.15, 0.3, 0.5)
    resamples: int = 2000
    audit_widths: tuple[float, ...] = (1 / 32, 1 / 16, 1 / 8)
    audit_small: bool = False
    references: ReferenceConfig = ReferenceConfig()

    @property
    def training_seeds(self) -> range:
        return range(self.seed, self.seed + self.seeds)

    def as_dict(self) -> dict:
        """The settings as plain values, for JSON."""
        return asdict(self)


#: The two arms of the ablation (paper, figures 4 and 5): the same network with and without skips.
VARIANTS = {"cae": True, "cae-plain": False}

_SHORT = {"train_images": 320, "test_images": 80}
_NOISY = ReferenceConfig().training
_LONGER = Lesson("compact", 24, start=Lesson("compact", 30))
_LONGEST = Lesson("compact", 36, start=_LONGER)
#: It starts as ours, so that no hours are spent on learning what ours knows, and with a tenth of
#: the learning rate, as Net2Net's authors do, so that it does not forget it.
_ORACLE = Lesson("compact-large", 5, start=_LONGEST, rate=0.1)
#: 8,000 images an epoch. Rivals have equal budgets, and `compact` has it too, besides its own.
_FIELD = (
    Lesson("cae-denoising", 30),
    *(Lesson(name, 8) for name in ("gondara", "xie", "dncnn", "compact")),
    *(Lesson(name, 8) for name in ("compact-mse", "noise2noise", "neighbor2neighbor")),
    _LONGEST,
)


def _trend(
    epochs: int, images: int, *, shorter: int, fewer: int, longer: tuple[Lesson, ...] = ()
) -> dict:
    """`compact` with one thing varied at a time about a training of some `epochs` with so many
    `images` each: other numbers of epochs, `fewer` faces shown as often in all, half the channels.
    """
    base = Lesson("compact", epochs)
    return {
        "time": (Lesson("compact", shorter), base, *longer),
        "data": (Lesson("compact", epochs * images // fewer, fewer), base),
        "parameters": (Lesson("compact-small", epochs), base),
    }


def _from_seeds(lessons: tuple[Lesson, ...], count: int) -> tuple[Lesson, ...]:
    """Each from `count` seeds: two trainings of one network differ too."""
    return tuple(lesson.again(seed) for lesson in lessons for seed in range(count))


#: The oracle, which takes four times the arithmetic of ours, has one seed on a CPU.
_REFERENCES = ReferenceConfig(
    networks=(*_from_seeds(_FIELD, 2), _ORACLE),
    trend=_trend(8, 8000, shorter=2, fewer=3200, longer=(_LONGER.start, _LONGER, _LONGEST)),
)
_ON_GPU = replace(_REFERENCES, networks=_from_seeds((*_FIELD, _ORACLE), 3))
PROFILES = {
    "smoke": Config(
        profile="smoke",
        model=ModelConfig(width=1 / 32),
        training=TrainConfig(epochs=2, batch_size=16, learning_rate=1e-3, gradient_epochs=1),
        train_images=48,
        test_images=12,
        seeds=2,
        resamples=200,
        audit_widths=(1 / 32,),
        audit_small=True,
        references=ReferenceConfig(
            tuning=4,
            ladder=(8, 32),
            other_images=5,
            mixture=MixtureConfig(step=12, classes=2, context=8),
            networks=(
                Lesson("compact", 2),
                Lesson("compact", 2, seed=1),
                Lesson("compact", 1),
                Lesson("compact-large", 1, start=Lesson("compact", 2)),
            ),
            trend=_trend(2, 48, shorter=1, fewer=24),
            training=replace(_NOISY, epoch_images=48, compile=False),
        ),
    ),
    # A short training needs a larger step: the only setting in which `quick` leaves the paper
    # besides its size.
    "quick": Config(
        profile="quick",
        model=ModelConfig(width=1 / 16),
        training=TrainConfig(epochs=12, batch_size=16, learning_rate=1e-3),
        audit_widths=(1 / 32, 1 / 16),
        audit_small=True,
        references=ReferenceConfig(
            tuning=32,
            other_images=40,
            mixture=MixtureConfig(classes=4),
            networks=(Lesson("compact", 10),),
            trend=_trend(10, 320, shorter=3, fewer=80),
            training=replace(_NOISY, epoch_images=320, compile=False),
        ),
        **_SHORT,
    ),
    "cpu": Config(
        profile="cpu",
        model=ModelConfig(width=1 / 8),
        training=TrainConfig(compile=True),
        audit_widths=(1 / 16, 1 / 8, 1 / 4),
        references=_REFERENCES,
    ),
    "paper": Config(
        profile="paper",
        model=ModelConfig(),
        training=TrainConfig(compile=True),
        audit_widths=(1 / 8, 1 / 4, 1 / 2, 1.0),
        references=_ON_GPU,
    ),
    "full": Config(
        profile="full",
        model=ModelConfig(),
        training=TrainConfig(compile=True),
        train_images=None,
        test_images=None,
        audit_widths=(1 / 8, 1 / 4, 1 / 2, 1.0),
        references=_ON_GPU,
    ),
}


def load(profile: str, seed: int = 0, seeds: int = 0) -> Config:
    """The settings of a profile; `seeds` trainings of each model, 0 for the profile's own number.

    Raises UserError for an unknown profile, naming the known ones, or a negative number.
    """
    _one_of("profile", profile, PROFILES)
    if seed < 0 or seeds < 0:
        raise UserError(f"seed {seed}, seeds {seeds}: give whole numbers from 0 up")
    settings = PROFILES[profile]
    return replace(settings, seed=seed, seeds=seeds or settings.seeds)


def run_name(dataset: str, settings: Config) -> str:
    """The name of a run's folders."""
    return f"{dataset}-{settings.profile}"


def model_config(config: Config, variant: str) -> ModelConfig:
    """The network of one arm of the ablation."""
    _one_of("variant", variant, VARIANTS)
    return replace(config.model, residual=VARIANTS[variant])


def from_dict(cls, values: dict):
    """Rebuild a flat config from its saved values, refusing keys that it does not have."""
    unknown = set(values) - {field.name for field in fields(cls)}
    if unknown:
        raise UserError(f"unknown {cls.__name__} settings: {', '.join(sorted(unknown))}")
    return cls(**values)
