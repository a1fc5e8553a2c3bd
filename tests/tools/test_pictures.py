"""A user's own picture, and the notebook that restores it."""

import io
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from fer_lib.config import NOTEBOOKS, UserError
from fer_lib.readers import orl
from fer_lib.run import execute
from fer_lib.tools import pictures


@pytest.fixture
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)


def pixels(path, longest: int = 0) -> np.ndarray:
    """A picture of 8 bits as it is in the file."""
    picture, white = pictures.read(str(path), longest)
    assert white == 255
    assert picture.dtype == np.float32
    return (picture * 255).round().astype(np.uint8)


def test_a_picture_is_read_as_it_is(photo, tmp_path):
    Image.fromarray(photo).save(tmp_path / "photo.png")
    Image.fromarray(photo[..., 0]).save(tmp_path / "gray.png")
    assert (pixels(tmp_path / "photo.png") == photo).all()
    assert (pixels(tmp_path / "gray.png") == photo[..., 0]).all()


def test_transparency_and_palettes_are_colours(photo, tmp_path):
    image = Image.fromarray(photo)
    image.putalpha(255)
    image.save(tmp_path / "alpha.png")
    image.convert("P").save(tmp_path / "palette.png")
    assert (pixels(tmp_path / "alpha.png") == photo).all()
    assert pixels(tmp_path / "palette.png").shape == photo.shape


def test_a_camera_held_upright_is_heeded(photo, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side
    Image.fromarray(photo).save(tmp_path / "x.png", exif=exif)
    assert (pixels(tmp_path / "x.png") == np.rot90(photo, -1)).all()


@pytest.mark.parametrize(
    ("longest", "shape"), [(0, (30, 20, 3)), (15, (15, 10, 3)), (99, (30, 20, 3))]
)
def test_large_pictures_are_reduced_and_small_ones_left(photo, tmp_path, longest, shape):
    Image.fromarray(photo).save(tmp_path / "x.png")
    assert pixels(tmp_path / "x.png", longest).shape == shape


def test_transparency_that_hides_something_is_kept(photo, tmp_path):
    clear = photo[..., 0] // 2
    for mode, expected in (
        ("RGBA", np.dstack([photo, clear])),
        ("LA", np.dstack([photo[..., 1]] * 3 + [clear])),
    ):
        image = Image.fromarray(photo) if mode == "RGBA" else Image.fromarray(photo[..., 1])
        image.putalpha(Image.fromarray(clear))
        image.save(tmp_path / "x.png")
        assert (pixels(tmp_path / "x.png") == expected).all()
        pictures.write(expected / 255, str(tmp_path / "y.png"))
        assert (pixels(tmp_path / "y.png") == expected).all()
    with pytest.raises(UserError, match=r"cannot write .*RGBA"):
        pictures.write(expected / 255, str(tmp_path / "x.jpg"))
    assert not (tmp_path / "x.jpg").exists()


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
@pytest.mark.parametrize(("bits", "white"), [(8, 255), (10, 1023), (12, 4095), (16, 65535)])
def test_gray_of_more_than_8_bits_is_read_right_and_written_back(
    tmp_path, capsys, name, bits, white
):
    values = np.random.default_rng(0).integers(0, 2**bits, (9, 8)).astype(np.uint16)
    values[0, 0] = white
    Image.fromarray(values).save(tmp_path / name)
    picture, found = pictures.read(str(tmp_path / name))
    assert found == white
    assert f"{white} is taken for white" in capsys.readouterr().err
    assert np.abs(picture - values / white).max() < 1e-6
    pictures.write(picture, str(tmp_path / f"again-{name}"), white)
    with Image.open(tmp_path / f"again-{name}") as again:
        assert (np.asarray(again) == values).all()
    pictures.write(picture, str(tmp_path / "x.jpg"), white)
    assert np.abs(pictures.read(str(tmp_path / "x.jpg"))[0] - picture).mean() < 0.05


@pytest.mark.parametrize(
    ("values", "white"),
    [
        (np.linspace(0, 1, 72, dtype=np.float32), 1),
        (np.linspace(0, 4000, 72, dtype=np.float32), 4095),
        (np.linspace(0, 2**31 - 1, 72).astype(np.int32), 2**31 - 1),
    ],
    ids=["float", "float of 12 bits", "32 bits"],
)
def test_scientific_tiffs_are_read_right_and_written_as_deep_as_can_be(tmp_path, values, white):
    values = values.reshape(9, 8)
    Image.fromarray(values).save(tmp_path / "x.tif")
    picture, found = pictures.read(str(tmp_path / "x.tif"))
    assert found == white
    assert np.abs(picture - values / white).max() < 1e-6
    for name in ("y.tif", "y.png"):
        pictures.write(picture, str(tmp_path / name), found)
        again, _ = pictures.read(str(tmp_path / name))
        assert np.abs(again - picture).max() < 2e-4


def test_deep_pictures_are_reduced_too(tmp_path):
    Image.fromarray(np.full((40, 20), 30000, np.uint16)).save(tmp_path / "x.png")
    picture, white = pictures.read(str(tmp_path / "x.png"), 10)
    assert picture.shape == (10, 5)
    assert np.allclose(picture * white, 30000)


def test_what_a_user_may_not_expect_is_said(photo, tmp_path, capsys):
    frames = [Image.fromarray(photo), Image.fromarray(255 - photo)]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    assert pixels(tmp_path / "x.gif").shape == photo.shape
    assert "the first of 2 pictures" in capsys.readouterr().err
    frames[0].save(tmp_path / "x.png")
    pixels(tmp_path / "x.png")
    assert capsys.readouterr().err == ""
    rows = b"".join(b"\0" + b"\x12\x34" * 6 for _ in range(2))
    head = (2).to_bytes(4) * 2 + bytes([16, 2, 0, 0, 0])
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n"
    for name, body in chunks:
        content += len(body).to_bytes(4) + name + body + zlib.crc32(name + body).to_bytes(4)
    (tmp_path / "deep.png").write_bytes(content)
    assert (pixels(tmp_path / "deep.png") == 0x12).all()
    assert "16 bits are read as 8" in capsys.readouterr().err


def huge_png() -> bytes:
    """A PNG whose header promises 3.6 gigapixels."""
    file = io.BytesIO()
    Image.new("L", (4, 4)).save(file, "PNG")
    content = bytearray(file.getvalue())
    content[16:24] = (60_000).to_bytes(4) * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4)
    return bytes(content)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.png", None, "no such file"),
        ("x" * 300, None, "file name too long"),
        ("x\0.png", None, "no picture"),
        (".", None, "is a directory"),
        ("x.png", b"GIF", "no picture"),
        ("x.png", b"", "no picture"),
        ("x.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC.*JPEG"),
        ("x.png", huge_png(), "more than 178,956,970 pixels"),
        ("x.png", huge_png()[:20], "no picture"),
    ],
)
def test_what_is_no_picture_is_refused_in_one_line_with_its_cause(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        pictures.read(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("values", [[-1.0, 0.5], [np.nan, 0.5], [0.0, np.inf]])
def test_floats_that_are_no_gray_values_are_refused(tmp_path, values):
    Image.fromarray(np.array([values], np.float32)).save(tmp_path / "x.tif")
    with pytest.raises(UserError, match="are no gray values"):
        pictures.read(str(tmp_path / "x.tif"))


def test_what_is_written_is_read_again(photo, tmp_path):
    for picture in (photo, photo[..., 0]):
        pictures.write(picture / 255, str(tmp_path / "x.png"))
        assert (pixels(tmp_path / "x.png") == picture).all()
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
    restored = pictures.read(asked["output"])[0]
    assert restored.shape == clean.shape
    assert np.mean((restored - clean) ** 2) < np.mean((noisy - clean) ** 2) / 5


def half(images, network, *, axes, device):
    assert (network, axes, device) == ("compact", "HW" if images.ndim == 2 else "HWC", "cpu")
    return images / 2


def test_a_file_is_denoised_to_another(photo, tmp_path, capsys):
    Image.fromarray(photo).save(tmp_path / "in.png")
    words = [str(tmp_path / "in.png"), str(tmp_path / "out.tif"), "--device", "cpu"]
    assert pictures.main(words, half) == 0
    assert np.abs(pixels(tmp_path / "out.tif").astype(int) - photo / 2).max() <= 0.5
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["dark.png", "dark.tif"])
def test_a_dark_picture_of_16_bits_keeps_them(photo, tmp_path, name):
    values = photo[..., 0].astype(np.uint16)  # none above 255
    Image.fromarray(values).save(tmp_path / name)
    words = [str(tmp_path / name), str(tmp_path / f"out-{name}"), "--device", "cpu"]
    assert pictures.main(words, half) == 0
    after = np.asarray(Image.open(tmp_path / f"out-{name}"))
    assert after.dtype == np.uint16
    assert np.abs(after - values / 2).max() <= 0.5


def test_all_pictures_of_a_folder_are_denoised_and_what_fails_is_told(photo, tmp_path, capsys):
    source, target = tmp_path / "in", tmp_path / "in" / "out"
    (source / "a").mkdir(parents=True)
    Image.fromarray(photo).save(source / "a" / "x.PNG")
    Image.fromarray(photo[..., 0]).save(source / "b.jpg")
    (source / "c.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (source / "notes.txt").write_text("mine")
    for _ in range(2):  # its own results are no pictures to denoise
        assert pictures.main([str(source), str(target), "--device", "cpu"], half) == 1
        written = sorted(str(p.relative_to(target)) for p in target.rglob("*.*"))
        assert written == ["a/x.PNG", "b.jpg"]
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: cannot read")
        assert "c.heic" in line


def test_a_folder_is_not_denoised_into_itself(photo, tmp_path, capsys):
    Image.fromarray(photo).save(tmp_path / "x.png")
    with pytest.raises(SystemExit):
        pictures.main([str(tmp_path), f"{tmp_path}/."], half)
    assert "the same folder: give another target" in capsys.readouterr().err
    assert (pixels(tmp_path / "x.png") == photo).all()


@pytest.mark.parametrize("source", ["none", "none.png"])
def test_a_command_without_pictures_ends_in_one_line(tmp_path, capsys, source):
    (tmp_path / "none").mkdir()
    assert pictures.main([str(tmp_path / source), str(tmp_path / "out.png")], half) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: cannot read")
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("dtype", [np.ulonglong, np.longlong, ">i2", "<f8", np.longdouble, "?"])
def test_whatever_numbers_numpy_has_torch_gets_a_type_that_it_knows(dtype):
    array, own = pictures.array(np.ones((3, 4), dtype)[::-1])
    assert own == np.dtype(dtype)
    assert torch.from_numpy(array).eq(1).all()


def test_a_picture_that_holds_nan_is_refused(tmp_path):
    values = np.full((9, 9), 0.5, np.float32)
    values[4, 4] = np.nan
    Image.fromarray(values).save(tmp_path / "x.tif")
    with pytest.raises(UserError, match="are no gray values"):
        pictures.read(str(tmp_path / "x.tif"))


def test_a_picture_that_asks_for_all_memory_is_refused(tmp_path, monkeypatch):
    Image.new("L", (9, 9)).save(tmp_path / "x.png")
    monkeypatch.setattr(Image.Image, "load", lambda image: bytearray(2**62))
    with pytest.raises(UserError, match="it asks for more memory than there is"):
        pictures.read(str(tmp_path / "x.png"))
