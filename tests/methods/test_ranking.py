"""Who leads: paired, with nothing chosen in the leader's favour; and what each costs."""

import numpy as np
import pandas as pd
import pytest
import torch

from fer_lib.methods import ranking
from fer_lib.methods.table import Reference

IMAGES = 60
BASE = np.random.default_rng(0).uniform(0.2, 0.9, IMAGES)


def rows(method: str, ssim, *, seed=0, level=0.3, corrected=False) -> pd.DataFrame:
    named = {"method": method, "seed": seed, "level": level, "corrected": corrected}
    return pd.DataFrame({**named, "id": range(IMAGES), "ssim": ssim})


def lead(*parts: pd.DataFrame) -> pd.DataFrame:
    return ranking.lead(pd.concat(parts), "ours", 500).set_index(["level", "method"])


def test_the_lead_is_paired():
    """Images differ by far more than the methods do: only pairs can tell."""
    wiggle = 0.001 * np.sin(np.arange(IMAGES))
    table = lead(rows("ours", BASE + 0.01), rows("rival", BASE + wiggle))
    row = table.loc[0.3, "rival"]
    assert row["difference"] == pytest.approx(0.01, abs=0.001)
    assert 0.009 < row["lo"] < row["hi"] < 0.011
    assert row["p_holm"] < 1e-6


def test_a_rival_counts_in_its_better_version_and_the_leader_as_it_is():
    rival = rows("rival", BASE - 0.1), rows("rival", BASE - 0.02, corrected=True)
    ours = rows("ours", BASE), rows("ours", BASE + 0.5, corrected=True)
    assert lead(*ours, *rival).loc[(0.3, "rival"), "difference"] == pytest.approx(0.02)


def test_only_what_is_named_as_the_leaders_own_is_no_rival():
    names = ("rival", "ours-blind", "ours-of-others")
    scores = pd.concat([rows("ours", BASE), *(rows(name, BASE - 0.1) for name in names)])
    table = ranking.lead(scores, "ours", 500, ["ours-blind"])
    assert table["method"].tolist() == ["rival", "ours-of-others"]


def test_a_level_of_0_is_no_race_and_every_other_is_one():
    parts = [rows(n, BASE - k, level=s) for s in (0, 0.3, 0.5) for k, n in enumerate(("ours", "x"))]
    assert lead(*parts).index.tolist() == [(0.3, "x"), (0.5, "x")]


def test_trainings_of_a_rival_are_each_set_against_the_leader():
    table = lead(rows("ours", BASE), *(rows("x", BASE - 0.1 * s, seed=s) for s in (1, 2, 3)))
    row = table.loc[0.3, "x"]
    assert row["difference"] == pytest.approx(0.2)
    assert row["hi"] - row["lo"] > 0.1  # what trainings vary by is in the interval


def test_p_values_are_corrected_for_their_number():
    noise = np.random.default_rng(1).normal(0, 0.05, (20, IMAGES))
    one = lead(rows("ours", BASE), rows("x0", BASE - 0.015 + noise[0]))
    many = lead(rows("ours", BASE), *(rows(f"x{k}", BASE - 0.015 + n) for k, n in enumerate(noise)))
    assert many.loc[(0.3, "x0"), "p_holm"] > one.loc[(0.3, "x0"), "p_holm"]


def test_costs_are_a_row_a_reference():
    layer = torch.nn.Conv2d(1, 8, 3, padding=1)
    methods = {
        "noisy": Reference("noisy input", "nothing", False, 1, lambda x, protocol, level: x),
        "conv": Reference("layer", "pairs", False, 80, lambda x, protocol, level: layer(x)),
    }
    table = ranking.costs(methods, torch.rand(1, 1, 48, 48), 0.3).set_index("method")
    assert table["parameters"].to_dict() == {"noisy": 1, "conv": 80}
    assert np.isnan(table.loc["noisy", "flops"])
    assert table.loc["conv", "flops"] == 2 * 9 * 8 * 48 * 48
    assert (table["milliseconds"] > 0).all()
