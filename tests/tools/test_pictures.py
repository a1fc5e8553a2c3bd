"""A user's own picture, and the notebook that restores it."""

import numpy as np
import pytest
from PIL import Image

from fer_lib.config import NOTEBOOKS, UserError
from fer_lib.readers import orl
from fer_lib.run import execute
from fer_lib.tools import pictures


@pytest.fixture
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)


def test_a_picture_is_read_as_it_is(photo, tmp_path):
    Image.fromarray(photo).save(tmp_path / "photo.png")
    Image.fromarray(photo[..., 0]).save(tmp_path / "gray.png")
    assert (pictures.read(str(tmp_path / "photo.png")) == photo).all()
    assert (pictures.read(str(tmp_path / "gray.png")) == photo[..., 0]).all()


def test_transparency_and_palettes_are_colours(photo, tmp_path):
    image = Image.fromarray(photo)
    image.putalpha(255)
    image.save(tmp_path / "alpha.png")
    image.convert("P").save(tmp_path / "palette.png")
    assert (pictures.read(str(tmp_path / "alpha.png")) == photo).all()
    assert pictures.read(str(tmp_path / "palette.png")).shape == photo.shape


def test_a_camera_held_upright_is_heeded(photo, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side
    Image.fromarray(photo).save(tmp_path / "x.png", exif=exif)
    assert (pictures.read(str(tmp_path / "x.png")) == np.rot90(photo, -1)).all()


@pytest.mark.parametrize(
    ("longest", "shape"), [(0, (30, 20, 3)), (15, (15, 10, 3)), (99, (30, 20, 3))]
)
def test_large_pictures_are_reduced_and_small_ones_left(photo, tmp_path, longest, shape):
    Image.fromarray(photo).save(tmp_path / "x.png")
    assert pictures.read(str(tmp_path / "x.png"), longest).shape == shape


@pytest.mark.parametrize(("content", "message"), [(None, "no such file"), (b"GIF", "no picture")])
def test_what_is_no_picture_is_refused_in_one_line(tmp_path, content, message):
    if content:
        (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        pictures.read(str(tmp_path / "x.png"))
    assert "\n" not in str(error.value)


def test_what_is_written_is_read_again(photo, tmp_path):
    for picture in (photo, photo[..., 0]):
        pictures.write(picture / 255, str(tmp_path / "x.png"))
        assert (pictures.read(str(tmp_path / "x.png")) == picture).all()
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


@pytest.mark.parametrize("name", ["x", "x.txt", "x.pdff"])
def test_a_name_that_asks_for_no_format_is_refused(tmp_path, name):
    with pytest.raises(UserError, match=r"end its name in \.png"):
        pictures.write(np.zeros((4, 4)), str(tmp_path / name))
    assert not list(tmp_path.iterdir())


def test_the_notebook_restores_a_file(tmp_path):
    """As a user would: a noisy file in, a better one of the same size out."""
    clean = orl.read()[0][30] / 255
    noisy = (clean + 0.3 * np.random.default_rng(0).standard_normal(clean.shape)).clip(0, 1)
    pictures.write(noisy, str(tmp_path / "noisy.png"))
    asked = {"image": str(tmp_path / "noisy.png"), "output": str(tmp_path / "out.png"), "added": 0}
    execute.execute(
        NOTEBOOKS / "try_your_own_image.ipynb", tmp_path / "done.ipynb", asked, note=dict
    )
    restored = pictures.read(asked["output"]) / 255
    assert restored.shape == clean.shape
    assert np.mean((restored - clean) ** 2) < np.mean((noisy - clean) ** 2) / 5
