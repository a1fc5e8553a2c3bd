"""From executed notebooks and tables to the pages of a run's report.

`python -m fer_lib.run.pages RUN NN` makes that of a chapter, `... RUN report` all and the index.
"""

import json
import sys

from fer_lib import paper
from fer_lib.config import REPORTS, WORK
from fer_lib.report import html, summary
from fer_lib.run import chapters, provenance, step
from fer_lib.run.chapters import CHAPTERS, Chapter
from fer_lib.tools import files

NAV = [(f"{c.number} {c.title}", f"{c.name}.html") for c in CHAPTERS]


def page(run: str, chapter: Chapter) -> None:
    """Render one executed notebook."""
    source = WORK / run / f"{chapter.name}.ipynb"
    title = f"{chapter.title} · {run}"
    target, banner = REPORTS / run / f"{chapter.name}.html", paper.caveat(run.rpartition("-")[0])
    html.render(source, target, title=title, nav=NAV, banner=banner)


def index(run: str) -> None:
    """Write run.json and index.html."""
    folder = REPORTS / run
    record = provenance.record(run)
    files.write_text(folder / "run.json", json.dumps(record, indent=1) + "\n")
    html.index(
        folder / "index.html",
        title=f"Removing noise from faces with autoencoders · {run}",
        banner=paper.caveat(record["data"]["name"]),
        summary=summary.markdown(folder),
        sections=[(f"{c.number} {c.title}", f"{c.name}.html", c.question) for c in CHAPTERS],
        facts=summary.facts(record),
    )


def render(run: str, which: str) -> None:
    """The page of the chapter with that number, or with "report" all pages and the index."""
    for chapter in CHAPTERS if which == "report" else [chapters.find(which)]:
        page(run, chapter)
    if which == "report":
        index(run)


if __name__ == "__main__":
    sys.exit(step.main(render))
