"""Scores of methods whose quality is known, and what becomes of them in tables and verdicts."""

import numpy as np
import pandas as pd
import pytest
import skimage.filters
import torch

from fer_lib import autoencoder, config, evaluation, metrics, pipeline, stats
from fer_lib.methods import clipping
from fer_lib.noise import PROTOCOLS

NAMES = ("the paper's noise", "noise in [0, 1]", "camera noise")
LEVELS = (0.0, 0.15, 0.5)
IDS = np.array([3, 11, 4, 900, 27, 8])
SCORES = [
    "protocol",
    "method",
    "seed",
    "noise",
    "level",
    "corrected",
    "id",
    "ssim",
    "mse",
    "psnr",
    "brightness",
    "gmsd",
]
SUMMARY = "protocol,method,seed,noise,level,n,ssim,ssim_lo,ssim_hi,mse,mse_lo,mse_hi"
SUMMARY += ",psnr,psnr_lo,psnr_hi,gmsd,gmsd_lo,gmsd_hi"


@pytest.fixture(scope="module")
def faces(pictures) -> np.ndarray:
    return pictures[:6]


@pytest.fixture(scope="module")
def ideal(faces):
    """The method that gives the clean picture back."""
    clean = pipeline.to_unit(torch.tensor(faces))
    return lambda noisy, protocol, level: protocol.reference(clean)


def black(noisy: torch.Tensor, protocol, level) -> torch.Tensor:
    return torch.zeros_like(noisy)


def score(faces, methods, levels=LEVELS, seed=0, **options) -> pd.DataFrame:
    return evaluation.score(faces, IDS, methods=methods, levels=levels, seed=seed, **options)


@pytest.fixture(scope="module")
def untouched(faces) -> pd.DataFrame:
    return score(faces, {("noisy", 0): evaluation.nothing})


@pytest.mark.parametrize("name", NAMES)
def test_a_row_of_a_figure_has_pixels_and_the_scores_of_the_table(faces, untouched, name):
    clean, protocol = pipeline.to_unit(torch.tensor(faces)), PROTOCOLS[name]
    noisy = protocol.corrupt(clean, 0.5, IDS, 0)
    label, pixels, texts = evaluation.scored("x", noisy, clean, protocol)
    table = chosen(untouched, protocol=name, level=0.5)
    assert (label, texts) == ("x", [f"{score:.2f}" for score in table["ssim"]])
    assert pixels.shape == ((6, 48, 48) if name == "camera noise" else (6, 96, 96, 3))
    assert 0 <= pixels.min() < pixels.max() <= 1


def chosen(scores: pd.DataFrame, **where) -> pd.DataFrame:
    for column, value in where.items():
        scores = scores[scores[column] == value]
    assert len(scores)
    return scores


def test_a_row_for_each_protocol_method_seed_level_and_image(faces):
    methods = {("noisy", 0): evaluation.nothing, ("cae", 0): black, ("cae", 1): black}
    scores = score(faces, methods)
    assert list(scores.columns) == SCORES
    assert len(scores) == 3 * 3 * 3 * 6
    assert set(scores["noise"]) == {"gaussian"}
    assert (scores.groupby(evaluation.ROW)["id"].agg(list).map(tuple) == tuple(IDS)).all()
    assert not scores.duplicated(["protocol", "method", "seed", "level", "id"]).any()


@pytest.mark.parametrize("name", ["noise in [0, 1]", "camera noise"])
def test_without_noise_the_untouched_image_is_perfect(untouched, name):
    rows = chosen(untouched, protocol=name, level=0.0)
    assert rows["ssim"].tolist() == [1.0] * 6
    assert rows["mse"].tolist() == [0.0] * 6
    assert rows["psnr"].tolist() == [np.inf] * 6


def test_the_papers_noise_harms_even_without_noise(untouched):
    """The clamp alone: a dark pixel x becomes 0 where it should be 2x - 1."""
    rows = chosen(untouched, protocol="the paper's noise", level=0.0)
    assert (rows["ssim"] < 0.9).all()
    assert (rows["mse"] > 0.01).all()
    assert (rows["brightness"] > 0.05).all()


def test_scores_are_those_of_the_metrics(faces, untouched):
    clean = pipeline.to_unit(torch.tensor(faces))
    for name, protocol in PROTOCOLS.items():
        noisy, reference = protocol.corrupt(clean, 0.15, IDS, 0), protocol.reference(clean)
        rows = chosen(untouched, protocol=name, level=0.15)
        ssim = metrics.ssim(noisy, reference, protocol.data_range)
        np.testing.assert_allclose(rows["ssim"], ssim, rtol=1e-12)
        error = (noisy.numpy().astype(float) - reference.numpy()) / protocol.data_range
        mse = (error**2).mean(axis=(1, 2, 3))
        np.testing.assert_allclose(rows["mse"], mse, rtol=1e-9)
        np.testing.assert_allclose(rows["psnr"], -10 * np.log10(mse), rtol=1e-9)
        mean = error.mean(axis=(1, 2, 3))
        np.testing.assert_allclose(rows["brightness"], mean, rtol=1e-9, atol=1e-9)


def test_the_mse_is_on_0_to_1_in_every_protocol(faces):
    """An output that is wrong by a tenth of its range has an MSE of 0.01 and 20 dB."""
    clean = pipeline.to_unit(torch.tensor(faces))

    def off_by_a_tenth(noisy, protocol, level):
        return protocol.reference(clean) + 0.1 * protocol.data_range

    scores = score(faces, {("off", 0): off_by_a_tenth}, (0.3,))
    assert set(scores["protocol"]) == set(NAMES)
    assert scores["mse"].tolist() == pytest.approx([0.01] * 18, rel=1e-5)
    assert scores["psnr"].tolist() == pytest.approx([20] * 18, rel=1e-5)
    assert scores["brightness"].tolist() == pytest.approx([0.1] * 18, rel=1e-5)


def test_the_mse_of_the_papers_noise_is_a_quarter_of_that_on_minus_one_to_one(faces):
    scores = score(faces, {("black", 0): black}, (0.0,), protocols=("the paper's noise",))
    clean = pipeline.resize(pipeline.to_unit(torch.tensor(faces))).double()
    on_its_own_scale = (2 * clean - 1).square().mean(dim=(1, 2, 3))
    np.testing.assert_allclose(scores["mse"], on_its_own_scale / 4, rtol=1e-5)


def test_every_method_gets_the_same_noisy_images(faces):
    seen = {}

    def recording(name):
        def method(noisy, protocol, level):
            seen.setdefault(name, []).append(noisy.clone())
            return noisy

        return method

    methods = {(name, seed): recording((name, seed)) for name in ("a", "b") for seed in (0, 1)}
    score(faces, methods)
    first, *others = seen.values()
    assert len(first) == 3 * len(LEVELS)
    assert len(others) == 3
    assert all(all(map(torch.equal, first, other)) for other in others)
    clean = pipeline.to_unit(torch.tensor(faces))
    again = PROTOCOLS["the paper's noise"].corrupt(clean, LEVELS[1], IDS, 0)
    assert torch.equal(first[1], again)


def test_a_method_that_writes_into_its_input_harms_no_other(faces, untouched):
    def vandal(noisy, protocol, level):
        return noisy.clone().mul_(0)

    scores = score(faces, {("vandal", 0): vandal, ("noisy", 0): evaluation.nothing})
    pd.testing.assert_frame_equal(
        chosen(scores, method="noisy").reset_index(drop=True), untouched.reset_index(drop=True)
    )


def test_batches_and_order_leave_the_scores(faces, untouched, monkeypatch):
    monkeypatch.setattr(evaluation, "BATCH", 4)
    pd.testing.assert_frame_equal(score(faces, {("noisy", 0): evaluation.nothing}), untouched)
    order = [5, 2, 0, 4, 1, 3]
    methods = {("noisy", 0): evaluation.nothing}
    shuffled = evaluation.score(faces[order], IDS[order], methods=methods, levels=LEVELS, seed=0)
    key = ["protocol", "level", "id"]
    pd.testing.assert_frame_equal(
        *(t.sort_values(key).reset_index(drop=True) for t in (shuffled, untouched))
    )


def test_another_seed_is_other_noise(faces, untouched):
    other = score(faces, {("noisy", 0): evaluation.nothing}, seed=1)
    same = other["mse"] == untouched["mse"]
    assert same[other["level"] == 0].all()
    assert not same[other["level"] > 0].any()


class Recorder(torch.nn.Module):
    """A network that gives back a fixed share of its input and remembers it."""

    def __init__(self, share: float):
        super().__init__()
        self.share, self.seen = torch.nn.Parameter(torch.tensor(share)), []

    def forward(self, x):
        self.seen.append(x.detach().clone())
        return x * self.share


def test_a_network_is_fed_and_read_as_the_protocol_says(faces, untouched):
    """A network that changes nothing scores like doing nothing; camera noise is resized, too."""
    scores = score(faces, {("cae", 0): evaluation.network(Recorder(1.0))})
    for name in ("the paper's noise", "noise in [0, 1]"):
        ours, theirs = (chosen(t, protocol=name) for t in (scores, untouched))
        np.testing.assert_allclose(ours["ssim"], theirs["ssim"], atol=1e-5)
        np.testing.assert_allclose(ours["mse"], theirs["mse"], atol=1e-6)
    ours, theirs = (chosen(t, protocol="camera noise", level=0.5) for t in (scores, untouched))
    assert (ours["mse"] < 0.8 * theirs["mse"]).all()  # enlarging and averaging smooths


def test_a_network_sees_96_pixels_in_its_own_range(faces):
    clean = pipeline.to_unit(torch.tensor(faces))
    for protocol in PROTOCOLS.values():
        model, noisy = Recorder(0.0), protocol.corrupt(clean, 0.15, IDS, 0)
        output = evaluation.network(model)(noisy, protocol, 0.15)
        torch.testing.assert_close(model.seen[0], protocol.to_model(noisy))
        assert model.seen[0].shape == (6, 3, 96, 96)
        middle = 0.0 if protocol.data_range == 2 else 0.5  # 0 from the network is mid-gray
        assert output.shape == noisy.shape
        assert output.unique().tolist() == [middle]
        assert not output.requires_grad


def test_a_real_network_can_be_scored(faces):
    model = autoencoder.build(config.ModelConfig(width=1 / 32), 0).eval()
    scores = score(faces, {("cae", 0): evaluation.network(model)}, (0.15,))
    assert scores["ssim"].between(-1, 1).all()
    assert scores["mse"].between(1e-4, 1).all()
    assert scores.groupby("protocol")["mse"].nunique().eq(6).all()


def fake_scores() -> pd.DataFrame:
    """Two trainings of 30 images at one level; PSNR from an MSE that spans three decades."""
    random, tables = np.random.default_rng(0), []
    for seed in (0, 1):
        mse = 10 ** random.uniform(-4, -1, 30)
        values = {"id": range(30), "ssim": random.uniform(0, 1, 30), "mse": mse}
        named = {"protocol": "camera noise", "method": "cae", "seed": seed, "noise": "gaussian"}
        table = pd.DataFrame(
            {**named, "level": 0.3, "corrected": False, **values, "psnr": -10 * np.log10(mse)}
        ).assign(gmsd=random.uniform(0, 0.3, 30))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def test_the_summary_has_a_row_for_each_training_and_level():
    scores = fake_scores()
    table = evaluation.summarise(scores)
    assert ",".join(table.columns) == SUMMARY
    assert table["seed"].tolist() == [0, 1]
    assert table["n"].tolist() == [30, 30]
    for metric in ("ssim", "mse"):
        means = scores.groupby("seed")[metric].mean()
        np.testing.assert_allclose(table[metric], means, rtol=1e-12)
        half = 2.045 * scores.groupby("seed")[metric].std() / 30**0.5
        np.testing.assert_allclose(
            (table[f"{metric}_hi"] - table[f"{metric}_lo"]).to_numpy(), 2 * half, rtol=1e-3
        )
        assert table[metric].between(table[f"{metric}_lo"], table[f"{metric}_hi"]).all()


def test_psnr_is_the_mean_of_each_images_not_that_of_the_mean_mse():
    scores = fake_scores()
    table = evaluation.summarise(scores)
    mean = scores.groupby("seed")["psnr"].mean()
    of_mean = -10 * np.log10(scores.groupby("seed")["mse"].mean())
    np.testing.assert_allclose(table["psnr"], mean, rtol=1e-12)
    assert (mean - of_mean > 3).all()


def test_a_perfect_copy_has_an_infinite_psnr_without_an_interval(faces):
    table = evaluation.summarise(score(faces, {("noisy", 0): evaluation.nothing}, (0.0, 0.3)))
    copies = table[(table["level"] == 0) & (table["protocol"] != "the paper's noise")]
    noisy = table[table["level"] > 0]
    assert np.isinf(copies["psnr"]).all()
    assert copies[["psnr_lo", "psnr_hi"]].isna().all(axis=None)
    assert (copies[["ssim", "ssim_lo", "ssim_hi"]] == 1).all(axis=None)
    assert (copies[["gmsd", "gmsd_lo", "gmsd_hi"]] == 0).all(axis=None)
    for name in evaluation.MEASURES:
        assert (noisy[f"{name}_lo"] < noisy[name]).all()
        assert (noisy[name] < noisy[f"{name}_hi"]).all()


def test_other_measures_stand_one_above_the_other_where_there_is_noise(faces):
    scores = score(faces, {("noisy", 0): evaluation.nothing}, (0.0, 0.15, 0.3))
    pooled = evaluation.pool(scores)
    table = evaluation.beside_ssim(pooled)
    assert table.columns.tolist() == [0.15, 0.3]
    assert table.index.get_level_values(0).unique().tolist() == ["PSNR", "GMSD"]
    row = pooled.query("protocol == 'camera noise' and level == 0.3").iloc[0]
    shown = table.loc[("PSNR", "camera noise", "noisy"), 0.3]
    assert shown == f"{row.psnr:.1f} [{row.psnr_lo:.1f}, {row.psnr_hi:.1f}]"


def test_the_summary_keeps_the_order_of_protocols_and_methods(faces):
    methods = {("noisy", 0): evaluation.nothing, ("cae", 0): black}
    table = evaluation.summarise(score(faces, methods))
    assert tuple(table["protocol"].unique()) == NAMES
    assert tuple(table["method"].unique()) == ("noisy", "cae")
    assert len(table) == 3 * 2 * 3


def test_the_matrix_is_trainings_by_images_in_order_of_id():
    scores = fake_scores().sample(frac=1, random_state=1)
    matrix = stats.matrix(scores, "ssim", method="cae", level=0.3)
    expected = scores.sort_values(["seed", "id"])["ssim"].to_numpy().reshape(2, 30)
    assert np.array_equal(matrix, expected)


def test_pooling_takes_trainings_and_images():
    scores = fake_scores()
    pooled = evaluation.pool(scores)
    assert len(pooled) == 1
    assert pooled["ssim"][0] == pytest.approx(scores["ssim"].mean())
    assert pooled["mse"][0] == pytest.approx(scores["mse"].mean())
    assert pooled["mse_lo"][0] < pooled["mse"][0] < pooled["mse_hi"][0]
    assert pooled["n"][0] == 60
    pooled = pooled.assign(ssim=0.51, ssim_lo=0.4444, ssim_hi=0.6)
    assert evaluation.with_intervals(pooled, "ssim", 3).iloc[0, 0] == "0.510 [.444, .600]"


def test_pooled_intervals_hold_the_spread_between_trainings_in_both_versions():
    """Averaging the intervals of single trainings would not."""
    scores = fake_scores().assign(ssim=lambda table: 0.4 + 0.2 * table["seed"])
    both = pd.concat([scores, scores.assign(corrected=True, ssim=scores["ssim"] / 2)])
    pooled = evaluation.pool(both)
    whole = pooled[["ssim_lo", "ssim", "ssim_hi"]].to_numpy()[0]
    half = pooled[["ssim_corrected_lo", "ssim_corrected", "ssim_corrected_hi"]].to_numpy()[0]
    assert whole == pytest.approx(0.5 + np.array([-1, 0, 1]) * 12.706 * 0.1, rel=1e-4)
    assert half == pytest.approx(whole / 2)


def test_gains_by_group_are_those_of_its_images(faces, ideal):
    methods = {("noisy", 0): evaluation.nothing, ("cae", 0): ideal, ("cae", 1): ideal}
    scores = score(faces, methods)
    emotions = pd.Series(["fear", "", "anger", "fear", "fear", "anger"], index=IDS)
    table = evaluation.gain_by_group(scores, emotions, protocol="camera noise")
    assert list(table.columns) == ["emotion", "level", "n", "gain", "gain_lo", "gain_hi"]
    assert list(zip(table["emotion"], table["level"], table["n"], strict=True)) == [
        ("anger", 0.15, 2),
        ("fear", 0.15, 3),
        ("anger", 0.5, 2),
        ("fear", 0.5, 3),
    ]
    noisy = chosen(scores, protocol="camera noise", method="noisy", level=0.5).set_index("id")[
        "ssim"
    ]
    expected = [1 - noisy[IDS[[2, 5]]].mean(), 1 - noisy[IDS[[0, 3, 4]]].mean()]
    assert table["gain"].tolist()[2:] == pytest.approx(expected, rel=1e-9)


def test_small_groups_have_no_interval(faces, ideal, monkeypatch):
    monkeypatch.setattr(evaluation, "FEW", 3)
    scores = score(faces, {("noisy", 0): evaluation.nothing, ("cae", 0): ideal})
    emotions = pd.Series(["fear", "", "anger", "fear", "fear", "anger"], index=IDS)
    table = evaluation.gain_by_group(scores, emotions, protocol="camera noise").set_index("emotion")
    assert table.loc["anger", ["gain_lo", "gain_hi"]].isna().all(axis=None)
    assert table.loc["fear"].notna().all(axis=None)


def test_without_groups_there_are_no_gains(untouched):
    table = evaluation.gain_by_group(
        untouched, pd.Series([""] * 6, index=IDS), protocol="camera noise"
    )
    assert len(table) == 0
    assert list(table.columns) == ["emotion", "level", "n", "gain", "gain_lo", "gain_hi"]
    numbers = table[["level", "gain", "gain_lo", "gain_hi"]]
    assert numbers.select_dtypes(float).shape == numbers.shape


def test_a_table_by_level_keeps_the_order_of_methods():
    rows = [
        ("camera noise", "noisy", 0.5, 1),
        ("camera noise", "cae", 0.5, 2),
        ("noise in [0, 1]", "noisy", 0.5, 3),
    ]
    table = pd.DataFrame(rows, columns=["protocol", "method", "level", "ssim"])
    both = pd.concat([table, table.assign(level=0.15, ssim=table["ssim"] + 10)])
    by_level = evaluation.by_level(both, "ssim")
    assert list(by_level.index) == [row[:2] for row in rows]
    assert by_level[0.5].tolist() == [1, 2, 3]
    assert by_level[0.15].tolist() == [11, 12, 13]


def test_the_correction_is_scored_as_a_version_of_the_same_output(faces):
    """Black turned into what clamped noise makes of it is black again, corrected."""
    clean = pipeline.to_unit(torch.tensor(faces))

    def clamped_mean(noisy, protocol, level):
        return torch.tensor(clipping.mean(clean.numpy(), level)).float() if level else clean

    methods = {("averaging", 0): clamped_mean}
    options = {"protocols": ("camera noise",), "corrections": (None, clipping.correct)}
    scores = score(faces, methods, (0.0, 0.5), **options)
    errors = scores.groupby(["level", "corrected"])["mse"].max()
    assert errors[0.0, False] == errors[0.0, True] == 0
    assert errors[0.5, False] > 0.001
    assert errors[0.5, True] < 1e-5
    table = evaluation.summarise(scores)
    assert len(table) == 2
    last = table[table["level"] == 0.5].iloc[0]
    chosen = scores[(scores["level"] == 0.5) & scores["corrected"]]
    assert last["ssim_corrected"] == pytest.approx(chosen["ssim"].mean())
    assert last["ssim_corrected_lo"] <= last["ssim_corrected"] <= last["ssim_corrected_hi"]
    assert last["psnr_corrected"] == pytest.approx(chosen["psnr"].mean())


def test_without_the_correction_the_table_is_as_the_readme_says(faces):
    scores = score(faces, {("noisy", 0): evaluation.nothing}, (0.15,))
    assert ",".join(evaluation.summarise(scores).columns) == SUMMARY


def test_other_noises_go_the_same_way(faces):
    """Salt and pepper on every pixel leaves black and white only."""
    seen = []

    def method(noisy, protocol, level):
        seen.append(noisy)
        return noisy

    options = {"protocols": ("camera noise",), "noise": "salt-and-pepper"}
    scores = score(faces, {("x", 0): method}, (1.0,), **options)
    assert set(seen[0].unique().tolist()) == {0.0, 1.0}
    assert set(scores["noise"]) == {"salt-and-pepper"}


def test_without_corrections_a_single_version_is_scored(untouched):
    assert not untouched["corrected"].any()


def test_a_blur_smooths_each_image_alone_and_is_not_told_the_level():
    noisy = torch.rand(3, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    protocol = PROTOCOLS["camera noise"]
    method = evaluation.blur({"camera noise": 1.0, "noise in [0, 1]": 3.0})
    blurred = method(noisy, protocol, 0.15)
    assert torch.equal(blurred, method(noisy, protocol, 0.5))
    expected = skimage.filters.gaussian(noisy[1, 0].numpy(), 1.0)
    np.testing.assert_allclose(blurred[1, 0], expected, atol=1e-6)
    large = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    colours = method(large, PROTOCOLS["noise in [0, 1]"], 0.1)
    np.testing.assert_allclose(
        colours[0, 2], skimage.filters.gaussian(large[0, 2].numpy(), 3.0), atol=1e-6
    )


def test_the_blur_that_is_chosen_is_the_best_over_all_levels(faces, monkeypatch):
    """Neither the strength that is best for weak noise nor the one for strong noise."""
    monkeypatch.setattr(evaluation, "SIGMAS", (1.0, 1.6, 2.2))
    levels = {(0.0, 0.05): 1.0, (0.0, 0.3): 2.2, (0.0, 0.05, 0.3): 1.6}
    for chosen, sigma in levels.items():
        sigmas = evaluation.choose_blur(faces, IDS, levels=chosen, seed=1)
        assert tuple(sigmas) == NAMES
        assert sigmas["camera noise"] == sigma


def test_scores_by_image_are_those_of_each_image(faces):
    """A row an image, a column for every method: nothing is averaged."""
    scores = score(faces, {("noisy", 0): evaluation.nothing, ("cae", 1): black})
    table = evaluation.by_image(scores).set_index("id")
    plain = scores[~scores["corrected"]]
    assert table.shape == (plain["id"].nunique(), 2 * len(plain) // plain["id"].nunique())
    for row in plain.iloc[::37].itertuples():
        name = f"{row.protocol}, {row.method}, {row.seed}, {row.level}"
        assert table.loc[row.id, f"ssim, {name}"] == row.ssim
        assert table.loc[row.id, f"mse, {name}"] == row.mse
