"""Which recognisers of expressions chapter 9 trains, and which denoisers it puts before them. No
torch, so that planning is quick."""

from dataclasses import dataclass, replace

from fer_lib.config import Config, Recipe, TrainConfig
from fer_lib.methods import plans
from fer_lib.methods.plans import Schedule

#: Version of this folder's results: raised when its code changes a table of chapter 9.
VERSION = 1
#: Version of the task "recognition".
RECOGNITION = 1


@dataclass(frozen=True, kw_only=True)
class RecogniserConfig:
    """A small residual network on 48x48 gray images (`recogniser.Recogniser`).

    channels, blocks: of each stage, of which every one halves the size of the one before. noise:
    whether it learns from noisy faces, of all levels from none to the highest of the denoisers'."""

    channels: tuple[int, ...] = (32, 64, 128)
    blocks: tuple[int, ...] = (1, 2, 2)
    noise: bool = False


#: By the name in the column `classifier` of tables.
RECOGNISERS = {
    "clean": RecogniserConfig(),
    "noisy": RecogniserConfig(noise=True),
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a profile trains. trainings: of each recogniser, from as many seeds. training: of them
    all. filters: those of `methods.filters` that it tries. denoisers: what is trained to remove
    noise, for this chapter on learning faces alone, since chapter 6's have seen its test faces.
    faces, test: at most so many to learn from and to test with, evenly spaced; None for all."""

    trainings: int = 3
    faces: int | None = None
    test: int | None = None
    training: TrainConfig = TrainConfig(
        epochs=25, learning_rate=1e-3, schedule="cosine", gradient_epochs=0, threads=1
    )
    filters: tuple[str, ...] = ("gaussian", "bm3d")
    denoisers: tuple[Schedule, ...] = (
        Schedule("dncnn", (8,)),
        Schedule("noise2noise", (8,)),
        Schedule("compact", (8,)),
    )


_SMOKE = Plan(
    trainings=1,
    faces=64,
    test=40,
    training=replace(Plan.training, epochs=2),
    filters=("gaussian",),
    denoisers=(Schedule("compact", (2,)),),
)
PLANS: dict[str, Plan] = {
    "smoke": _SMOKE,
    "quick": replace(_SMOKE, faces=2000, test=400),
    **dict.fromkeys(("cpu", "paper", "full"), Plan()),
}


def recogniser(settings: Config, data: str, name: str, training: int = 0) -> Recipe:
    """The recipe of one of RECOGNISERS, on the data set with the checksum `data`; `training` counts
    those of one recogniser, each from another seed."""
    plan = PLANS[settings.profile]
    return Recipe(
        task="recognition",
        version=RECOGNITION,
        network=f"recogniser-{name}",
        model=RECOGNISERS[name],
        training=plan.training,
        part=settings.part(data, "labelled learning", count=plan.faces),
        seed=settings.seed + training,
    )


def denoisers(settings: Config, data: str) -> dict[str, Recipe]:
    """The recipes of the plan's denoisers, by their names in tables."""
    part, plan = settings.part(data, "learning"), PLANS[settings.profile]
    return {s.network: plans.recipe(s, settings, data, part=part) for s in plan.denoisers}


def recipes(settings: Config, data: str) -> list[Recipe]:
    """Every training that only chapter 9 needs, on the data set with the checksum `data`."""
    count = PLANS[settings.profile].trainings
    made = [recogniser(settings, data, name, n) for name in RECOGNISERS for n in range(count)]
    return [*denoisers(settings, data).values(), *made]
