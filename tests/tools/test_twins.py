"""Twins are found where they are, and the limit is kept without rounding."""

import numpy as np
import pytest
from scipy.linalg import hadamard

from fer_lib.tools import twins


def pairs_by_definition(images: np.ndarray) -> list[list[int]]:
    """Every pair that numpy's correlation finds, in float64."""
    flat = images.reshape(len(images), -1)
    mirrored = images[:, :, ::-1].reshape(len(images), -1)
    both = np.corrcoef(flat, mirrored)[: len(flat)]
    largest = np.maximum(both[:, : len(flat)], both[:, len(flat) :])
    return np.argwhere(np.triu(largest > 0.95, 1)).tolist()


@pytest.fixture(scope="module")
def near_the_limit() -> np.ndarray:
    """120 images: 12 of noise, each in ten versions, mirrored or not, that correlate around .95."""
    random = np.random.default_rng(3)
    bases = random.integers(60, 196, (12, 48, 48))
    images = [
        base[:, :: random.choice([1, -1])] + random.normal(0, random.uniform(0, 15), (48, 48))
        for base in bases
        for _ in range(10)
    ]
    return np.round(images).clip(0, 255).astype(np.uint8)[random.permutation(120)]


@pytest.mark.parametrize("rows", [7, 40, 119, 120, 1000])
def test_the_twins_are_those_of_the_definition(near_the_limit, rows):
    expected = pairs_by_definition(near_the_limit)
    assert 100 < len(expected) < 12 * 45  # some versions are too far from each other
    result = twins.pairs(near_the_limit, rows=rows)
    assert result.dtype == np.int32
    assert result.tolist() == expected


def test_smooth_faces_have_the_twins_of_the_definition(pictures):
    """Mixtures of two smooth pictures: there the products are close to the correlations."""
    shares = np.linspace(0, 1, 40)[:, None, None]
    mixed = [a + shares * (b - a) for a, b in pictures[:6].astype(float).reshape(3, 2, 48, 48)]
    images = np.concatenate([*mixed, mixed[0][:, :, ::-1]]).round().astype(np.uint8)
    expected = pairs_by_definition(images)
    assert len(expected) > 1000
    assert twins.pairs(images).tolist() == expected


def test_products_of_sketches_of_smooth_pictures_are_not_far_above_the_correlations(pictures):
    """Or each pair would have to be compared pixel by pixel."""
    sketches = twins._sketch(pictures).astype(float)
    above = sketches @ sketches.T - np.corrcoef(pictures.reshape(len(pictures), -1))
    assert above.max() < 0.4


@pytest.mark.parametrize("seed", range(3))
def test_no_product_of_sketches_is_below_the_correlation(near_the_limit, pictures, seed):
    images = np.random.default_rng(seed).permutation(np.concatenate([near_the_limit, pictures]))
    sketches = twins._sketch(images).astype(float)
    flat = images.reshape(len(images), -1)
    assert (sketches @ sketches.T >= np.corrcoef(flat) - 1e-5).all()
    assert sketches.shape == (len(images), 65)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda image: image, True),
        (lambda image: image[:, ::-1], True),
        (lambda image: image // 2 + 90, True),  # another brightness and contrast
        (lambda image: image[::-1], False),  # upside down
        (lambda image: 255 - image, False),  # a negative
        (lambda image: np.roll(image, 24, 0), False),
        (lambda image: np.full_like(image, 80), False),
    ],
)
def test_what_is_a_twin(change, expected):
    image = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    found = twins.pairs(np.stack([image, change(image)])).tolist()
    assert found == ([[0, 1]] if expected else [])


def test_a_correlation_of_exactly_the_limit_is_not_above_it():
    """19 / sqrt(19**2 + 5**2 + 3**2 + 2**2 + 1**2) is 19 / 20."""
    waves = np.tile(hadamard(256)[1:6], 9).reshape(5, 48, 48)
    one = 100 + waves[0]
    other = 100 + np.tensordot([19, 5, 3, 2, 1], waves, 1)
    assert twins.pairs(np.stack([one, other]).astype(np.uint8)).tolist() == []
    closer = 100 + np.tensordot([19, 5, 3, 2, 0], waves, 1)
    assert twins.pairs(np.stack([one, closer]).astype(np.uint8)).tolist() == [[0, 1]]


def test_stripes_and_their_negative_are_no_twins():
    """Their blocks are alike, so that only the pixels tell."""
    stripes = np.tile(np.array([[100], [200]], np.uint8), (24, 48))
    assert twins.pairs(np.stack([stripes, stripes[::-1]])).tolist() == []


def test_images_of_one_gray_each_are_twins():
    images = np.stack([np.full((48, 48), gray, np.uint8) for gray in (0, 77, 255)])
    assert twins.pairs(images).tolist() == [[0, 1], [0, 2], [1, 2]]


def test_one_image_has_no_twin(pictures):
    assert twins.pairs(pictures[:1]).shape == (0, 2)
