"""What chapters 6 to 8 compare: each trained network in one record, and the plan of each profile.
No torch, so that planning is quick: `networks` has the layers, `supervision` how they learn."""

from dataclasses import dataclass, field, replace

from fer_lib.config import Config, Part, Recipe, TrainConfig, one_of

#: Of what this wing computes: raised when a table of chapters 6 to 8 changes by its code.
VERSION = 3

LOSSES = ("ssim", "mse")


@dataclass(frozen=True)
class RestorerConfig:
    """What decides how a network for gray images learns. Raises UserError for what cannot be.

    architecture: a name in `networks.ARCHITECTURES`. supervision: by pairs of noisy and "clean"
    images, by pairs of noisy ones (Lehtinen et al. 2018, "Noise2Noise"), or by single noisy ones
    (Huang et al. 2021, "Neighbor2Neighbor"). loss: the squared error "mse", which noisy targets
    need, being the best guess of a mean; or 1 - "ssim" with it (Zhao et al., IEEE TCI 2017)."""

    architecture: str
    supervision: str = "clean"
    loss: str = "ssim"

    def __post_init__(self):
        one_of("supervision", self.supervision, ("clean", "noise2noise", "neighbor2neighbor"))
        one_of("loss", self.loss, LOSSES if self.supervision == "clean" else ("mse",))


@dataclass(frozen=True, kw_only=True)
class Network:
    """All that is said of a trained network.

    label: in tables. model: None for the paper's network, which sees 96x96 RGB. learns: from
    "clean" images, "pairs" of noisy and clean ones, or "noisy" ones alone. mirrored: the label of
    its second version with test-time augmentation, the mean of what it makes of an image and of its
    mirror image; "" for none. stages: its trainings in a full study, each as the epochs of its
    schedule stages. version: raised when the same settings train another network."""

    label: str
    model: RestorerConfig | None = None
    learns: str = "pairs"
    mirrored: str = ""
    stages: tuple[tuple[int, ...], ...] = ((8,),)
    version: int = 1


def _restorer(label: str, *learning: str, **facts) -> Network:
    model = RestorerConfig(*learning)
    learns = "pairs" if model.supervision == "clean" else "noisy"
    return Network(label=label, model=model, learns=learns, **facts)


#: By the name in the column `method` of tables, in their order.
NETWORKS = {
    "cae": Network(label="the paper's autoencoder", learns="clean", stages=()),  # of chapter 2
    "cae-denoising": Network(label="the paper's, trained with noise", stages=((30,),)),
    "gondara": _restorer("Gondara's autoencoder", "gondara"),
    "xie": _restorer("Xie's stacked autoencoder", "xie"),
    "dncnn": _restorer("DnCNN", "dncnn"),
    "compact-mse": _restorer("our small network, squared error", "compact", "clean", "mse"),
    "noise2noise": _restorer("our small network, Noise2Noise", "compact", "noise2noise", "mse"),
    "neighbor2neighbor": _restorer(
        "our small network, Neighbor2Neighbor", "compact", "neighbor2neighbor", "mse"
    ),
    "compact": _restorer(
        "our small network",
        "compact",
        mirrored="our small network, both mirror images",
        stages=((8,), (30, 24, 36)),
    ),
    "compact-small": _restorer("our small network, half the channels", "compact-small", stages=()),
}


@dataclass(frozen=True)
class Schedule:
    """How long a network learns, and from how much. network: a name in NETWORKS. stages: epochs of
    each stage; a stage after the first starts from the weights that the one before it ended with,
    and the learning rate rises again (Loshchilov & Hutter 2017, "SGDR"). faces: it learns from so
    many of those that are not tested, evenly spaced; None takes them all."""

    network: str
    stages: tuple[int, ...]
    faces: int | None = None

    @property
    def name(self) -> str:
        fewer = "" if self.faces is None else f", {self.faces} faces"
        return f"{self.network}, {sum(self.stages)} epochs{fewer}"


@dataclass(frozen=True, kw_only=True)
class MixtureConfig:
    """The prior of faces in patches: see `mixture.fit`."""

    side: int = 12
    step: int = 4
    classes: int = 16
    context: int = 64


@dataclass(frozen=True, kw_only=True)
class ReferenceConfig:
    """What a profile sets beside the paper's autoencoder.

    tuning: training images on which the filters' strengths are chosen. slow: whether slow filters
    are among them. ladder: numbers of principal components kept. other_images: test images that
    meet other noise, evenly spaced (chapter 8). networks: what is trained with noise. trainings: of
    each of them, from as many seeds. trend: what differs in one thing, by its name in
    `ranking.AXES`, rising; trained once. training: of them all, but for the epochs, and but for the
    paper's network, which keeps its own."""

    tuning: int = 64
    slow: bool = False
    ladder: tuple[int, ...] = (16, 32, 64, 128, 256)
    other_images: int = 200
    mixture: MixtureConfig = MixtureConfig()
    networks: tuple[Schedule, ...] = ()
    trainings: int = 2
    trend: dict[str, tuple[Schedule, ...]] = field(default_factory=dict)
    training: TrainConfig = TrainConfig(
        batch_size=16,
        learning_rate=1e-3,
        schedule="cosine",
        epoch_images=8000,
        compile=True,
        gradient_epochs=0,
        threads=1,
    )

    @property
    def named(self) -> dict[str, Schedule]:
        """`networks` by their names in tables: the longest schedule of a network bears its name,
        shorter ones state their epochs."""
        longest = {s.network: s for s in sorted(self.networks, key=lambda s: sum(s.stages))}
        return {s.network if s == longest[s.network] else s.name: s for s in self.networks}


def _trend(rising: tuple[tuple[int, ...], ...], base: int, epochs: int, faces: int) -> dict:
    """`compact` for `base` epochs beside others; `epochs` of few `faces`; half the channels."""
    usual = Schedule("compact", (base,))
    return {
        "time": tuple(Schedule("compact", stages) for stages in rising),
        "data": (Schedule("compact", (epochs,), faces), usual),
        "parameters": (Schedule("compact-small", (base,)), usual),
    }


_SHORT = replace(ReferenceConfig().training, compile=False)
_WHOLE = ReferenceConfig(
    slow=True,
    networks=tuple(Schedule(name, s) for name, network in NETWORKS.items() for s in network.stages),
    trend=_trend(((2,), (8,), (30,), (30, 24), (30, 24, 36)), 8, 20, 3200),
)
#: By the name of the profile. With a GPU, each network is trained three times.
PLANS = {
    "smoke": ReferenceConfig(
        tuning=4,
        ladder=(8, 32),
        other_images=5,
        mixture=MixtureConfig(step=12, classes=2, context=8),
        networks=(Schedule("compact", (2,)), Schedule("compact", (1,))),
        trend=_trend(((1,), (2,)), 2, 4, 24),
        training=replace(_SHORT, epoch_images=48),
    ),
    "quick": ReferenceConfig(
        tuning=8,
        other_images=12,
        mixture=MixtureConfig(step=6, classes=4),
        networks=(Schedule("compact", (10,)),),
        trainings=1,
        trend=_trend(((3,), (10,)), 3, 12, 80),
        training=replace(_SHORT, epoch_images=320),
    ),
    "cpu": _WHOLE,
    **dict.fromkeys(("paper", "full"), replace(_WHOLE, trainings=3)),
}


def recipe(
    schedule: Schedule,
    settings: Config,
    data: str,
    training: int = 0,
    *,
    part: Part | None = None,
) -> Recipe:
    """The recipe of one training, on the data set with the checksum `data`; `training` counts those
    of one network, each from another seed. The paper's network learns from the paper's sample by
    the paper's training; all others from `part` (default: faces that are not tested) by another."""
    network, plan = NETWORKS[schedule.network], PLANS[settings.profile]
    paper = network.model is None
    name = "sample" if paper else "untested"
    part = part or settings.part(data, name, version=0, count=schedule.faces)
    before, seed = None, settings.seed + training
    for epochs in schedule.stages:
        before = Recipe(
            task="denoising" if paper else "restoration",
            version=network.version,
            network=schedule.network,
            model=network.model or settings.model("cae"),
            training=replace(settings.training if paper else plan.training, epochs=epochs),
            part=part,
            seed=seed,
            start=before,
        )
        seed += epochs  # so that no stage repeats the draws of the one before it
    return before


def recipes(settings: Config, data: str) -> list[Recipe]:
    """Every training of chapters 6 to 8, each after the one that it starts from."""
    plan = PLANS[settings.profile]
    asked = [recipe(s, settings, data, n) for s in plan.networks for n in range(plan.trainings)]
    asked += [recipe(s, settings, data) for line in plan.trend.values() for s in line]
    return list({stage.key: stage for last in asked for stage in last.stages}.values())
