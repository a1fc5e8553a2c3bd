"""Who races whom and who leads; what beats the best filter; what more learning brings."""

import numpy as np
import pandas as pd
import pytest

from fer_lib import stats
from fer_lib.methods import ranking
from fer_lib.methods.plans import Schedule
from fer_lib.methods.table import Reference

IMAGES = 60
BASE = np.random.default_rng(0).uniform(0.2, 0.9, IMAGES)


def rows(method: str, ssim, *, seed=0, level=0.3, corrected=False, noise="gaussian"):
    named = {"method": method, "seed": seed, "level": level, "corrected": corrected}
    named |= {"protocol": "camera noise", "noise": noise, "mse": 0.01, "psnr": 20.0, "gmsd": 0.1}
    return pd.DataFrame({**named, "id": range(IMAGES), "ssim": ssim})


def lead(*parts: pd.DataFrame, rivals=("rival",)) -> pd.DataFrame:
    race = ("ours", "all", list(rivals))
    return ranking.lead(pd.concat(parts), [race]).set_index(["level", "method"])


# --- who races whom ------------------------------------------------------------------------------


def reference(learns: str, family: str = "") -> Reference:
    return Reference(label="", learns=learns, family=family, methods=())


REFERENCES = {
    "noisy": reference("nothing"),
    "wiener": reference("clean"),
    "mixture": reference("clean", "mixture"),
    "mixture-blind": reference("clean", "mixture"),
    "cae": reference("clean", "cae"),
    "cae-denoising": reference("pairs", "cae-denoising"),
    "compact-mse": reference("pairs", "compact-mse"),
    "noise2noise": reference("noisy", "noise2noise"),
    "compact, 8 epochs": reference("pairs", "compact"),
    "compact": reference("pairs", "compact"),
    "compact-mirrored": reference("pairs", "compact"),
}
NO_NOISE = ["noisy", "wiener", "cae"]
ALL = ["noisy", "wiener", "mixture", "mixture-blind", "cae"]
ALL += ["cae-denoising", "compact-mse", "noise2noise"]


def test_ours_race_all_others_and_never_themselves():
    races = {leader: rivals for leader, _, rivals in ranking.races(REFERENCES)}
    assert races == {"mixture": NO_NOISE, "compact-mirrored": ALL, "compact, 8 epochs": ALL}


def test_each_race_says_who_races():
    rivals = {leader: among for leader, among, _ in ranking.races(REFERENCES)}
    assert rivals["mixture"] == "all that learns from nothing or from clean images"
    assert rivals["compact-mirrored"] == "all methods"
    assert "no more images" in rivals["compact, 8 epochs"]


def test_without_a_shorter_training_there_are_two_races():
    few = {name: r for name, r in REFERENCES.items() if name != "compact, 8 epochs"}
    assert [leader for leader, _, _ in ranking.races(few)] == ["mixture", "compact-mirrored"]


# --- who leads -----------------------------------------------------------------------------------


def test_the_lead_is_paired():
    """Images differ by far more than the methods do: only pairs can tell."""
    wiggle = 0.001 * np.sin(np.arange(IMAGES))
    row = lead(rows("ours", BASE + 0.01), rows("rival", BASE + wiggle)).loc[0.3, "rival"]
    assert row["difference"] == pytest.approx(0.01, abs=0.001)
    assert 0.009 < row["lo"] < row["hi"] < 0.011
    assert row["p_holm"] < 1e-6


def test_a_rival_counts_in_its_better_version_and_the_leader_as_it_is():
    rival = rows("rival", BASE - 0.1), rows("rival", BASE - 0.02, corrected=True)
    ours = rows("ours", BASE), rows("ours", BASE + 0.5, corrected=True)
    assert lead(*ours, *rival).loc[(0.3, "rival"), "difference"] == pytest.approx(0.02)


@pytest.mark.parametrize(("metric", "sign"), [("psnr", 1), ("gmsd", -1), ("mse", -1)])
def test_by_any_measure_ahead_is_above_0_and_the_better_version_races(metric, sign):
    def scored(name, gap, **named):
        return rows(name, 0.5, **named).assign(**{metric: BASE + sign * gap})

    scores = [scored("ours", 0.0), scored("rival", -0.1), scored("rival", -0.02, corrected=True)]
    table = ranking.lead(pd.concat(scores), [("ours", "all", ["rival"])], metric)
    assert table["difference"].item() == pytest.approx(0.02)


def test_only_the_named_rivals_race_in_their_order():
    parts = [rows(name, BASE - 0.1) for name in ("a", "b", "c")]
    table = lead(rows("ours", BASE), *parts, rivals=("c", "a"))
    assert table.index.tolist() == [(0.3, "c"), (0.3, "a")]


def test_a_level_of_0_is_no_race_and_every_other_is_one():
    parts = [rows(n, BASE - k, level=s) for s in (0, 0.3, 0.5) for k, n in enumerate(("ours", "x"))]
    assert lead(*parts, rivals=("x",)).index.tolist() == [(0.3, "x"), (0.5, "x")]


def test_trainings_of_a_rival_are_each_set_against_the_leader():
    parts = (rows("x", BASE - 0.1 * seed, seed=seed) for seed in (1, 2, 3))
    row = lead(rows("ours", BASE), *parts, rivals=("x",)).loc[0.3, "x"]
    assert row["difference"] == pytest.approx(0.2)
    assert row["hi"] - row["lo"] > 0.1  # what trainings vary by is in the interval


def scattered(*, levels, rivals) -> list[pd.DataFrame]:
    """Rivals that are a little behind, by a lot of noise: no p-value is near 0."""
    random = np.random.default_rng(1)
    parts = [rows("ours", BASE, level=level) for level in levels]
    for level in levels:
        for rival in rivals:
            gap = -0.015 + random.normal(0, 0.05, IMAGES)
            parts.append(rows(rival, BASE + gap, level=level))
    return parts


def test_holm_goes_over_all_rivals_and_all_levels_of_a_race():
    names = ("a", "b", "c")
    scores = pd.concat(scattered(levels=(0.15, 0.3, 0.5), rivals=names))
    table = ranking.lead(scores, [("ours", "all", list(names))])
    by_rival = scores.set_index(["level", "method"])["ssim"]
    pairs = zip(table["level"], table["method"], strict=True)
    single = np.array([stats.difference(BASE, by_rival[pair].to_numpy()).p for pair in pairs])
    np.testing.assert_allclose(table["p_holm"], stats.holm(single))
    within = [stats.holm(part) for part in np.split(single, 3)]  # what it must not be
    assert (table["p_holm"] > 1.5 * np.concatenate(within)).any()


def test_races_are_corrected_each_on_its_own():
    scores = pd.concat(scattered(levels=(0.3,), rivals=("a", "b")))
    races = [("ours", "both", ["a", "b"]), ("ours", "one", ["a"])]
    both = ranking.lead(scores, races)
    alone = ranking.lead(scores, races[1:])
    pd.testing.assert_frame_equal(both[both["among"] == "one"].reset_index(drop=True), alone)
    first = both[(both["among"] == "both") & (both["method"] == "a")]["p_holm"].item()
    assert first > alone["p_holm"].item()


def test_the_firsts_are_named_from_weak_to_strong_noise_each_once():
    pooled = pd.DataFrame(
        [("a", 0.0, 9, 0), ("a", 0.3, 0.9, 0.2), ("b", 0.3, 0.8, 0.1)]
        + [("a", 0.5, 0.5, 0.3), ("b", 0.5, 0.6, 0.2), ("b", 0.15, 0.9, 0.3), ("a", 0.15, 1, 0.1)],
        columns=["method", "level", "ssim", "gmsd"],
    )
    assert ranking.firsts(pooled, "ssim") == ["a", "b"]
    assert ranking.firsts(pooled, "gmsd") == ["a", "b"]  # the least of it
    assert ranking.firsts(pooled[pooled["level"] != 0.15], "gmsd") == ["b"]


# --- other noise ---------------------------------------------------------------------------------


def test_a_gap_that_is_not_clear_is_told_in_brackets():
    gap = pd.Series({"difference": 0.01, "lo": 0.0004, "hi": 0.02})
    assert ranking.told(gap) == "+0.010 [+0.000, +0.020]"
    clear = pd.Series({**gap, "p_holm": 0.049})
    assert ranking.told(clear) == ranking.told(gap)
    assert ranking.told(pd.Series({**gap, "p_holm": 0.06})) == "(+0.010 [+0.000, +0.020])"


def test_methods_are_set_against_the_best_filter_of_each_noise_and_level():
    gains = {("speckle", 0.1): 0.1, ("speckle", 0.3): 0.02, ("poisson", 5): 0.1, ("poisson", 9): 0}
    wiggle = 0.01 * np.sin(np.arange(IMAGES))
    parts = []
    for (noise, level), gain in gains.items():
        weaker, stronger = ("median", "tv") if noise == "speckle" else ("tv", "median")
        parts.append(rows(weaker, BASE - 0.05, noise=noise, level=level))
        parts.append(rows(stronger, BASE, noise=noise, level=level))
        parts.append(rows("x", BASE + gain + wiggle, noise=noise, level=level))
    table = ranking.against_filters(pd.concat(parts), ("median", "tv", "gaussian"))
    assert table["method"].tolist() == ["x"] * 4
    best = {"speckle": "tv", "poisson": "median"}
    assert table["filter"].tolist() == table["noise"].map(best).tolist()
    found = table.set_index(["noise", "level"])["difference"].to_dict()
    assert found == pytest.approx(gains, abs=1e-3)
    assert ((table["lo"] < table["difference"]) & (table["difference"] < table["hi"])).all()
    assert (table["lo"] > 0).tolist() == [gain > 0 for gain in gains.values()]
    assert ranking.clear(table).tolist() == [gain > 0 for gain in gains.values()]
    assert not ranking.clear(table.assign(p_holm=0.06)).any()
    others = [part.replace("x", "y") for part in parts if "x" in part["method"].to_numpy()]
    both = ranking.against_filters(pd.concat([*parts, *others]), ("median", "tv", "gaussian"))
    kept = both[both["method"] == "x"]  # Holm's correction is over the cases of a method
    assert kept["p_holm"].tolist() == table["p_holm"].tolist()


# --- what more learning brings -------------------------------------------------------------------

SHORT, LONG, FEW = Schedule("x", (2,)), Schedule("x", (3, 5)), Schedule("x", (8,), 100)
TREND = {"time": (SHORT, LONG), "data": (FEW, LONG)}
SIZES = {
    SHORT.name: {"time": 200, "data": 400},
    LONG.name: {"time": 800, "data": 400},
    FEW.name: {"time": 800, "data": 100},
}


@pytest.fixture
def scores() -> pd.DataFrame:
    gains = {SHORT: 0.0, LONG: 0.04, FEW: -0.02}
    parts = [rows(schedule.name, BASE + gain) for schedule, gain in gains.items()]
    return pd.concat([*parts, *(rows(schedule.name, 1.0, level=0.0) for schedule in gains)])


def test_every_training_stands_on_its_axes_where_there_is_noise(scores):
    table = ranking.trend(TREND, SIZES, scores)
    assert table["axis"].tolist() == ["time", "time", "data", "data"]
    assert table["size"].tolist() == [200, 800, 100, 400]
    assert (table["level"] == 0.3).all()
    means = [BASE.mean() + gain for gain in (0, 0.04, -0.02, 0.04)]
    assert table["ssim"].tolist() == pytest.approx(means)
    assert (table["ssim_lo"] < table["ssim"]).all()


def test_a_doubling_is_paired_and_counts_once(scores):
    """Two doublings lie between the trainings on both axes; images differ by far more."""
    table = ranking.doublings(ranking.trend(TREND, SIZES, scores), scores).set_index("axis")
    assert table["gain"].to_dict() == pytest.approx({"time": 0.02, "data": 0.03})
    assert (table["hi"] - table["lo"]).max() < 1e-9
    assert table.loc["time", ["from", "to"]].tolist() == [200, 800]
