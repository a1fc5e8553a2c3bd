"""The paper's preprocessing against PIL and torchvision."""

import numpy as np
import pytest
import scipy.stats
import torch
import torchvision.transforms.functional as tv
from PIL import Image

from fer_lib import pipeline


@pytest.fixture(scope="module")
def noise() -> torch.Tensor:
    """Pictures of which no two pixels agree: nothing that is moved goes unseen."""
    return torch.rand(4, 1, 96, 96, generator=torch.Generator().manual_seed(2))


def generator(seed=0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_bytes_become_numbers_from_0_to_1():
    faces = torch.tensor([[[0, 51], [255, 1]]], dtype=torch.uint8)
    unit = pipeline.to_unit(faces)
    assert unit.shape == (1, 1, 2, 2)
    assert unit.dtype == torch.float32
    assert unit.flatten().tolist() == pytest.approx([0, 0.2, 1, 1 / 255])


def test_normalise_and_back():
    x = torch.tensor([0.0, 0.25, 0.5, 1.0])
    assert pipeline.normalise(x).tolist() == [-1, -0.5, 0, 1]
    assert torch.equal(pipeline.denormalise(pipeline.normalise(x)), x)
    theirs = tv.normalize(x.view(1, 2, 2), [0.5], [0.5])
    torch.testing.assert_close(pipeline.normalise(x).view(1, 2, 2), theirs)


def test_resize_is_pils_and_torchvisions():
    faces = np.random.default_rng(0).integers(0, 256, (6, 48, 48), dtype=np.uint8)
    ours = pipeline.resize(pipeline.to_unit(torch.tensor(faces)))[:, 0].numpy()
    assert ours.shape == (6, 96, 96)
    size, bilinear = (96, 96), Image.Resampling.BILINEAR
    pil = np.stack([np.asarray(Image.fromarray(face).resize(size, bilinear)) for face in faces])
    error = np.abs(255 * ours - pil)
    assert error.max() < 1.001  # PIL rounds to whole grays, twice
    assert error.mean() < 0.4
    theirs = tv.resize(torch.tensor(faces)[:, None] / 255, [96, 96])[:, 0].numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_shrinking_by_2_is_the_mean_of_2_by_2(noise):
    expected = noise.unfold(2, 2, 2).unfold(3, 2, 2).mean(dim=(4, 5))
    torch.testing.assert_close(pipeline.resize(noise, 48), expected)


def test_three_equal_channels(noise):
    rgb = pipeline.to_rgb(noise)
    assert rgb.shape == (4, 3, 96, 96)
    assert all(torch.equal(rgb[:, [channel]], noise) for channel in range(3))


def test_flip_mirrors_the_chosen_images(noise):
    flipped = pipeline.flip(noise, torch.tensor([True, False, True, False]))
    assert torch.equal(flipped[::2], tv.hflip(noise[::2]))
    assert torch.equal(flipped[1::2], noise[1::2])


@pytest.mark.parametrize("angle", [-10, -3.7, -0.5, 0, 2.2, 10, 33, 90, 180])
def test_rotate_is_torchvisions(noise, angle):
    ours = pipeline.rotate(noise, torch.full((4,), float(angle)))
    theirs = tv.rotate(noise, float(angle), interpolation=tv.InterpolationMode.NEAREST, fill=[0.0])
    # A source that lies midway between two pixels may be rounded to either.
    assert (ours != theirs).float().mean() < 0.001
    if abs(angle) >= 2:  # what the identity would not pass
        assert (noise != theirs).float().mean() > 0.3


def test_rotate_by_nothing_is_the_identity(noise):
    assert torch.equal(pipeline.rotate(noise, torch.zeros(4)), noise)


def test_each_image_is_rotated_by_its_own_angle(noise):
    angles = torch.tensor([10.0, 0.0, -10.0, 5.0])
    together = pipeline.rotate(noise, angles)
    for image, angle, rotated in zip(noise, angles, together, strict=True):
        assert torch.equal(pipeline.rotate(image[None], angle[None])[0], rotated)


def test_rotation_leaves_black_corners():
    rotated = pipeline.rotate(torch.ones(1, 1, 96, 96), torch.tensor([10.0]))
    assert rotated[0, 0, [0, 0, -1, -1], [0, -1, 0, -1]].tolist() == [0, 0, 0, 0]
    assert 0.02 < (rotated == 0).float().mean() < 0.15


def spied(monkeypatch, faces, seed=0):
    """A training batch, with the flips and the angles that made it."""
    drawn = {}
    flip, rotate = pipeline.flip, pipeline.rotate
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "flip", lambda x, m: (drawn.update(flips=m), flip(x, m))[1])
        patch.setattr(pipeline, "rotate", lambda x, d: (drawn.update(angles=d), rotate(x, d))[1])
        batch = pipeline.training_batch(faces, generator(seed), True)
    return batch, drawn["flips"], drawn["angles"]


def test_a_training_batch_is_the_papers_chain(monkeypatch, pictures):
    """Resize, flip, rotate, to [-1, 1], three channels: each image alone, through torchvision."""
    faces = torch.tensor(pictures)
    batch, flips, angles = spied(monkeypatch, faces)
    assert 0 < flips.sum() < len(flips)
    for face, flipped, angle, ours in zip(faces, flips, angles, batch, strict=True):
        image = tv.resize(face[None] / 255, [96, 96])
        image = tv.hflip(image) if flipped else image
        image = tv.rotate(image, angle.item())
        theirs = tv.normalize(image.repeat(3, 1, 1), [0.5] * 3, [0.5] * 3)
        assert ((ours - theirs).abs() > 1e-5).float().mean() < 0.001


def test_flips_are_fair_and_angles_uniform(monkeypatch):
    faces = torch.zeros(2000, 2, 2, dtype=torch.uint8)
    monkeypatch.setattr(pipeline, "SIZE", 2)
    _, flips, angles = spied(monkeypatch, faces)
    assert 0.45 < flips.float().mean() < 0.55
    assert angles.abs().max() <= 10
    assert scipy.stats.kstest(angles.numpy(), "uniform", (-10, 20)).pvalue > 0.001
    assert abs(np.corrcoef(flips.numpy(), angles.numpy())[0, 1]) < 0.1


def test_a_training_batch_has_the_networks_shape_and_range(pictures):
    batch = pipeline.training_batch(torch.tensor(pictures), generator(), True)
    assert batch.shape == (24, 3, 96, 96)
    assert batch.dtype == torch.float32
    assert batch.min() == -1
    assert 0.95 < batch.max() <= 1
    assert torch.equal(batch[:, 0], batch[:, 1])
    assert torch.equal(batch[:, 0], batch[:, 2])


def test_the_generator_alone_decides_a_batch(pictures):
    faces, source = torch.tensor(pictures), generator(5)
    first, second = (pipeline.training_batch(faces, source, True) for _ in range(2))
    torch.manual_seed(123)
    assert torch.equal(first, pipeline.training_batch(faces, generator(5), True))
    assert not torch.equal(first, second)  # every epoch draws anew
    assert not torch.equal(first, pipeline.training_batch(faces, generator(6), True))


def test_each_image_is_augmented_in_its_own_way(pictures):
    same = torch.tensor(pictures[:1]).repeat(20, 1, 1)
    batch = pipeline.training_batch(same, generator(), True)
    assert len({image.numpy().tobytes() for image in batch}) >= 18


def test_without_augmentation_every_image_is_itself_and_nothing_is_drawn(pictures):
    faces, source = torch.tensor(pictures), generator(5)
    before = source.get_state()
    batch = pipeline.training_batch(faces, source, False)
    plain = pipeline.to_rgb(pipeline.normalise(pipeline.resize(pipeline.to_unit(faces))))
    assert torch.equal(batch, plain)
    assert torch.equal(source.get_state(), before)


def test_the_stored_faces_are_left_as_they_are(pictures):
    faces = torch.tensor(pictures)
    pipeline.training_batch(faces, generator(), True)
    assert np.array_equal(faces.numpy(), pictures)
