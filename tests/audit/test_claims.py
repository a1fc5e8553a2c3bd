"""docs/claims.md: its numbers, its verdicts, and what would change them."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from docs import claims
from fer_lib import config
from fer_lib.audit import remarks
from fer_lib.metrics import ssim

TABLES = config.REPORTS / "ferplus-cpu" / "tables"
TEXT = (config.ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split(" |")] for line in TEXT.splitlines()]
CLAIMS = {int(row[0]): row[1:] for row in ROWS if re.fullmatch(r"\|? ?\d+", row[0])}
FIGURES = pd.read_csv(config.ROOT / "docs" / "paper_figures.csv")


def test_claims_are_numbered_without_gaps_and_each_is_judged():
    assert list(CLAIMS) == list(range(1, len(CLAIMS) + 1)) == list(claims.judge(TABLES))


def test_the_page_is_what_the_reports_tables_give():
    assert claims.fill(TEXT, claims.judge(TABLES)) == TEXT


@pytest.fixture
def changed(tmp_path):
    """The tables, one of them changed, judged: a function of its name and of what changes it."""

    def judge(name: str, change) -> dict:
        shutil.copytree(TABLES, tmp_path / "tables", dirs_exist_ok=True)
        path = tmp_path / "tables" / f"{name}.csv"
        table = pd.read_csv(path, keep_default_na=False)
        change(table)
        table.to_csv(path, index=False)
        return {number: verdict for number, (verdict, _) in claims.judge(path.parent).items()}

    return judge


def all_of(column: str, value):
    return lambda table: table.__setitem__(column, value)


@pytest.mark.parametrize(
    ("name", "column", "value", "verdicts"),
    [
        ("verdicts", "verdict", "better", {1: "holds", 26: "holds", 11: "does not hold"}),
        ("verdicts", "verdict", "worse", {1: "does not hold", 26: "does not hold"}),
        ("verdicts", "verdict", "worse", {11: "holds", 14: "holds", 24: "holds"}),
        ("first_network", "flat", 0, {7: "does not hold"}),
        ("first_network", "flat", 1, {7: "holds in part"}),
        ("first_network", "input_share", 1e-3, {6: "does not hold"}),
        ("first_network", "verdict", "does not learn", {6: "holds in part"}),
        ("ablation_verdict", "verdict", "residuals harm the result", {25: "does not hold"}),
        ("ablation_verdict", "verdict", "undecided", {25: "undecided"}),
        ("ladder", "ssim", 0.8, {13: "holds in part"}),
        ("remarks", "verdict", "follows", {12: "holds", 15: "holds", 21: "holds"}),
        ("remarks", "verdict", "does not follow", {15: "does not hold", 22: "does not hold"}),
        ("lead", "p_holm", 0.2, {28: "does not hold"}),
        ("dataset", "images", 1, {3: "does not hold"}),
    ],
)
def test_other_tables_give_other_verdicts(changed, name, column, value, verdicts):
    judged = changed(name, all_of(column, value))
    assert {number: judged[number] for number in verdicts} == verdicts


def test_the_best_level_is_where_most_is_gained(changed):
    def most_at_half(table):
        table.loc[table["at"].astype(str) == "0.5", "difference"] = 0.9

    assert changed("verdicts", most_at_half)[27] == "does not hold"


def test_each_remark_is_the_claim_of_its_number():
    said = {12: "polka-dots", 15: "little to no signs", 16: "low illumination", 21: "brighter"}
    said |= {22: "negative"}
    scores = pd.DataFrame({"ssim": [0.1, 0.2]})
    looks = FIGURES.assign(spacing=0.0, noise_spacing=0.0)
    table = remarks.verdicts(looks, FIGURES, scores, scores)
    assert set(table["claim"]) == set(said)
    for claim, words in said.items():
        assert words in CLAIMS[claim][1]
        assert CLAIMS[claim][2] == "chapter 5, remarks"
    theirs = table[table["source"] == remarks.THEIRS]
    for claim, verdict in zip(theirs["claim"], theirs["verdict"], strict=True):
        assert f"the paper's figures: {verdict}" in CLAIMS[claim][3]


def test_no_face_in_the_figures_is_mirrored():
    found = FIGURES[FIGURES["id"] >= 0]
    assert f"{len(found)} can be found in FER+, and 0 of these are mirrored" in CLAIMS[4][3]
    assert not found["mirrored"].any()
    assert 0.5 ** len(found) < 1e-9  # the chance of that if half of all faces were


def test_ssim_goes_below_zero():
    assert CLAIMS[19][3].startswith("**does not hold**")
    image = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    assert ssim(image, 1 - image, 1.0).item() < -0.5


def test_the_code_is_no_bottleneck():
    assert CLAIMS[5][3].startswith("**does not hold**")
    assert np.prod((6, 6, 4096)) > np.prod((96, 96, 3))
