"""docs/claims.md: its numbers, and those of its verdicts that a test can find."""

import re

import numpy as np
import pandas as pd
import torch

from fer_lib import config
from fer_lib.audit import remarks
from fer_lib.metrics import ssim

TEXT = (config.ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split(" |")] for line in TEXT.splitlines()]
CLAIMS = {int(row[0]): row[1:] for row in ROWS if re.fullmatch(r"\|? ?\d+", row[0])}
FIGURES = pd.read_csv(config.ROOT / "docs" / "paper_figures.csv")


def verdicts():
    scores = pd.DataFrame({"ssim": [0.1, 0.2]})
    looks = FIGURES.assign(spacing=0.0, noise_spacing=0.0)
    return remarks.verdicts(looks, FIGURES, scores, scores)


def test_claims_are_numbered_without_gaps():
    assert list(CLAIMS) == list(range(1, len(CLAIMS) + 1))


def test_each_remark_is_the_claim_of_its_number():
    said = {12: "polka-dots", 15: "little to no signs", 16: "low illumination", 21: "brighter"}
    said |= {22: "negative"}
    table = verdicts()
    assert set(table["claim"]) == set(said)
    for claim, words in said.items():
        assert words in CLAIMS[claim][1]
        assert CLAIMS[claim][2] == "chapter 5, remarks"


def test_verdicts_on_the_papers_figures_are_what_the_figures_give():
    table = verdicts()
    theirs = table[table["source"] == remarks.THEIRS].set_index("claim")["verdict"]
    for claim, verdict in theirs.items():
        assert CLAIMS[claim][3] == f"in the paper's figures: {verdict}"
    assert sum("in the paper's figures" in row[3] for row in CLAIMS.values()) == len(theirs)


def test_no_face_in_the_figures_is_mirrored():
    assert "no face in figures 6 to 9 is mirrored" in CLAIMS[4][3]
    found = FIGURES[FIGURES["id"] >= 0]
    assert not found["mirrored"].any()
    assert 0.5 ** len(found) < 1e-9  # the chance of that if half of all faces were


def test_ssim_goes_below_zero():
    assert CLAIMS[19][3] == "does not hold"
    image = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    assert ssim(image, 1 - image, 1.0).item() < -0.5


def test_the_code_is_no_bottleneck():
    assert CLAIMS[5][3] == "does not hold"
    assert np.prod((6, 6, 4096)) > np.prod((96, 96, 3))
