"""Untrained methods: what each must keep and remove, and how its strength is chosen."""

import numpy as np
import pandas as pd
import pytest
import scipy.fft
import torch

from fer_lib import metrics, noise
from fer_lib.config import UserError
from fer_lib.methods import clipping, filters
from fer_lib.methods.filters import FILTERS
from fer_lib.tools import kept

NAMES = [name for name in FILTERS if name != "noisy"]
IDS = range(8)


@pytest.fixture(scope="module")
def clean(pictures) -> torch.Tensor:
    return torch.from_numpy(pictures[:8, None] / np.float32(255))


@pytest.fixture(scope="module")
def noisy(clean) -> torch.Tensor:
    return noise.corrupt(clean, 0.15, IDS, 0)


def middle(name: str) -> float:
    grid = FILTERS[name].grid
    return grid[len(grid) // 2]


def roughness(images: torch.Tensor) -> float:
    return images.diff(dim=-1).square().mean().item()


def test_the_noisy_input_is_left_alone(noisy):
    assert torch.equal(filters.apply("noisy", noisy, 0.15, 1), noisy)


@pytest.mark.parametrize("name", NAMES)
def test_level_0_is_the_identity_to_the_bit(name, clean):
    for strength in (FILTERS[name].grid[0], FILTERS[name].grid[-1]):
        assert torch.equal(filters.apply(name, clean, 0.0, strength), clean)


@pytest.mark.parametrize("name", NAMES)
def test_shape_type_and_range_are_kept(name, noisy):
    images = noisy[:2, :, :40]
    output = filters.apply(name, images, 0.15, middle(name))
    assert output.shape == images.shape
    assert output.dtype == torch.float32
    assert output.min() >= 0
    assert output.max() <= 1
    assert not torch.equal(output, images)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "bm3d"])
def test_an_even_gray_stays_as_it_is(name):
    gray = torch.full((1, 1, 48, 48), 0.4)
    torch.testing.assert_close(
        filters.apply(name, gray, 0.15, middle(name)), gray, atol=1e-5, rtol=0
    )


def test_bm3d_leaves_no_pixel_of_a_noisy_gray_out():
    noisy = noise.corrupt(torch.full((1, 1, 48, 48), 0.5), 0.15, [0], 0)
    assert (filters.apply("bm3d", noisy, 0.15, 0.9) - 0.5).abs().max() < 0.1


def test_what_is_slow_is_used_where_it_is_asked_for(clean):
    curves = filters.curves(clean[:1, :, :24, :24], [0.15], ids=[0], seed=0)
    assert set(curves["method"]) == {*FILTERS} - {"bm3d"}


def test_what_is_slow_is_made_once_for_the_same_faces_level_and_strength(
    noisy, monkeypatch, tmp_path
):
    made = []

    def denoise(image, level, strength):
        made.append((level, strength))
        return image / 2

    monkeypatch.setattr(kept, "WORK", tmp_path)
    monkeypatch.setattr(kept, "BATCH", 2)
    for slow in (True, False):
        monkeypatch.setitem(FILTERS, "x", filters.Filter(denoise, "", (1,), slow=slow))
        for level, strength in ((0.15, 1), (0.15, 1), (0.3, 1), (0.15, 2)):
            output = filters.apply("x", noisy[:2], level, strength)
            assert torch.equal(output, noisy[:2] / 2)
    once = [(0.15, 1), (0.3, 1), (0.15, 2)]
    always = [(0.15, 1), (0.15, 1), (0.3, 1), (0.15, 2)]
    assert made == [where for where in (*once, *always) for _ in range(2)]


@pytest.mark.parametrize("name", NAMES)
def test_images_are_denoised_one_by_one(name, noisy):
    together = filters.apply(name, noisy[:2], 0.15, middle(name))
    assert torch.equal(together[1:], filters.apply(name, noisy[1:2], 0.15, middle(name)))


@pytest.mark.parametrize("name", NAMES)
def test_more_strength_smooths_more(name, noisy):
    grid = FILTERS[name].grid
    rough = [roughness(filters.apply(name, noisy[:2], 0.15, strength)) for strength in grid]
    assert rough[-1] < 0.7 * rough[0]
    assert (np.diff(rough) <= 0.02 * rough[0]).all()


@pytest.mark.parametrize("name", NAMES)
def test_tuned_on_smooth_pictures_it_halves_the_error(name, clean, noisy):
    curves = filters.curves(clean[:3], [0.15], ids=range(100, 103), seed=1, names=[name])
    (strength,) = filters.best(curves)["strength"]
    output = filters.apply(name, noisy[3:], 0.15, strength)
    before, after = metrics.mse(noisy[3:], clean[3:]), metrics.mse(output, clean[3:])
    assert after.mean() < 0.5 * before.mean()


def test_the_band_limit_keeps_waves_below_its_cut_off_and_no_others():
    for frequency, stays in ((6, True), (12, True), (13, False), (40, False)):
        waves = np.zeros((48, 48))
        waves[0, 0], waves[0, frequency] = 24, 5
        image = torch.from_numpy(scipy.fft.idctn(waves, norm="ortho"))[None, None].float()
        output = filters.apply("band-limit", image, 0.1, 12.5 / 96)  # row k: k / 96 a pixel
        expected = image if stays else torch.full_like(image, 0.5)
        torch.testing.assert_close(output, expected, atol=1e-6, rtol=0)


def test_the_median_removes_a_dot_and_keeps_an_edge():
    image = torch.zeros(1, 1, 48, 48)
    image[..., 24:] = 1
    dotted = image.clone()
    dotted[..., 10, 10] = 1
    assert torch.equal(filters.apply("median", dotted, 0.1, 3), image)


def test_a_gaussian_spreads_a_dot_by_its_standard_deviation():
    dot = torch.zeros(1, 1, 49, 49)
    dot[..., 24, 24] = 1
    spread = filters.apply("gaussian", dot, 0.1, 2.0).double().squeeze()
    variance = (spread.sum(0) * (torch.arange(49) - 24) ** 2).sum()
    assert variance.item() == pytest.approx(4, rel=0.02)


def test_a_bilateral_filter_that_spares_no_gray_is_a_gaussian(noisy):
    """Cut at 6 pixels, as the one of scikit-image 0.26 is not: its centre has no weight."""
    images = noisy[:2]
    bilateral = filters.apply("bilateral", images, 0.15, 1e4)
    gaussian = filters.apply("gaussian", images, 0.15, 2.0)
    torch.testing.assert_close(bilateral, gaussian, atol=5e-3, rtol=0)


def test_a_bilateral_filter_keeps_an_edge_that_is_higher_than_the_noise():
    edge = torch.zeros(1, 1, 48, 48)
    edge[..., 24:] = 1
    torch.testing.assert_close(filters.apply("bilateral", edge, 0.1, 1.5), edge, atol=1e-6, rtol=0)


@pytest.fixture(scope="module")
def curves(clean) -> pd.DataFrame:
    return filters.curves(clean, (0.0, 0.05, 0.3, 0.5), ids=IDS, seed=5, names=["gaussian"])


@pytest.mark.parametrize("corrected", [False, True])
def test_the_best_strengths_are_those_of_the_curves(curves, corrected):
    best = filters.best(curves, corrected).set_index("level")
    assert best["scale"].to_dict() == {s: s for s in (0.05, 0.3, 0.5)}
    rows = curves[(curves["corrected"] == corrected) & (curves["level"] == 0.3)]
    assert tuple(rows["strength"]) == FILTERS["gaussian"].grid
    assert best["ssim"][0.3] == rows["ssim"].max() > rows["ssim"].min() + 0.1
    assert rows.set_index("strength")["ssim"][best["strength"][0.3]] == rows["ssim"].max()
    assert best["strength"][0.05] < best["strength"][0.5]  # more noise needs more strength


def test_of_equals_the_weaker_strength_is_taken():
    rows = {"method": "x", "level": 0.3, "scale": 0.2, "corrected": False, "strength": [1, 2, 3]}
    curves = pd.DataFrame(rows | {"ssim": [0.1, 0.5, 0.5]})
    assert filters.best(curves)["strength"].tolist() == [2]


def test_other_noise_has_its_root_mean_square_for_a_scale_and_no_correction(clean):
    options = {"ids": IDS, "seed": 5, "names": ["median"], "noise": "salt-and-pepper"}
    curves = filters.curves(clean, (0.2,), **options)
    noisy = noise.corrupt(clean, 0.2, IDS, 5, noise="salt-and-pepper")
    scale = (noisy - clean).square().mean().sqrt().item()
    assert set(curves["scale"]) == {scale}
    assert set(curves["corrected"]) == {False}
    assert filters.best(curves)["strength"].item() > 1


def test_the_curve_is_the_mean_ssim_of_the_outputs(clean, curves):
    images = noise.corrupt(clean, 0.3, IDS, 5)
    for corrected in (False, True):
        output = filters.apply("gaussian", images, 0.3, 1.0)
        output = clipping.correct(output, 0.3) if corrected else output
        expected = metrics.ssim(output, clean, 1.0).mean().item()
        rows = curves[(curves["corrected"] == corrected) & (curves["level"] == 0.3)]
        assert rows.set_index("strength")["ssim"][1.0] == expected


@pytest.mark.parametrize("name", FILTERS)
def test_a_grid_goes_from_weak_to_strong(name):
    grid = FILTERS[name].grid
    assert len(set(grid)) == len(grid)
    assert list(grid) == sorted(grid, reverse=name == "band-limit")


def test_an_unknown_method_is_named_with_the_known_ones(noisy):
    with pytest.raises(UserError, match="unknown method 'bm4d'.*gaussian.*nlm"):
        filters.apply("bm4d", noisy, 0.1, 1)
