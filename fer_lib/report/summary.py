"""The results of a run in a few lines of Markdown, made from its tables.

The same text opens the report's index and stands in the README, between two markers; a test
compares the two. `python -m fer_lib.report.summary RUN` writes it into the README.
"""

import json
import sys
from pathlib import Path

import pandas as pd

from fer_lib import paper
from fer_lib.config import REPORTS, ROOT
from fer_lib.tools import files

FIELD = ("references", "lead", "cost", "remaining", "budgets")
#: By leader in lead.csv, who races there.
RACES = {
    "mixture": "Of all that learns from nothing or from clean images",
    "compact-mirrored": "Of all methods, an oracle aside",
}
#: The same for `compact` after fewer epochs.
SHORTER = "With no more images than the other networks had"
START, END = "<!-- results: made by fer_lib.report.summary -->", "<!-- end of results -->"


def markdown(folder: Path) -> str:
    """What was run, what the audit found, the answers to the paper's questions, and tables I and
    II beside ours, and the field."""
    names = ("autoencoder", "verdicts", "ablation_verdict", "finding")
    tables = [pd.read_csv(folder / "tables" / f"{name}.csv") for name in names]
    table, verdicts, ablation, finding = tables
    record = json.loads((folder / "run.json").read_text())
    parts = [_what(record), _finding(finding), _answers(verdicts, ablation)]
    parts += [_table(table, "ssim", paper.SSIM, 3), _table(table, "mse", paper.MSE, 4)]
    parts += _field(*(pd.read_csv(folder / "tables" / f"{name}.csv") for name in FIELD))
    return "\n\n".join(parts) + "\n"


def _what(record: dict) -> str:
    config = record["config"]
    name, epochs = f"{record['data']['name']}-{record['profile']}", config["training"]["epochs"]
    train, test = config["train_images"] or "all other", config["test_images"] or "a fifth of all"
    return (
        f"Run `{name}`: the paper's network at {config['model']['width']:g} of its width, trained"
        f" for {epochs} epochs on {train} faces, scored on {test} faces;"
        f" trainings of each variant: {len(record['seeds'])}."
    )


def _finding(finding: pd.DataFrame) -> str:
    head = "Which procedure produces the paper's numbers? What the audit (notebook 05) found:"
    lines = (f"{number}. {text}" for number, text in enumerate(finding["sentence"], 1))
    return head + "\n\n" + "\n".join(lines)


def _answers(verdicts: pd.DataFrame, ablation: pd.DataFrame) -> str:
    lines = []
    for protocol, rows in verdicts.groupby("protocol", sort=False):
        answers = (_list(rows[rows["question"] == question]) for question in ("RQ1", "RQ2"))
        lines.append(f"| `{protocol}` | {' | '.join(answers)} |")
    skips = ". ".join(text.capitalize() for text in ablation["verdict"])
    head = "| protocol | RQ1: effective against doing nothing? | RQ2: does a higher level matter? |"
    return "\n".join([head, "| --- | --- | --- |", *lines]) + f"\n\nResiduals: {skips}."


def _list(rows: pd.DataFrame) -> str:
    return "; ".join(
        f"{at}: {found}" for at, found in zip(rows["at"], rows["verdict"], strict=True)
    )


def _table(table: pd.DataFrame, metric: str, printed: dict, digits: int) -> str:
    """One of the paper's tables: a row a method, a column a level, means over trainings."""
    levels = sorted(table["level"].unique())
    names = {"ssim": "SSIM (Table I)", "mse": "MSE on [0, 1] (Table II)"}
    head = [f"| {names[metric]} | " + " | ".join(f"{level:g}" for level in levels) + " |"]
    head.append("| --- |" + " ---: |" * len(levels))
    head.append("| the paper | " + " | ".join(f"{printed[level]:g}" for level in levels) + " |")
    means = table.groupby(["protocol", "method", "level"], sort=False)[metric].mean()
    for (protocol, method), row in means.unstack("level", sort=False).iterrows():
        values = " | ".join(f"{row[level]:.{digits}f}" for level in levels)
        head.append(f"| `{protocol}`, {method} | {values} |")
    return "\n".join(head)


def _field(
    table: pd.DataFrame,
    lead: pd.DataFrame,
    cost: pd.DataFrame,
    remaining: pd.DataFrame,
    budgets: pd.DataFrame,
) -> list[str]:
    """Every method in the protocol *camera noise*, who leads, and how far that is from the oracle."""
    levels = sorted(lead["level"].unique())
    means = table.groupby(["method", "level"], sort=False)["ssim"].mean().unstack("level")
    rows = ["| SSIM, *camera noise* | learns from | " + " | ".join(f"{x:g}" for x in levels) + " |"]
    rows.append("| --- | --- |" + " ---: |" * len(levels))
    for row in cost.itertuples():
        values = " | ".join(f"{means.loc[row.method, level]:.3f}" for level in levels)
        rows.append(f"| {row.label} | {row.learns} | {values} |")
    labels = cost.set_index("method")["label"]
    leads = (_lead(labels, *part) for part in lead.groupby("leader", sort=False))
    return ["\n".join(rows), *leads, *_remaining(remaining, labels, budgets)]


def _remaining(table: pd.DataFrame, labels: pd.Series, budgets: pd.DataFrame) -> list[str]:
    """What is at least left to gain, if there is an oracle, and how much longer that one learnt."""
    if table.empty:
        return []
    gaps = "; ".join(
        f"{row.gap:.4f} [{row.lo:.4f}, {row.hi:.4f}] higher at {row.level:g}, where ours gains"
        f" {row.share:.1%} of what it gains"
        for row in table.itertuples()
    )
    seen = budgets.set_index("network")["images seen"]
    oracle, ours = (seen[labels[name]] for name in ("compact-large", "compact"))
    return [
        f"The oracle, the same network with four times the arithmetic, is {gaps}. It grew from ours"
        f" and saw {oracle:,} images in all, ours {ours:,}: what more learning would bring is open."
    ]


def _lead(labels: pd.Series, leader: str, lead: pd.DataFrame) -> str:
    """How far the leader is ahead of the closest rival at each level, or behind."""
    closest = lead.loc[lead.groupby("level")["difference"].idxmin()]
    races = "; ".join(_race(labels[row.method], row) for row in closest.itertuples())
    race = RACES.get(leader, SHORTER)
    return f"{race}, {labels[leader]} is, against its closest rival at each level, {races}."


def _race(rival: str, row) -> str:
    """One race in words: 0.016 [0.012, 0.021] ahead of total variation at 0.15."""
    if row.difference < 0:
        numbers, word = (-row.difference, -row.hi, -row.lo), "behind"
    else:
        numbers, word = (row.difference, row.lo, row.hi), "ahead of"
    mean, lo, hi = (f"{number:.3f}" for number in numbers)
    return f"{mean} [{lo}, {hi}] {word} {rival} at {row.level:g}"


def insert(text: str, block: str) -> str:
    """`text` with `block` between the two markers."""
    before, rest = text.split(START)
    return f"{before}{START}\n{block}{END}{rest.split(END)[1]}"


def main() -> None:
    """Write the results of the run named on the command line into the README."""
    readme = ROOT / "README.md"
    block = markdown(REPORTS / sys.argv[1])
    files.write_text(readme, insert(readme.read_text(encoding="utf-8"), block))


if __name__ == "__main__":
    main()
