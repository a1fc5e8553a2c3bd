"""From executed notebooks and tables to the pages of a run's report.

`python -m fer_lib.pages page RUN NN` and `… index RUN` are what the workflow calls.
"""

import argparse
import json
import sys

from fer_lib import chapters, config, data, files, provenance, report, summary
from fer_lib.config import REPORTS, WORK, UserError

NAV = [(f"{c.number} {c.title}", f"{c.name}.html") for c in chapters.CHAPTERS]


def page(number: str, run: str) -> None:
    """Render one executed notebook."""
    chapter = chapters.find(number)
    source = WORK / run / f"{chapter.name}.ipynb"
    title = f"{chapter.title} · {run}"
    report.render(source, REPORTS / run / f"{chapter.name}.html", title=title, nav=NAV)


def index(run: str, settings: config.Config) -> None:
    """Write run.json and index.html."""
    folder = REPORTS / run
    notebooks = [WORK / run / f"{chapter.name}.ipynb" for chapter in chapters.CHAPTERS]
    record = provenance.record(notebooks, settings, *data.name_and_checksum())
    files.write_text(folder / "run.json", json.dumps(record, indent=1) + "\n")
    report.index(
        folder / "index.html",
        title=f"Removing noise from faces with autoencoders · {run}",
        summary_markdown=summary.markdown(folder),
        sections=[
            (f"{c.number} {c.title}", f"{c.name}.html", c.question) for c in chapters.CHAPTERS
        ],
        run=record,
    )


def main() -> int:
    """Render what the words name."""
    parser = argparse.ArgumentParser(prog="python -m fer_lib.pages")
    parser.add_argument("what", choices=("page", "index"))
    parser.add_argument("run")
    parser.add_argument("number", nargs="?")
    parser.add_argument("--profile")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=0)
    words = parser.parse_args()
    try:
        if words.what == "page":
            page(words.number, words.run)
        else:
            index(words.run, config.load(words.profile, words.seed, words.seeds))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
