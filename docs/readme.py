"""The README's results, made from a run's tables: `python docs/readme.py RUN`."""

import json
import sys
from pathlib import Path

import jinja2

from fer_lib import paper
from fer_lib.config import REPORTS, ROOT
from fer_lib.report import findings
from fer_lib.tools import files

START, END = "<!-- results: made by docs/readme.py -->", "<!-- end of results -->"


def markdown(folder: Path) -> str:
    """What ran, and of the paper's data the three answers and the main claims with verdicts."""
    record = json.loads((folder / "run.json").read_text())
    told = {} if paper.caveat(record["data"]["name"]) else findings.facts(folder)
    words = jinja2.Environment(loader=jinja2.PackageLoader("fer_lib.report", "template"))
    return words.get_template("readme.md.j2").render(record=record, facts=told).strip() + "\n"


def insert(text: str, block: str, start: str = START, end: str = END) -> str:
    """`text` with `block` between the two markers."""
    before, rest = text.split(start)
    return f"{before}{start}\n{block}{end}{rest.split(end)[1]}"


def main() -> None:
    """Write the results of the run named on the command line into the README."""
    readme = ROOT / "README.md"
    block = markdown(REPORTS / sys.argv[1])
    files.write_text(readme, insert(readme.read_text(encoding="utf-8"), block))


if __name__ == "__main__":
    main()
