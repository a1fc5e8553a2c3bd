"""The results of a run in a few lines of Markdown, made from its tables.

The same text opens the report's front page and stands in the README between two markers; a test
compares the two. `python -m fer_lib.report.summary RUN` writes it into the README.
"""

import json
import sys
from pathlib import Path

import pandas as pd

from fer_lib import paper, verdicts
from fer_lib.audit.answer import headline
from fer_lib.config import REPORTS, ROOT
from fer_lib.tools import files

START, END = "<!-- results: made by fer_lib.report.summary -->", "<!-- end of results -->"


def markdown(folder: Path) -> str:
    """The results in the report `folder`: what ran, what it says about the paper, the best methods.

    Of faces that are not the paper's it says nothing about the paper.
    """
    record = json.loads((folder / "run.json").read_text())
    parts = [_run(record)]
    if not paper.caveat(record["data"]["name"]):
        answers = [*headline(folder / "tables"), *verdicts.sentences(_read(folder, "verdicts"))]
        helps, learns, gradients = _read(folder, "ablation_verdict")["verdict"]
        answers.append(f"**Residuals**: {helps}; without them the network {learns}; {gradients}.")
        parts.append("\n".join(f"- {answer}" for answer in answers))
    return "\n\n".join([*parts, *_field(folder)]) + "\n"


def facts(record: dict) -> dict[str, str]:
    """What the front page tells of a run, from its record (run.json)."""
    machine = record["hardware"]
    return {
        "commit": record["commit"] + ("" if record["clean"] else ", with changes"),
        "command": record["command"],
        "data": f"{record['data']['name']}, SHA-256 {record['data']['checksum']}",
        "seeds": ", ".join(map(str, record["seeds"])),
        "hardware": f"{machine['cpu']}, {machine['cores']} cores, GPU: {machine['gpu'] or 'none'}",
        "packages": ", ".join(f"{name} {version}" for name, version in record["packages"].items()),
    }


def _read(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / "tables" / f"{name}.csv", keep_default_na=False)


def _run(record: dict) -> str:
    config = record["config"]
    train, test = config["train_images"] or "four fifths", config["test_images"] or "a fifth"
    return (
        f"Run `{record['data']['name']}-{record['profile']}`: the paper's network at"
        f" {config['width']:g} of its width, {config['training']['epochs']} epochs on {train}"
        f" faces, {len(record['seeds'])} trainings, scored on {test} other faces."
    )


def _field(folder: Path) -> list[str]:
    """The best method of each kind beside the paper's network, and how far the leaders lead."""
    cost, lead = _read(folder, "cost").set_index("method"), _read(folder, "lead")
    levels = sorted(lead["level"].unique())
    means = _read(folder, "references").groupby(["method", "level"])["ssim"].mean()
    means = means.unstack("level").loc[cost.index, levels]
    best = means.mean(axis="columns").groupby(cost["learns"]).idxmax()
    head = ["SSIM, *camera noise*", "learns from", *map("{:g}".format, levels)]
    table = cost[["label", "learns"]].join(means.map("{:.3f}".format))
    rows = table[table.index.isin(["noisy", "cae", *best])].to_numpy()
    lines = [head, ["---"] * 2 + ["---:"] * len(levels), *rows]
    leads = (_lead(cost["label"][name], rows) for name, rows in lead.groupby("leader", sort=False))
    return ["\n".join(f"| {' | '.join(cells)} |" for cells in lines), "\n".join(leads)]


def _lead(leader: str, lead: pd.DataFrame) -> str:
    """How far a leader is ahead (+) of the closest of its rivals at each level, or behind (-)."""
    closest = lead.loc[lead.groupby("level")["difference"].idxmin()]
    races = ", ".join(
        f"{row.difference:+.3f} [{row.lo:.3f}, {row.hi:.3f}] at {row.level:g}"
        for row in closest.itertuples()
    )
    return f"- {leader} against the best of {lead['among'].iloc[0]}: {races}."


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
