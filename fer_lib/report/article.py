"""All that the front page shows of a run: findings, methods, pictures, files."""

import base64
from pathlib import Path

from fer_lib import paper
from fer_lib.report import findings
from fer_lib.report.findings import read, records


def facts(folder: Path, record: dict) -> dict:
    """What `template/front.html.j2` shows of the report `folder`; record: its run.json.

    facts: `findings.facts`, empty on other faces than the paper's. parameters: of the paper's
    network at its full width. levels: those with noise. tables, figures: (file, bytes) each.
    """
    files = {kind: sorted(folder.glob(f"{kind}/[!.]*")) for kind in ("tables", "figures")}
    return {
        "record": record,
        "facts": {} if paper.caveat(record["data"]["name"]) else findings.facts(folder),
        "parameters": read(folder, "layers")["parameters"].sum(),
        "viewer": _viewer(folder),
        **_methods(folder),
        **{kind: [(p.name, p.stat().st_size) for p in paths] for kind, paths in files.items()},
    }


def _methods(folder: Path) -> dict:
    """levels, and of each method the columns of cost.csv and its means over all tested faces and
    trainings, `ssim` and `psnr`, a list each with a value a level."""
    scores = read(folder, "references").query("level > 0")
    means = scores.groupby(["method", "level"])[["ssim", "psnr"]].mean()
    rows = [row | means.loc[row["method"]].to_dict("list") for row in records(folder, "cost")]
    return {"levels": sorted(scores["level"].unique()), "methods": rows}


def _viewer(folder: Path) -> list[dict]:
    """The rows of viewer.csv, each with its picture in base64; none where there are none."""
    rows = records(folder, "viewer")
    for row in rows:
        row["png"] = base64.b64encode((folder / row["file"]).read_bytes()).decode()
    return rows
