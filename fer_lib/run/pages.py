"""From executed notebooks and tables to the pages of a run's report."""

import json
from fractions import Fraction

from fer_lib import config, paper
from fer_lib.config import REPORTS, WORK
from fer_lib.report import article, html, laboratory
from fer_lib.run import asked, chapters, provenance
from fer_lib.run.chapters import CHAPTERS
from fer_lib.study import open_study
from fer_lib.tools import files

NAV = [(f"{c.number} {c.title}", f"{c.name}.html") for c in CHAPTERS]


def make(run: str, which: str) -> None:
    """The page of the chapter with the number `which`, or with "report" all pages and the index."""
    folder, banner = REPORTS / run, paper.caveat(run.rpartition("-")[0])
    width = Fraction(config.load(asked.parameters(run)["profile"]).width).limit_denominator(64)
    words = f"Run {run}, the paper's network at width {width}"
    for chapter in CHAPTERS if which == "report" else [chapters.find(which)]:
        executed = WORK / run / f"{chapter.name}.ipynb"
        page, title = folder / f"{chapter.name}.html", f"{chapter.title} · {run}"
        html.render(executed, page, title=title, nav=NAV, banner=banner, run=words)
    if which == "report":
        record = provenance.record(run)
        files.write_text(folder / "run.json", json.dumps(record, indent=1) + "\n")
        study, page = open_study(**asked.parameters(run)), folder / "laboratory.html"
        laboratory.write(study, page, title=f"Try it yourself · {run}", nav=NAV, banner=banner)
        title = f"Removing noise from faces with autoencoders · {run}"
        answers = [html.answer(WORK / run / f"{c.name}.ipynb") or c.question for c in CHAPTERS]
        nav = [(*link, answer) for link, answer in zip(NAV, answers, strict=True)]
        facts = article.facts(folder, record) | {"laboratory": page.name}
        html.index(folder / "index.html", title=title, nav=nav, article=facts, banner=banner)
        asked.seal(run)
