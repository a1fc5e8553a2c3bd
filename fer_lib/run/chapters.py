"""The notebooks in order: what each asks, reads and writes, and which networks it uses. No torch in
here, so that a run is planned in a fraction of a second."""

from dataclasses import dataclass
from pathlib import Path

from fer_lib import config
from fer_lib.audit import plan as audit
from fer_lib.config import NOTEBOOKS, Config, Recipe, one_of
from fer_lib.methods import plans as methods
from fer_lib.readers import READERS
from fer_lib.recognition import plan as recognition

#: The plan of each part: VERSION, recipes and, but for the core, PLANS (settings by profile).
WINGS = {"core": config, "audit": audit, "methods": methods, "recognition": recognition}


def recipes(settings: Config, data: dict[str, str]) -> dict[str, list[Recipe]]:
    """What a run trains for each of WINGS; data: name and checksum of the data set. Without votes
    there is nothing to learn recognition from."""
    found = {name: wing.recipes(settings, data["checksum"]) for name, wing in WINGS.items()}
    return found if READERS[data["name"]].votes else found | {"recognition": []}


@dataclass(frozen=True)
class Chapter:
    """A notebook. reads, writes: names of tables (tables/NAME.csv) of the run. trainings: of WINGS
    those whose trained networks it reads; what these compute, and the core, decides its results."""

    name: str
    title: str
    question: str
    writes: tuple[str, ...]
    reads: tuple[str, ...] = ()
    trainings: tuple[str, ...] = ()

    @property
    def number(self) -> str:
        return self.name[:2]

    @property
    def source(self) -> Path:
        return NOTEBOOKS / f"{self.name}.ipynb"

    @property
    def after(self) -> list[str]:
        """The numbers of the chapters whose tables it reads."""
        return [c.number for c in CHAPTERS if not set(c.writes).isdisjoint(self.reads)]


CHAPTERS = (
    Chapter(
        "01_data_preparation",
        "Data",
        "What is in the data, and how is it split without leaking copies?",
        writes=("dataset", "split"),
    ),
    Chapter(
        "02_training",
        "Training",
        "Does the paper's autoencoder, with and without residuals, learn to reproduce clean faces?",
        reads=("split",),
        writes=("layers", "history", "history_times", "gradients", "models"),
        trainings=("core",),
    ),
    Chapter(
        "03_residual_ablation",
        "Residuals",
        "What does figure 5 show, and do the residual connections help?",
        reads=("split", "history", "gradients", "models"),
        writes=("first_network", "first_network_losses", "ablation", "ablation_verdict"),
        trainings=("core", "audit"),
    ),
    Chapter(
        "04_noise_evaluation",
        "Noise evaluation",
        "Does an autoencoder that never saw noise remove it, and does the noise level matter?",
        reads=("split", "models"),
        writes=("autoencoder", "autoencoder_images", "emotions", "verdicts"),
        trainings=("core",),
    ),
    Chapter(
        "05_as_run",
        "As its authors ran it",
        "Do the authors' network and test give the paper's numbers, and what are honest ones?",
        writes=("as_run", "as_run_losses", "ladder", "paper_figures", "remarks")
        + ("as_run_evaluation", "as_run_verdicts"),
        trainings=("audit",),
    ),
    Chapter(
        "06_references",
        "References",
        "What do other methods achieve on the same noisy images, and what leads?",
        reads=("split", "models"),
        writes=("tuning", "budgets", "budgets_times", "references", "references_images", "lead")
        + ("groups", "trained_with_noise", "viewer"),
        trainings=("core", "methods"),
    ),
    Chapter(
        "07_limit_and_cost",
        "Limit and cost",
        "What would more learning bring, and what does each method cost?",
        reads=("split", "models", "tuning", "references", "references_images"),
        writes=("trend", "doublings", "cost", "cost_times"),
        trainings=("core", "methods"),
    ),
    Chapter(
        "08_noise_types",
        "Other noise",
        "Which methods still work on noise that they were not made for?",
        reads=("split", "models", "autoencoder", "references"),
        writes=("tuning_noise_types", "noise_types", "noise_ahead", "noise_evaluation"),
        trainings=("core", "methods"),
    ),
    Chapter(
        "09_expression_recognition",
        "Recognition",
        "Do expressions survive noise, and does denoising help to recognise them?",
        writes=("recognition", "recognition_gains", "recognition_emotions", "recognition_ranks"),
        trainings=("audit", "recognition"),
    ),
)


def find(number: str) -> Chapter:
    """The chapter numbered `number` ("4" or "04"). Raises UserError that lists the known ones."""
    numbered = {chapter.number: chapter for chapter in CHAPTERS}
    one_of("notebook", number.zfill(2), numbered)
    return numbered[number.zfill(2)]
