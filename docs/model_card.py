"""The table of docs/model-card.md: `python -m docs.model_card` writes it there."""

from pathlib import Path

from docs import readme
from fer_lib.config import REPORTS, ROOT
from fer_lib.report import findings
from fer_lib.tools import files, weights

PAGE = ROOT / "docs" / "model-card.md"
FOLDER = REPORTS / "ferplus-cpu"
START, END = "<!-- made by docs/model_card.py -->", "<!-- end -->"


def table(folder: Path) -> str:
    """In Markdown: the networks that a report publishes and compares, and what all of them took."""
    published = [
        weights.load(path)[1] for path in sorted(folder.glob(f"networks/*{weights.SUFFIX}"))
    ]
    names = {facts["recipe"]["network"] for facts in published}
    seconds = sum(epoch["seconds"] for facts in published for epoch in facts["history"])
    about = findings.read(folder, "budgets").set_index("network")
    scores = findings.read(folder, "references").groupby(["method", "level"])["ssim"].mean()
    levels = [level for level in scores.index.unique("level") if level]
    lines = [
        "| `network=` | what it is | learns from | faces | images seen | parameters | "
        + " | ".join(f"SSIM at {level:g}" for level in levels)
        + " |",
        "| --- | --- | --- |" + " ---: |" * (3 + len(levels)),
    ]
    for row in findings.read(folder, "cost").itertuples():
        if row.method in names and row.label in about.index:
            seen = about.loc[row.label]
            numbers = (seen["different faces"], seen["images seen"], row.parameters)
            cells = [f"`{row.method}`", row.label, row.learns, *(f"{n:,.0f}" for n in numbers)]
            cells += [f"{scores[row.method, level]:.3f}" for level in levels]
            lines.append(f"| {' | '.join(cells)} |")
    noisy = ", ".join(f"{scores['noisy', level]:.3f} at {level:g}" for level in levels)
    lines += ["", f"The noisy images themselves have an SSIM of {noisy}."]
    lines[-1] += f" The {len(published)} files, each one training, took {seconds / 3600:.0f} hours"
    return "\n".join(lines) + " of one core.\n"


def render(page: str) -> str:
    """`page` with the table between its marks."""
    return readme.insert(page, table(FOLDER), START, END)


if __name__ == "__main__":
    files.write_text(PAGE, render(PAGE.read_text(encoding="utf-8")))
