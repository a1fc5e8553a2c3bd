# The notebooks as a graph: which files each chapter needs and makes. `run_all.sh` calls this.
# Chapters are chained by their tables, not by executed notebooks, which carry timestamps.
import sys

sys.path.insert(0, str(workflow.basedir))
from fer_lib import chapters, config as profiles
from fer_lib.config import REPORTS, ROOT, WORK

PROFILE, SEED, SEEDS = config["profile"], int(config["seed"]), int(config["seeds"])
RUN = f"{config['dataset']}-{PROFILE}"
WORDS = f"--profile {PROFILE} --seed {SEED} --seeds {SEEDS}"
PAGES = [REPORTS / RUN / f"{chapter.name}.html" for chapter in chapters.CHAPTERS]
SETTINGS = profiles.load(PROFILE, SEED, SEEDS).as_dict()
RENDERER = [ROOT / "fer_lib" / "report.py", *(ROOT / "fer_lib" / "template").iterdir()]


def tables(names):
    return [REPORTS / RUN / "tables" / f"{name}.csv" for name in names]


rule all:
    input:
        REPORTS / RUN / "index.html",


for chapter in chapters.CHAPTERS:

    rule:
        name:
            f"run_{chapter.number}"
        input:
            chapter.source,
            chapters.modules(chapter),
            tables(chapter.reads),
        output:
            tables(chapter.writes),
            notebook=WORK / RUN / f"{chapter.name}.ipynb",
        params:
            settings=SETTINGS,
            checksum=config["checksum"],
            words=f"{chapter.number} {WORDS}",
        shell:
            "{sys.executable} -m fer_lib.notebook {output.notebook} {params.words}"

    rule:
        name:
            f"page_{chapter.number}"
        input:
            RENDERER,
            notebook=WORK / RUN / f"{chapter.name}.ipynb",
        output:
            REPORTS / RUN / f"{chapter.name}.html",
        params:
            words=f"page {RUN} {chapter.number}",
        shell:
            "{sys.executable} -m fer_lib.pages {params.words}"


rule index:
    input:
        RENDERER,
        PAGES,
        ROOT / "fer_lib" / "pages.py",
    output:
        REPORTS / RUN / "index.html",
        REPORTS / RUN / "run.json",
    params:
        settings=SETTINGS,
        words=f"index {RUN} {WORDS}",
    shell:
        "{sys.executable} -m fer_lib.pages {params.words}"
