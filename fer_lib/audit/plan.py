"""Which networks chapters 3 and 5 train in each profile. No torch, so that planning is quick."""

from dataclasses import dataclass, replace
from fractions import Fraction

from fer_lib import config
from fer_lib.config import Config, Recipe

#: Version of this folder's results: raised when its code changes a table of chapter 3 or 5.
VERSION = 3
#: The learning rate of the authors' first network (aced6371).
EARLY_RATE = 1e-3
_LESS = {"plain": "no additions", "no-norms": "no batch norms", "bare": "neither"}
_WORDS = {"as-run": "as run", "early": "the first network"} | {
    f"{name}-{part}": f"{name.replace('as-', 'as ')}, {words}"
    for name in ("as-run", "range-matched")
    for part, words in _LESS.items()
}


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A network of `config.NETWORKS` and how it is trained.

    width, epochs, learning_rate: None for the profile's. trainings: how many; seeds count up.
    augmented: with flips and rotations, as in the authors' 44c4a8a3, not in their 2eefa1ee."""

    network: str
    width: float | None = None
    trainings: int = 1
    augmented: bool = False
    epochs: int | None = None
    learning_rate: float | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is trained, by the question that it answers.

    tables: chapter 5; the first arm is the authors' network, the second the range-matched one.
    first, block: the authors' first network (figure 5) and the later one with residual blocks
    (figure 4). other: these with another width or learning rate. cells: without parts of a block.
    """

    tables: tuple[Arm, ...] = (Arm(network="as-run"), Arm(network="range-matched"))
    first: Arm = Arm(network="early")
    block: Arm = Arm(network="as-run")
    other: tuple[Arm, ...] = ()
    cells: tuple[Arm, ...] = ()

    @property
    def figure_5(self) -> tuple[Arm, ...]:
        return (self.block, self.first, *self.other, *self.cells)


def _cells(*networks: str, **how) -> tuple[Arm, ...]:
    return tuple(Arm(network=f"{name}-{part}", **how) for name in networks for part in _LESS)


#: Figure 5 on CPUs: narrow networks; the cells train for a third of the epochs.
PLANS: dict[str, Plan] = {
    **dict.fromkeys(("smoke", "quick"), Plan(cells=_cells("as-run"))),
    "cpu": Plan(
        tables=(*Plan.tables, Arm(network="as-run", width=1 / 16, trainings=5)),
        first=Arm(network="early", width=1 / 16, trainings=5),
        block=Arm(network="as-run", width=1 / 16, trainings=5),
        other=(Arm(network="early", learning_rate=EARLY_RATE, width=1 / 16),),
        cells=_cells("as-run", "range-matched", width=1 / 16, epochs=10),
    ),
    "paper": Plan(
        tables=tuple(replace(arm, trainings=3) for arm in Plan.tables),
        first=Arm(network="early", trainings=5),
        block=Arm(network="as-run", trainings=5),
        cells=_cells("as-run", "range-matched", epochs=10),
    ),
    "full": Plan(),
}


def trainings(settings: Config, data: str, arm: Arm) -> list[Recipe]:
    """The recipes of an arm, on the paper's sample of the data set with the checksum `data`."""
    part = settings.part(data, "paper")
    names = ("epochs", "learning_rate", "augmented")
    changes = {name: getattr(arm, name) for name in names if getattr(arm, name) is not None}
    return [
        config.reconstruction(settings, part, arm.network, seed, width=arm.width, **changes)
        for seed in range(settings.seed, settings.seed + arm.trainings)
    ]


def recipes(settings: Config, data: str) -> list[Recipe]:
    """The recipes of this profile's plan, each once, on the data set with the checksum `data`."""
    arms = (*PLANS[settings.profile].tables, *PLANS[settings.profile].figure_5)
    return list({r.key: r for arm in arms for r in trainings(settings, data, arm)}.values())


def label(recipe: Recipe, *, seed: bool = True, usual: float | None = None) -> str:
    """The label of a training in a legend, such as "as run, width 1/8"; seed: False gives one label
    for all seeds. usual: the learning rate to leave out, None for any."""
    width = Fraction(recipe.model.width).limit_denominator(64)
    words = [_WORDS.get(recipe.network, recipe.network), f"width {width}"]
    rate = recipe.training.learning_rate
    words += [f"learning rate {rate:g}"] * (rate != (usual or rate))
    words += ["augmented"] * recipe.training.augmented
    words += [f"seed {recipe.seed}"] * (seed and recipe.seed > recipe.part.seed)
    return ", ".join(words)
