"""From executed notebooks and tables to the pages of a run's report.

`python -m fer_lib.run.pages RUN [NN]`: all of them with the index, or only chapter NN's.
"""

import json
import sys

from fer_lib import paper
from fer_lib.config import REPORTS, WORK, UserError
from fer_lib.report import html, summary
from fer_lib.run import chapters, provenance
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
    asked = json.loads((WORK / run / "settings.json").read_text())
    record = provenance.record([WORK / run / f"{c.name}.ipynb" for c in CHAPTERS], asked)
    files.write_text(folder / "run.json", json.dumps(record, indent=1) + "\n")
    html.index(
        folder / "index.html",
        title=f"Removing noise from faces with autoencoders · {run}",
        banner=paper.caveat(record["data"]["name"]),
        summary=summary.markdown(folder),
        sections=[(f"{c.number} {c.title}", f"{c.name}.html", c.question) for c in CHAPTERS],
        facts=summary.facts(record),
    )


def main() -> int:
    """Render what the words name."""
    run, *numbers = sys.argv[1:]
    try:
        for chapter in [chapters.find(number) for number in numbers] or CHAPTERS:
            page(run, chapter)
        if not numbers:
            index(run)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
