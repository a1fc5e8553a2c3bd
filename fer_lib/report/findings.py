"""What a run found about the paper, as plain facts from its tables. `template/words.j2` puts them
into words, the same for the front page and the README."""

import re
from pathlib import Path

import pandas as pd

from fer_lib import paper, verdicts
from fer_lib.config import ROOT

#: How the verdicts of docs/claims.md begin.
CHIPS = "holds in part|holds|does not hold|undecided|not in the code|not tested"
#: The section of a chapter's page, by the last word of a claim's column "where".
PLACES = {"tables": "tables-i-and-ii", "remarks": "what-the-figures-look-like"}
PLACES |= {"training": "training", "ladder": "from-the-printed-number-to-the-honest-one"}
#: SSIM by which a value measured in the paper's own figures may differ from the printed one.
SAME = 0.02


def read(folder: Path, name: str) -> pd.DataFrame:
    """A table of the report `folder`; only empty cells are missing."""
    path = folder / "tables" / f"{name}.csv"
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def facts(folder: Path) -> dict:
    """What the sentences about the paper say; `chips`, the verdicts on both questions and on table
    I; and `claims`. Of a report on the paper's data set."""
    answers, found = read(folder, "verdicts"), read(folder, "paper_figures").query("id >= 0")
    counts = {metric: verdicts.counts(answers, metric) for metric in verdicts.BETTER}
    rows, camera = answers[answers["metric"] == "ssim"], answers["protocol"].iloc[-1]
    rows = rows[(rows["protocol"] == camera) & (rows["at"] != "0")]
    here = rows[rows["question"] == "RQ1"].groupby("at", sort=False)
    scored = read(folder, "autoencoder").query(f"protocol == {camera!r}")
    levels = scored.assign(at=scored["level"].map("{:g}".format)).groupby("at", sort=False)
    means = {at: part.groupby("method")[["ssim", "psnr"]].mean() for at, part in levels}
    gap = (found["code"] - found["printed"]).abs()
    own = read(folder, "as_run_verdicts").groupby("network", sort=False)
    ladder = read(folder, "ladder").query("way == 'cumulative'").groupby("rung", sort=False)
    scores = ["level", "ssim", "mse"]
    losses = read(folder, "as_run_losses").groupby("label", sort=False)
    both = pd.concat(counts.values())  # a chip asks for every case by both metrics
    rq1, rq2 = (both[[key[0] == question for key in both.index]] for question in ("RQ1", "RQ2"))
    numbers = {"found": len(found), "gap": gap.mean(), "figure_4": paper.FIGURE_4[-1]}
    return numbers | {
        "camera": camera,
        "counts": {metric: table.to_dict("records") for metric, table in counts.items()},
        "own": {name: verdicts.counts(part, "ssim")["better"].iloc[1] for name, part in own},
        "own_trainings": losses["seed"].nunique().iloc[0],
        "gains": {at: part.set_index("baseline").to_dict("index") for at, part in here},
        "scored": {at: table.to_dict("index") for at, table in means.items()},
        "losses": rows[rows["question"] == "RQ2"].to_dict("records"),
        "printed": {"ssim": [*paper.SSIM.values()], "mse": [*paper.MSE.values()]},
        "rungs": [{"name": rung, **part[scores].to_dict("list")} for rung, part in ladder],
        "loss": losses.last().iloc[0],
        "chips": {
            "RQ1": _chip(rq1["better"].sum(), rq1["cases"].sum()),
            "RQ2": _chip(rq2["worse"].sum(), rq2["cases"].sum()),
            "table I": "explained" if gap.max() <= SAME else "undecided",
        },
        "claims": _claims(folder),
    }


def _chip(count: int, cases: int) -> str:
    return "holds" if count == cases else "partly" if count else "not reproduced"


def _claims(folder: Path) -> list[dict]:
    """docs/claims.md: number, section, words, where, chip (the verdict), evidence, and href in the
    report. What has no verdict there has it in the chapter."""
    claims = []
    for line in (ROOT / "docs" / "claims.md").read_text(encoding="utf-8").splitlines():
        number, *cells = (cell.strip() for cell in line.strip("|").split(" |"))
        if number.isdecimal():
            claim = dict(zip(("section", "words", "where", "evidence"), cells, strict=True))
            said = re.match(rf"\**({CHIPS})\b\**[:,]? ?(.*)", claim["evidence"])
            chip, evidence = said.groups() if said else ("see the chapter", claim["evidence"])
            claim |= {"number": int(number), "chip": chip, "evidence": evidence}
            claims.append(claim | {"href": _href(folder, claim["where"])})
    return claims


def _href(folder: Path, where: str) -> str:
    """The place on a page that "chapter 5, tables" means; "" where there is no such page."""
    chapter = re.match(r"chapter (\d+)", where)
    page = next(folder.glob(f"{int(chapter[1]):02d}_*.html"), None) if chapter else None
    place = f"#{PLACES.get(where.split()[-1], 'verdicts')}"
    there = page and f'id="{place[1:]}"' in page.read_text(encoding="utf-8")
    return page.name + place * there if page else ""
