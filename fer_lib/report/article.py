"""All that the front page shows of a run: findings, methods, pictures, files."""

import base64
from pathlib import Path

from fer_lib import paper
from fer_lib.report import findings
from fer_lib.report.findings import read


def facts(folder: Path, record: dict) -> dict:
    """What `template/front.html.j2` shows of the report `folder`; record: its run.json.

    facts: `findings.facts`, empty on other faces than the paper's. parameters: of the paper's
    network at full width. viewer: the rows of viewer.csv, each with its picture in base64. levels:
    with noise. methods: of each the columns of cost.csv and cost_times.csv, and for each level mean
    `ssim`, `psnr` and `gmsd` over all trainings and the `tested` faces. tables, figures: (file,
    bytes) each."""
    viewer = read(folder, "viewer").to_dict("records")
    costs = read(folder, "cost").merge(read(folder, "cost_times"), on="method").to_dict("records")
    for row in viewer:
        row["png"] = base64.b64encode((folder / row["file"]).read_bytes()).decode()
    scores = read(folder, "references").query("level > 0")
    means = scores.groupby(["method", "level"])[["ssim", "psnr", "gmsd"]].mean()
    files = {kind: sorted(folder.glob(f"{kind}/[!.]*")) for kind in ("tables", "figures")}
    return {
        "record": record,
        "facts": {} if paper.caveat(record["data"]["name"]) else findings.facts(folder),
        "parameters": read(folder, "layers")["parameters"].sum(),
        "viewer": viewer,
        "tested": scores["n"].max(),
        "levels": sorted(scores["level"].unique()),
        "methods": [row | means.loc[row["method"]].to_dict("list") for row in costs],
        **{kind: [(p.name, p.stat().st_size) for p in paths] for kind, paths in files.items()},
    }
