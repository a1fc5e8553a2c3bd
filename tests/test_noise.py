"""Kinds of noise by their moments, one stream an image, the three protocols by hand in numpy."""

import numpy as np
import pytest
import torch
from PIL import Image

from fer_lib.config import UserError
from fer_lib.noise import NOISES, PROTOCOLS, add, corrupt

IDS = np.arange(100, 124)
LEVELS = {name: noise.levels[-1] for name, noise in NOISES.items()}
LEVELS |= {"gaussian": 0.3, "poisson": 20.0, "salt-and-pepper": 0.3, "speckle": 0.4}
LEVELS |= {"correlated": 0.2, "poisson-gaussian": 20.0}
DRAWN = [name for name in NOISES if name != "jpeg"]  # nothing is drawn there
NAMES = ("the paper's noise", "noise in [0, 1]", "camera noise")


@pytest.fixture(scope="module")
def clean(pictures) -> torch.Tensor:
    return torch.from_numpy(pictures[:, None] / np.float32(255))


def draw(shape, seed=0, ids=None) -> np.ndarray:
    """The noise itself: standard deviation 1 on black."""
    ids = range(shape[0]) if ids is None else ids
    return add(torch.zeros(shape), 1.0, ids, seed).numpy()


def enlarged(images: np.ndarray) -> np.ndarray:
    """Twice the size: each new pixel is 3/4 of its own old pixel and 1/4 of the nearest other."""
    for axis in (-2, -1):
        side = images.shape[axis]
        before = np.take(images, [0, *range(side - 1)], axis)
        after = np.take(images, [*range(1, side), side - 1], axis)
        pair = [0.25 * before + 0.75 * images, 0.75 * images + 0.25 * after]
        shape = [*images.shape]
        shape[axis] *= 2
        images = np.stack(pair, axis=axis if axis == -1 else -2).reshape(shape)
    return images


def large(images: np.ndarray) -> np.ndarray:
    return np.repeat(enlarged(images), 3, axis=1)


def halved(images: np.ndarray) -> np.ndarray:
    n, channels, height, width = images.shape
    return images.reshape(n, channels, height // 2, 2, width // 2, 2).mean(axis=(3, 5))


def test_a_draw_has_mean_0_and_the_bell_curve_of_deviation_1():
    pixels = draw((40, 3, 96, 96)).ravel()
    standard_error = pixels.size**-0.5
    assert abs(pixels.mean()) < 4 * standard_error
    assert pixels.std() == pytest.approx(1, abs=4 * standard_error / 2**0.5)
    within = (np.abs(pixels) < 1).mean(), (np.abs(pixels) < 2).mean()
    assert within == pytest.approx((0.6827, 0.9545), abs=0.004)  # uniform noise: 0.58 and 1


def test_noise_of_deviation_a_tenth_is_20_db():
    images = torch.full((50, 1, 48, 48), 0.5)
    error = (add(images, 0.1, range(50), 0) - images).double()
    mse = error.square().mean().item()
    # The standard error of a variance from n values is variance * sqrt(2 / n).
    assert mse == pytest.approx(0.01, abs=4 * 0.01 * (2 / error.numel()) ** 0.5)
    assert 10 * np.log10(1 / mse) == pytest.approx(20, abs=0.08)


def test_noise_is_not_clamped(clean):
    noisy = add(clean, 0.5, IDS, 0)
    assert noisy.min() < -0.5
    assert noisy.max() > 1.5


def test_level_0_is_the_identity_to_the_bit(clean):
    assert torch.equal(add(clean, 0.0, IDS, 0), clean)
    for name in ("noise in [0, 1]", "camera noise"):
        reference = PROTOCOLS[name].reference(clean)
        assert torch.equal(PROTOCOLS[name].corrupt(clean, 0.0, IDS, 0), reference)


def test_the_level_scales_one_and_the_same_draw():
    images = torch.zeros(4, 1, 48, 48)
    once, thrice = (add(images, level, range(4), 5).numpy() for level in (0.125, 0.375))
    assert np.abs(once).max() > 0.3
    np.testing.assert_allclose(thrice, 3 * once, rtol=1e-6)


def test_an_images_noise_depends_on_its_id_and_the_seed_alone():
    together = draw((6, 1, 48, 48), ids=range(6))
    for number in (5, 0, 3):
        assert np.array_equal(draw((1, 1, 48, 48), ids=[number])[0], together[number])
    order = [4, 1, 5, 0]
    assert np.array_equal(draw((4, 1, 48, 48), ids=order), together[order])
    for kind in (np.array, torch.tensor):
        assert np.array_equal(draw((4, 1, 48, 48), ids=kind(order)), together[order])


def test_noise_leaves_the_global_random_states_alone():
    before = torch.get_rng_state()
    first = draw((2, 1, 48, 48))
    torch.manual_seed(99)
    assert np.array_equal(first, draw((2, 1, 48, 48)))
    torch.set_rng_state(before)
    draw((2, 1, 48, 48))
    assert torch.equal(before, torch.get_rng_state())


def correlations(streams: np.ndarray) -> np.ndarray:
    """The correlation of every two rows."""
    return np.corrcoef(streams)[np.triu_indices(len(streams), 1)]


def test_no_two_images_seeds_or_channels_share_a_draw():
    ids, seeds = (0, 1, 2, 7, 1000), (0, 1, 2, 7)
    streams = np.concatenate(
        [draw((5, 3, 96, 96), seed, ids).reshape(15, 96 * 96) for seed in seeds]
    )
    # 1,770 pairs: by chance the largest lies at about 3.6 standard errors of 1/96; a draw that is
    # shared, shifted in sign or mixed would lie above 0.1.
    assert np.abs(correlations(streams)).max() < 5 / 96


def test_neighbouring_pixels_are_uncorrelated():
    pixels = draw((20, 1, 96, 96))
    for a, b in ((pixels[..., 1:], pixels[..., :-1]), (pixels[..., 1:, :], pixels[..., :-1, :])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.01


def test_there_are_three_protocols():
    assert tuple(PROTOCOLS) == NAMES
    assert [PROTOCOLS[name].data_range for name in NAMES] == [2.0, 1.0, 1.0]


@pytest.mark.parametrize("level", [0.0, 0.15, 0.5])
def test_the_papers_noise_is_added_on_minus_one_to_one_and_clamped_at_0(clean, level):
    protocol, x = PROTOCOLS["the paper's noise"], 2 * large(clean.numpy()) - 1
    expected = np.clip(x + level * draw((24, 3, 96, 96), 3, IDS), 0, 1)
    noisy = protocol.corrupt(clean, level, IDS, 3)
    np.testing.assert_allclose(protocol.reference(clean).numpy(), x, atol=1e-6)
    np.testing.assert_allclose(noisy.numpy(), expected, atol=1e-6)
    assert torch.equal(protocol.to_model(noisy), noisy)
    output = torch.linspace(-1, 1, noisy.numel()).view_as(noisy)
    assert torch.equal(protocol.from_model(output), output)


def test_the_papers_noise_cuts_the_darker_half_even_without_noise(clean):
    x = large(clean.numpy())
    noisy = PROTOCOLS["the paper's noise"].corrupt(clean, 0.0, IDS, 0).numpy()
    assert 0.2 < (x < 0.5).mean() < 0.8
    assert (noisy[x < 0.4999] == 0).all()
    np.testing.assert_allclose(noisy[x > 0.5], 2 * x[x > 0.5] - 1, atol=1e-6)


@pytest.mark.parametrize("level", [0.15, 0.5])
def test_noise_in_0_to_1_is_added_at_96_pixels_and_then_normalised(clean, level):
    protocol, x = PROTOCOLS["noise in [0, 1]"], large(clean.numpy())
    expected = np.clip(x + level * draw((24, 3, 96, 96), 3, IDS), 0, 1)
    noisy = protocol.corrupt(clean, level, IDS, 3)
    np.testing.assert_allclose(protocol.reference(clean).numpy(), x, atol=1e-6)
    np.testing.assert_allclose(noisy.numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(protocol.to_model(noisy).numpy(), 2 * expected - 1, atol=1e-6)


@pytest.mark.parametrize("level", [0.15, 0.5])
def test_camera_noise_is_added_to_the_48_pixels_before_they_are_enlarged(clean, level):
    protocol, x = PROTOCOLS["camera noise"], clean.numpy()
    expected = np.clip(x + level * draw((24, 1, 48, 48), 3, IDS), 0, 1)
    noisy = protocol.corrupt(clean, level, IDS, 3)
    assert torch.equal(protocol.reference(clean), clean)
    np.testing.assert_allclose(noisy.numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(protocol.to_model(noisy).numpy(), 2 * large(expected) - 1, atol=1e-6)


def test_camera_noise_is_harder_than_noise_in_0_to_1_once_averaged_down():
    """96x96 with three channels holds 12 noisy values of each pixel: averaging is 12 times less."""
    gray = torch.full((24, 1, 48, 48), 0.5)  # far from the clamp
    noisy = {name: PROTOCOLS[name].corrupt(gray, 0.05, IDS, 0).numpy() for name in NAMES[1:]}
    averaged = halved(noisy["noise in [0, 1]"].mean(axis=1, keepdims=True))
    ratio = ((noisy["camera noise"] - 0.5) ** 2).mean() / ((averaged - 0.5) ** 2).mean()
    assert ratio == pytest.approx(12, rel=0.05)


@pytest.mark.parametrize("name", NAMES)
def test_shapes_and_ranges(clean, name):
    protocol = PROTOCOLS[name]
    shape = (24, 1, 48, 48) if name == "camera noise" else (24, 3, 96, 96)
    reference, noisy = protocol.reference(clean), protocol.corrupt(clean, 0.5, IDS, 0)
    assert reference.shape == noisy.shape == shape
    assert reference.max() - reference.min() == pytest.approx(protocol.data_range, rel=0.01)
    assert (noisy.min(), noisy.max()) == (0, 1)
    x = protocol.to_model(noisy)
    assert x.shape == (24, 3, 96, 96)
    assert x.dtype == torch.float32
    low = 0 if name == "the paper's noise" else -1
    assert low <= x.min() < low + 0.2
    assert 0.8 < x.max() <= 1
    output = protocol.from_model(torch.full((24, 3, 96, 96), 1.5))
    assert output.shape == shape
    assert output.unique().tolist() == [
        1.5 if name == "the paper's noise" else 1
    ]  # scored as it is or cut


def test_noise_in_0_to_1_comes_back_from_the_model_as_it_went_in(clean):
    protocol = PROTOCOLS["noise in [0, 1]"]
    noisy = protocol.corrupt(clean, 0.3, IDS, 0)
    torch.testing.assert_close(
        protocol.from_model(protocol.to_model(noisy)), noisy, atol=1e-7, rtol=0
    )


def test_camera_noise_output_is_the_mean_of_channels_and_of_two_by_two_pixels():
    output = np.random.default_rng(0).uniform(-1.2, 1.2, (4, 3, 96, 96)).astype(np.float32)
    expected = np.clip(halved((output.mean(axis=1, keepdims=True) + 1) / 2), 0, 1)
    back = PROTOCOLS["camera noise"].from_model(torch.from_numpy(output)).numpy()
    np.testing.assert_allclose(back, expected, atol=1e-6)
    assert expected.std() > 0.05


def test_camera_noise_comes_back_nearly_as_it_went_in(clean):
    protocol = PROTOCOLS["camera noise"]
    back = protocol.from_model(protocol.to_model(clean))
    np.testing.assert_allclose(back.numpy(), halved(enlarged(clean.numpy())), atol=1e-6)
    assert (back - clean).abs().mean() < 0.02


def gray(value: float, count: int = 30) -> torch.Tensor:
    return torch.full((count, 1, 48, 48), value)


@pytest.mark.parametrize("peak", [1, 5, 20, 100])
@pytest.mark.parametrize("value", [0.25, 1.0])
def test_poisson_has_the_mean_of_the_image_and_the_variance_of_its_photons(peak, value):
    noisy = add(gray(value), peak, range(30), 0, noise="poisson").double()
    variance = value / peak
    error = 4 * (variance / noisy.numel()) ** 0.5
    assert noisy.mean().item() == pytest.approx(value, abs=error)
    assert noisy.var().item() == pytest.approx(variance, rel=0.06)
    counts = noisy * peak
    torch.testing.assert_close(counts, counts.round(), atol=1e-4, rtol=0)


def test_poisson_does_not_depend_on_the_number_of_grays_in_the_image():
    """As that of scikit-image does: an image of two grays would get the variance of peak 2."""
    two = gray(0.5)
    two[..., 0, 0] = 1
    noisy = add(two, 200, range(30), 0, noise="poisson")[..., 1:, 1:]
    assert noisy.var().item() == pytest.approx(0.5 / 200, rel=0.06)


def test_black_has_no_photons():
    assert add(gray(0.0), 5, range(30), 0, noise="poisson").abs().max() == 0


@pytest.mark.parametrize("peak", [0, -1, float("nan")])
def test_poisson_refuses_a_peak_that_is_not_above_0(peak):
    with pytest.raises(ValueError, match="photons"):
        add(gray(0.5), peak, range(30), 0, noise="poisson")


@pytest.mark.parametrize("fraction", [0.05, 0.3, 1.0])
def test_salt_and_pepper_replaces_the_fraction_half_and_half(fraction):
    noisy = add(gray(0.5), fraction, range(30), 0, noise="salt-and-pepper")
    assert set(noisy.unique().tolist()) <= {0, 0.5, 1}
    error = 4 * (fraction / 2 / noisy.numel()) ** 0.5
    for value in (0, 1):
        share = (noisy == value).double().mean().item()
        assert share == pytest.approx(fraction / 2, abs=error)


def test_a_higher_fraction_replaces_the_pixels_of_a_lower_one_and_more():
    low, high = (
        add(gray(0.5), level, range(30), 0, noise="salt-and-pepper") for level in (0.1, 0.4)
    )
    assert torch.equal(low[low != 0.5], high[low != 0.5])
    assert (high != 0.5).sum() > 3 * (low != 0.5).sum()


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_salt_and_pepper_refuses_what_is_no_fraction(fraction):
    with pytest.raises(ValueError, match="fraction"):
        add(gray(0.5), fraction, range(30), 0, noise="salt-and-pepper")


@pytest.mark.parametrize("value", [0.1, 0.8])
def test_speckle_grows_with_the_pixel(value):
    noisy = add(gray(value), 0.4, range(30), 0, noise="speckle").double()
    assert noisy.mean().item() == pytest.approx(value, rel=0.01)
    assert noisy.std().item() == pytest.approx(0.4 * value, rel=0.02)


def test_speckle_of_white_is_gaussian_noise():
    white = gray(1.0)
    assert torch.equal(
        add(white, 0.4, range(30), 5, noise="speckle"), add(white, 0.4, range(30), 5)
    )


@pytest.mark.parametrize("name", ["salt-and-pepper", "speckle"])
def test_level_0_of_other_noise_is_the_identity_to_the_bit(name):
    images = torch.rand(4, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    assert torch.equal(add(images, 0.0, range(4), 0, noise=name), images)


@pytest.mark.parametrize("name", DRAWN)
def test_every_noise_depends_on_an_images_id_and_the_seed_alone(name):
    def noisy(ids, seed=0):
        return add(gray(0.5, len(ids)), LEVELS[name], ids, seed, noise=name)

    together = noisy(range(6))
    order = [4, 1, 5, 0]
    for ids in (order, np.array(order), torch.tensor(order)):
        assert torch.equal(noisy(ids), together[order])
    streams = torch.cat([together, noisy(range(6), seed=1)]).flatten(1).numpy()
    assert np.abs(np.corrcoef(streams)[np.triu_indices(12, 1)]).max() < 0.5  # of equal draws: 1


@pytest.mark.parametrize("name", DRAWN)
def test_shape_and_type_are_kept_and_every_channel_has_its_own_draw(name):
    noisy = add(torch.full((2, 3, 20, 30), 0.5), LEVELS[name], [7, 9], 0, noise=name)
    assert noisy.shape == (2, 3, 20, 30)
    assert noisy.dtype == torch.float32
    assert not torch.equal(noisy[:, 0], noisy[:, 1])


@pytest.mark.parametrize("name", ["poisson", "speckle"])
def test_nothing_is_clamped(name):
    assert add(gray(0.95), LEVELS[name], range(30), 0, noise=name).max() > 1.1


@pytest.mark.parametrize("name", NOISES)
def test_what_a_protocol_gives_is_clamped(name, clean):
    noisy = PROTOCOLS["camera noise"].corrupt(clean, LEVELS[name], IDS, 3, noise=name)
    assert torch.equal(noisy, add(clean, LEVELS[name], IDS, 3, noise=name).clamp(0, 1))
    assert torch.equal(noisy, corrupt(clean, LEVELS[name], IDS, 3, noise=name))


@pytest.mark.parametrize("name", NOISES)
def test_the_levels_of_a_noise_go_from_weak_to_strong(name, clean):
    images = [corrupt(clean, level, IDS, 0, noise=name) for level in NOISES[name].levels]
    errors = [(noisy - clean).square().mean().item() for noisy in images]
    assert errors == sorted(errors)


def test_grains_are_as_strong_as_asked_for_and_neighbours_alike():
    noise = add(torch.zeros(40, 1, 48, 48), 0.2, range(40), 0, noise="correlated").numpy()
    assert noise.std() == pytest.approx(0.2, rel=0.02)
    along = np.corrcoef(noise[..., 1:].ravel(), noise[..., :-1].ravel())[0, 1]
    down = np.corrcoef(noise[..., 1:, :].ravel(), noise[..., :-1, :].ravel())[0, 1]
    # White noise behind a Gaussian of deviation 1: exp(-distance^2 / 4).
    assert (along, down) == pytest.approx((np.exp(-1 / 4),) * 2, abs=0.02)


@pytest.mark.parametrize("x", [0.0, 0.3, 0.9])
def test_photons_and_electronics_add_their_variances(x):
    images = torch.full((40, 1, 48, 48), x)
    noisy = add(images, 20.0, range(40), 0, noise="poisson-gaussian").double()
    assert noisy.mean().item() == pytest.approx(x, abs=0.005)
    assert noisy.var().item() == pytest.approx(x / 20 + 0.1**2, rel=0.03)


def test_jpeg_is_what_pillow_saves_and_reads(clean, tmp_path):
    noisy = add(clean, 15, IDS, 0, noise="jpeg")
    gray = (clean[3, 0].numpy() * 255).round().astype(np.uint8)
    Image.fromarray(gray).save(tmp_path / "x.jpg", quality=15)
    expected = np.asarray(Image.open(tmp_path / "x.jpg")) / 255
    np.testing.assert_allclose(noisy[3, 0].numpy(), expected, atol=1e-6)
    assert torch.equal(noisy, add(clean, 15, IDS + 1, 7, noise="jpeg"))
    three = add(clean.repeat(1, 3, 1, 1), 15, IDS, 0, noise="jpeg")
    assert torch.equal(three, noisy.repeat(1, 3, 1, 1))
    assert three.dtype == torch.float32


def test_an_unknown_noise_is_named_with_the_known_ones(clean):
    with pytest.raises(UserError, match="'snow': choose one of gaussian, poisson"):
        add(clean, 0.1, IDS, 0, noise="snow")


def test_every_protocol_is_described_in_one_line():
    assert all(protocol.about and "\n" not in protocol.about for protocol in PROTOCOLS.values())
