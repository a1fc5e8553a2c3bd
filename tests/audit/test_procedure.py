"""The authors' test, checked against torchmetrics, scikit-image, numpy and chapter 4."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import torch
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import structural_similarity_index_measure

from fer_lib import autoencoder, config, evaluation
from fer_lib.audit import procedure
from fer_lib.audit.procedure import FIRST, STEPS, Procedure

LEVELS = (0.0, 0.15, 0.5)
AS_RUN = Procedure()


class Floor(torch.nn.Module):
    """The best that a sigmoid can do with clean faces in [-1, 1]: dark pixels become 0."""

    def __init__(self):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return x.clamp(0, 1)


@pytest.fixture(scope="module")
def models():
    """A tiny network of each kind, untrained, in eval mode."""
    settings = config.load("smoke")
    return {
        name: autoencoder.build(settings.model(name), seed=0).eval()
        for name in ("as-run", "range-matched")
    }


@pytest.fixture(scope="module")
def test_side(pictures):
    return pictures, np.arange(100, 100 + len(pictures))


def score(model, test_side, change=AS_RUN, levels=LEVELS):
    return procedure.score(model, *test_side, change, levels=levels, seed=3)


def images(model, test_side, level):
    """Clean and output, by hand."""
    faces, ids = test_side
    clean = procedure.clean_images(faces)
    noisy = procedure.noisy_images(clean, Procedure(), level, ids, 3)
    with torch.inference_mode():
        return clean.numpy(), model(noisy).numpy()


@pytest.mark.parametrize("level", LEVELS)
def test_table_1_is_torchmetrics_ssim_within_the_border(models, test_side, level):
    """torchmetrics averaged the inner part only until 1.4.2, when the authors ran (July 2024)."""
    clean, output = images(models["as-run"], test_side, level)
    ours = score(models["as-run"], test_side, levels=[level])["ssim"]
    pair = (torch.from_numpy(a[:3].astype(float)) for a in (output.clip(0, 1), clean))
    options = {"data_range": 1.0, "reduction": "none", "return_full_image": True}
    _, full = structural_similarity_index_measure(*pair, **options)
    assert np.allclose(ours[:3], full[..., 5:-5, 5:-5].mean(dim=(1, 2, 3)), atol=1e-6)


def test_table_1_is_scikit_images_ssim_with_its_gaussian_window(models, test_side):
    clean, output = images(models["as-run"], test_side, 0.15)
    ours = score(models["as-run"], test_side, levels=[0.15])["ssim"]
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    theirs = structural_similarity(
        np.clip(output[4], 0, 1).astype(float),
        clean[4].astype(float),
        data_range=1.0,
        channel_axis=0,
        **options,
    )
    assert ours[4] == pytest.approx(theirs, abs=1e-6)


def test_table_2_compares_the_output_with_the_clean_image_in_minus_one_to_one(models, test_side):
    clean, output = images(models["range-matched"], test_side, 0.5)
    ours = score(models["range-matched"], test_side, levels=[0.5])["mse"]
    assert output.min() < 0  # not clamped before the loss
    theirs = ((output.astype(float) - clean) ** 2).mean(axis=(1, 2, 3))
    assert np.allclose(ours, theirs, atol=1e-6)


def test_a_perfect_sigmoid_network_pays_for_the_dark_half_of_each_face(test_side):
    faces, _ = test_side
    dark = np.minimum(procedure.clean_images(faces).numpy().astype(float), 0)
    ours = score(Floor(), test_side, levels=[0.0])["mse"]
    assert np.allclose(ours, (dark**2).mean(axis=(1, 2, 3)), atol=1e-6)
    assert ours.mean() > 0.05


def test_the_noisy_image_is_cut_to_its_bright_half_and_channels_differ(test_side):
    faces, ids = test_side
    clean = procedure.clean_images(faces)
    noisy = procedure.noisy_images(clean, Procedure(), 0.3, ids, 3)
    assert (noisy.min(), noisy.max()) == (0, 1)
    assert not torch.equal(noisy[:, 0], noisy[:, 1])
    middle = (clean > 0.45) & (clean < 0.55)  # hardly ever clamped
    assert (noisy - clean)[middle].std().item() == pytest.approx(0.3, abs=0.03)


def test_without_noise_only_the_clamp_changes_the_input(test_side):
    faces, ids = test_side
    clean = procedure.clean_images(faces)
    assert torch.equal(procedure.noisy_images(clean, Procedure(), 0.0, ids, 3), clean.clamp(0, 1))
    kept = procedure.noisy_images(clean, Procedure(lowest=-1.0), 0.0, ids, 3)
    assert torch.equal(kept, clean)


def test_noise_in_units_of_zero_to_one_is_twice_as_strong(test_side):
    faces, ids = test_side
    clean = procedure.clean_images(faces)
    double = procedure.noisy_images(clean, Procedure(strength=2.0), 0.15, ids, 3)
    assert torch.equal(double, procedure.noisy_images(clean, Procedure(), 0.3, ids, 3))


def test_the_last_rung_is_chapter_4s_evaluation(models, test_side):
    *_, (_, rung, last) = [step for step in procedure.rungs() if step[0] == "cumulative"]
    assert rung == list(STEPS)[-1]
    model = models[last.network]
    ours = score(model, test_side, last)
    theirs = evaluation.score(
        *test_side,
        methods={("range-matched", 0): evaluation.network(model)},
        levels=LEVELS,
        seed=3,
        protocols=["noise in [0, 1]"],
    )
    for column in ("level", "id"):
        assert (ours[column] == theirs[column]).all()
    for column in ("ssim", "mse"):
        assert np.allclose(ours[column], theirs[column], atol=1e-5)
    summary = procedure.summarise(ours, last, 50)
    expected = evaluation.pool(theirs)
    for column in ("ssim", "ssim_lo", "ssim_hi", "mse", "mse_lo", "mse_hi"):
        assert np.allclose(summary[column], expected[column], atol=1e-5)


def test_each_step_undoes_one_thing_and_the_chain_ends_with_all_undone():
    steps = procedure.rungs()
    start = asdict(Procedure())
    alone = [asdict(p) for way, _, p in steps if way == "alone"]
    assert [sum(p[k] != start[k] for k in start) for p in alone] == [0] + [1] * len(STEPS)
    chain = [asdict(p) for way, _, p in steps if way == "cumulative"]
    assert [sum(p[k] != start[k] for k in start) for p in chain] == list(range(len(STEPS) + 1))
    assert len(STEPS) == len(start)


def test_the_interval_of_a_sample_is_that_of_ten_images_and_of_one_batch():
    rng = np.random.default_rng(0)
    table = {"level": 0.3, "id": range(800), "ssim": rng.normal(0.4, 0.2, 800)}
    scores = pd.DataFrame(table | {"mse": rng.normal(0.13, 0.04, 800)})
    (row,) = procedure.summarise(scores, Procedure(), 4000).itertuples()
    assert row.batches == 13
    assert row.mse == pytest.approx(scores["mse"].mean() / 13)
    half = 1.96 * scores["ssim"].std() / 10**0.5
    assert (row.ssim_hi - row.ssim_lo) / 2 == pytest.approx(half, rel=0.06)
    half = 1.96 * scores["mse"].std() / 64**0.5 / 13
    assert (row.mse_hi - row.mse_lo) / 2 == pytest.approx(half, rel=0.1)
    (honest,) = procedure.summarise(
        scores, Procedure(sampled=False, divided=False), 4000
    ).itertuples()
    assert honest.batches == 1
    assert honest.mse == pytest.approx(13 * row.mse)
    half = 1.96 * scores["ssim"].std() / 800**0.5
    assert (honest.ssim_hi - honest.ssim_lo) / 2 == pytest.approx(half, rel=0.03)


def test_a_thousand_images_are_sixteen_batches():
    table = {"level": 0.0, "id": range(1000), "ssim": 0.5, "mse": 0.16}
    summary = procedure.summarise(pd.DataFrame(table), Procedure(), 10)
    assert summary["batches"].item() == 16
    assert summary["mse"].item() == pytest.approx(0.01)


def test_the_ladder_scores_each_rung_by_its_own_procedure(models, test_side):
    table = procedure.ladder(models, *test_side, levels=[0.0, 0.5], seed=3, resamples=20)
    assert (table.groupby(["way", "rung"]).size() == 2).all()
    for way, rung, change in procedure.rungs():
        rows = table[(table["way"] == way) & (table["rung"] == rung)]
        scores = score(models[change.network], test_side, change, levels=[0.0, 0.5])
        means = scores.groupby("level")["ssim"].mean()
        assert np.allclose(rows["ssim"], means, atol=1e-9), rung
    first = table[table["rung"] == FIRST]
    assert np.allclose(*(first.loc[first["way"] == way, "mse"] for way in ("cumulative", "alone")))


def test_subset_means_are_of_different_images():
    scores = np.arange(12.0)
    means = procedure.subset_means(np.stack([scores, -scores], axis=1), 11, 500)
    assert means.shape == (500, 2)
    left_out = 66 - 11 * means[:, 0]
    np.testing.assert_allclose(left_out, left_out.round(), atol=1e-9)  # no image counts twice
    assert len(np.unique(left_out.round())) == 12
    np.testing.assert_allclose(means[:, 0], -means[:, 1])  # columns share the draws
