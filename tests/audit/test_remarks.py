"""Each remark's verdict, on tables and images where the answer is known."""

import numpy as np
import pandas as pd
import pytest
import torch

from fer_lib.audit import remarks
from fer_lib.audit.remarks import FOLLOWS, NOT, PARTLY


def looks(**changes):
    """40 faces at three levels, the output brighter than all, alike, less black, with spots."""
    rng = np.random.default_rng(0)
    rows = {"level": np.repeat([0.0, 0.15, 0.5], 40), "raw": rng.uniform(0.1, 0.4, 120)}
    rows |= {"raw_black": 0.5, "shown": 0.95, "spacing": 12.0, "noise_spacing": 3.0}
    table = pd.DataFrame(rows)
    table["noisy"] = table["raw"] + 0.02
    table["output"] = table["raw"] + 0.05 + rng.normal(0, 0.01, 120)
    table["output_black"] = 0.3 + rng.normal(0, 0.02, 120)
    return table.assign(**changes)


def verdict(claim, table, source=remarks.OURS):
    scores = pd.DataFrame({"ssim": [-0.1, 0.3, 0.5]})
    found = remarks.verdicts(table, looks(), scores, scores.clip(lower=0))
    return found.set_index(["claim", "source"])["verdict"][claim, source]


def test_each_remark_follows_where_the_images_carry_it():
    for claim in (21, 15, 16, 12, 22):
        assert verdict(claim, looks()) == FOLLOWS
    for claim in (21, 15, 16):
        assert verdict(claim, looks(output=0), remarks.THEIRS) == FOLLOWS  # of the other table


def test_brighter_than_raw_but_not_than_noisy_is_a_part():
    table = looks()
    assert verdict(21, table.assign(noisy=table["raw"] + 0.2)) == PARTLY
    assert verdict(21, table.assign(output=table["raw"] - 0.05)) == NOT


def test_a_gain_within_chance_is_no_gain():
    rng = np.random.default_rng(1)
    table = looks()
    assert verdict(21, table.assign(output=table["noisy"] + rng.normal(0, 0.1, 120))) == NOT
    assert verdict(16, table.assign(output_black=0.5 + rng.normal(0, 0.1, 120))) != FOLLOWS


def test_processing_shows_where_output_and_raw_differ():
    table = looks()
    table.loc[table["level"] == 0.15, "shown"] = 0.75
    assert verdict(15, table) == NOT


def test_spots_must_be_coarser_than_the_noise():
    assert verdict(12, looks(spacing=4.0)) == NOT


def test_negative_values_must_come_from_the_ranges():
    scores = pd.DataFrame({"ssim": [-0.1, 0.3]})
    found = remarks.verdicts(looks(), looks(), scores, scores)
    assert found.set_index("claim")["verdict"][22] == NOT


@pytest.mark.parametrize("period", [4, 8, 16])
def test_the_spacing_of_waves_is_their_period(period):
    wave = torch.sin(2 * torch.pi * torch.arange(96.0) / period).expand(2, 3, 96, 96)
    assert remarks.spacing(wave) == pytest.approx(period, rel=1e-6)
    assert remarks.spacing(torch.ones(1, 3, 96, 96)) == 0


class Halves(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return x / 2 - 0.1


def test_looks_are_of_images_as_shown(pictures):
    ids = np.arange(len(pictures))
    table = remarks.looks(Halves(), pictures, ids, levels=[0.0, 0.5], seed=0)
    clean = pictures[3].repeat(2, 0).repeat(2, 1) / 127.5 - 1  # nearly what bilinear gives
    row = table[(table["level"] == 0) & (table["id"] == 3)].iloc[0]
    assert row["raw"] == pytest.approx(clean.clip(0, 1).mean(), abs=0.01)
    assert row["noisy"] == row["raw"]
    assert row["output"] == pytest.approx((clean.clip(0, 1) / 2 - 0.1).clip(0).mean(), abs=0.01)
    assert row["raw_black"] == pytest.approx((clean < 8 / 255).mean(), abs=0.02)
    assert row["spacing"] == 0  # the first level is without noise
    last = table[table["level"] == 0.5].iloc[0]
    assert last["spacing"] == pytest.approx(last["noise_spacing"], rel=0.1)  # noise, halved
