# The notebooks as a graph: which files each chapter needs and makes. `run_all.sh` calls this.
# Chapters are chained by their tables, not by executed notebooks, which carry timestamps.
# The settings are a file, so that a change in them re-runs what depends on them.
import sys

sys.path.insert(0, str(workflow.basedir))
from fer_lib import chapters
from fer_lib.config import REPORTS, ROOT, WORK

RUN = config["run"]
SETTINGS = WORK / RUN / "settings.json"
# A chapter of a smoke run is too small for two cores: two chapters side by side take less.
THREADS = 1 if RUN.endswith("-smoke") else workflow.cores
RENDERER = [
    *(ROOT / "fer_lib" / f"{name}.py" for name in ("pages", "provenance", "report", "summary")),
    *(ROOT / "fer_lib" / "template").iterdir(),
]


def tables(names):
    return [REPORTS / RUN / "tables" / f"{name}.csv" for name in names]


def executed(chapter):
    return WORK / RUN / f"{chapter.name}.ipynb"


rule report:
    input:
        RENDERER,
        [executed(chapter) for chapter in chapters.CHAPTERS],
    output:
        REPORTS / RUN / "index.html",
        REPORTS / RUN / "run.json",
        [REPORTS / RUN / f"{chapter.name}.html" for chapter in chapters.CHAPTERS],
    shell:
        "{sys.executable} -m fer_lib.run.pages {RUN}"


for chapter in chapters.CHAPTERS:

    rule:
        name:
            f"run_{chapter.number}"
        input:
            chapter.source,
            chapters.modules(chapter),
            tables(chapter.reads),
            settings=SETTINGS,
        output:
            tables(chapter.writes),
            notebook=executed(chapter),
        # Snakemake caps OMP_NUM_THREADS at a rule's threads; PyTorch is to have them all.
        threads: THREADS
        shell:
            "{sys.executable} -m fer_lib.run.execute {output.notebook} {input.settings}"
