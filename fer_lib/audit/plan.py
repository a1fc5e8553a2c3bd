"""Which networks chapter 5 trains in each profile. No torch in here: a run is planned quickly."""

from dataclasses import dataclass
from fractions import Fraction

from fer_lib import config
from fer_lib.config import Config, Recipe

#: Of what this wing computes: raised when a table of chapter 5 changes by its code.
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A network of `config.NETWORKS` and how it is trained.

    width: None for the profile's own. trainings: so many, from the run's seed up. augmented: with
    the flips and rotations of the authors' later code (44c4a8a3); "Final Code" (2eefa1ee) has none.
    """

    network: str
    width: float | None = None
    trainings: int = 1
    augmented: bool = False


_PAIR = (Arm(network="as-run"), Arm(network="range-matched"))
#: The first arm stands for the authors' network, and is the range-matched one's partner.
PLANS: dict[str, tuple[Arm, ...]] = {
    "smoke": _PAIR,
    "quick": _PAIR,
    # Meant in the end: three trainings of each of these, one as run at 1/4, and one at 1/16 with
    # augmented=True.
    "cpu": (*_PAIR, Arm(network="as-run", width=1 / 16)),
    "paper": (Arm(network="as-run", trainings=3), Arm(network="range-matched", trainings=3)),
    "full": _PAIR,
}


def recipes(settings: Config, data: str) -> list[Recipe]:
    """Every training of chapter 5, on the paper's sample of the data set with that checksum."""
    part = settings.part(data, "paper")
    return [
        config.reconstruction(
            settings, part, arm.network, settings.seed + n, width=arm.width, augmented=arm.augmented
        )
        for arm in PLANS[settings.profile]
        for n in range(arm.trainings)
    ]


def label(recipe: Recipe) -> str:
    """A training in a legend: "as run, width 1/8"."""
    width = Fraction(recipe.model.width).limit_denominator(64)
    words = [recipe.network.replace("as-run", "as run"), f"width {width}"]
    words += ["augmented"] * recipe.training.augmented
    words += [f"seed {recipe.seed}"] * (recipe.seed > recipe.part.seed)
    return ", ".join(words)
