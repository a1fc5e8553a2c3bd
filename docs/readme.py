"""The README's results, made from a run's tables: `python docs/readme.py RUN`."""

import json
import sys
from pathlib import Path

import jinja2
import numpy as np
from PIL import Image

from fer_lib import paper
from fer_lib.config import REPORTS, ROOT
from fer_lib.report import findings
from fer_lib.tools import files

#: What the strip of pictures shows, and how large: the face in the middle of the viewer's.
LEVEL, SCALE, GAP = 0.3, 3, 8
START, END = "<!-- results: made by docs/readme.py -->", "<!-- end of results -->"


def markdown(folder: Path) -> str:
    """What ran, and of the paper's data the three answers and the main claims with verdicts."""
    record = json.loads((folder / "run.json").read_text())
    told = {} if paper.caveat(record["data"]["name"]) else findings.facts(folder)
    words = jinja2.Environment(loader=jinja2.PackageLoader("fer_lib.report", "template"))
    shown = {"record": record, "facts": told, "strip": strip(folder), "level": LEVEL}
    return words.get_template("readme.md.j2").render(shown).strip() + "\n"


def strip(folder: Path) -> list[dict]:
    """The rows of viewer.csv that the strip shows, from the noisy face to the clean one."""
    rows = findings.read(folder, "viewer").to_dict("records")
    faces = list(dict.fromkeys(row["face"] for row in rows))
    face = faces[len(faces) // 2] if faces else None
    chosen = [row for row in rows if row["face"] == face and row["level"] in (0, LEVEL)]
    return [*chosen[1:], *chosen[:1]]


def picture(folder: Path) -> Image.Image:
    """The strip: gray faces side by side, enlarged, with white between them."""
    parts = [np.asarray(Image.open(folder / row["file"])) for row in strip(folder)]
    large = [part.repeat(SCALE, axis=0).repeat(SCALE, axis=1) for part in parts]
    framed = [np.pad(part, ((0, 0), (0, GAP)), constant_values=255) for part in large]
    return Image.fromarray(np.hstack(framed)[:, :-GAP])


def insert(text: str, block: str, start: str = START, end: str = END) -> str:
    """`text` with `block` between the two markers."""
    before, rest = text.split(start)
    return f"{before}{start}\n{block}{end}{rest.split(end)[1]}"


def main() -> None:
    """Write the results of the run named on the command line into the README."""
    readme, folder = ROOT / "README.md", REPORTS / sys.argv[1]
    block = markdown(folder)
    if strip(folder):
        with files.replacing(ROOT / "docs" / "strip.png") as temporary:
            picture(folder).save(temporary)
    files.write_text(readme, insert(readme.read_text(encoding="utf-8"), block))


if __name__ == "__main__":
    main()
