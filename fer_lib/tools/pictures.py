"""A user's own pictures: arrays in [0, 1], (H, W) gray, else (H, W, 3), with transparency 4."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from fer_lib.config import UserError, one_of
from fer_lib.tools import device, files, progress

#: White in gray of more than 8 bits (Pillow's modes I and F; cameras put 10, 12 or 14 bits into
#: 16): the smallest that holds all values is taken, 1 only of floating point.
WHITES = (1, 255, 1023, 4095, 16383, 65535, 2**31 - 1)
DAMAGE = (OSError, SyntaxError, TypeError, ValueError, MemoryError, Image.DecompressionBombError)
#: Of readable files; and the iPhone's, so that it is not left out unsaid.
ENDINGS = {e for e, kind in Image.registered_extensions().items() if kind in Image.OPEN} | {".heic"}


def array(images) -> tuple[np.ndarray, np.dtype]:
    """What numpy can read as an array that torch can take, of whatever strides and byte order it
    was; and its own dtype. Raises UserError for what holds no numbers."""
    if getattr(images, "mode", "") in ("P", "PA", "CMYK", "YCbCr", "HSV", "LAB"):  # Pillow's
        images = images.convert("RGBA" if images.has_transparency_data else "RGB")
    try:
        plain = np.array(images, order="C")
    except (TypeError, ValueError) as error:
        raise UserError(f"these images make no array: {error}") from None
    if plain.dtype.kind not in "biuf":
        raise UserError(f"images of {plain.dtype}: give uint8, uint16, or floats in [0, 1]")
    native = plain.dtype.name if plain.dtype.itemsize <= 8 else np.float64  # of this machine
    return plain.astype(native, copy=False).view(native), plain.dtype


def channel(shape: tuple[int, ...], axes: str = "") -> int | None:
    """Which axis of images holds channels, if one does: by `axes`, "HW", "HWC" or "CHW", else the
    last of three or more, if it is as short. Raises UserError for no image and two readings."""
    one_of("axes", axes or "HW", ("HW", "HWC", "CHW"))
    if len(shape) < max(2, len(axes)) or 0 in shape:
        raise UserError(f"shape {shape} holds no image: give (..., H, W) or (..., H, W, C)")
    if not axes and len(shape) > 2 and shape[-1] <= 4:
        if min(shape[-3:-1]) <= 4:
            raise UserError(f"shape {shape} has two readings: give axes='HW', 'HWC' or 'CHW'")
        axes = "HWC"
    return {"HWC": -1, "CHW": -3}.get(axes)


def read(path: str, longest: int = 0) -> tuple[np.ndarray, int]:
    """The picture in a file, upright, float32 in [0, 1], and what is white in it: 255, or one of
    `WHITES`, as uint16 where pixels have 16 bits. Its longer side is reduced to `longest` pixels; 0
    leaves the size as it is. What a user may not expect is said on stderr. Raises UserError for
    what is no picture."""
    notes, white = [], 255
    try:
        with Image.open(Path(path).expanduser()) as image:
            if getattr(image, "n_frames", 1) > 1:
                notes.append(f"the first of {image.n_frames} pictures in it")
            deep = image.mode[0] in "IF"
            if ";16" in str(image.tile) and not deep:
                notes.append("its colours of 16 bits are read as 8")
            picture = ImageOps.exif_transpose(image)
            if deep:
                picture = Image.fromarray(np.asarray(picture, dtype=np.float32))
                low, high = picture.getextrema()
                white = next((w for w in WHITES[image.mode != "F" :] if high <= np.float32(w)), 0)
                if not white or low < -white / 255 or np.isnan(picture).any():
                    raise ValueError(f"values from {low:g} to {high:g} are no gray values")
                notes.append(f"{white} is taken for white")
                white = np.uint16(white) if ";16" in image.mode else white
            elif picture.has_transparency_data and picture.convert("RGBA").getextrema()[3][0] < 255:
                picture = picture.convert("RGBA")
            else:
                picture = picture.convert("L" if picture.mode in ("1", "L", "LA") else "RGB")
    except DAMAGE as error:
        raise UserError(f"cannot read {path!r}: {_why(path, error)}") from None
    if notes:
        print(f"note: {path}: {'; '.join(notes)}", file=sys.stderr)
    if longest:
        picture.thumbnail((longest, longest), Image.Resampling.BOX)
    return (np.asarray(picture, dtype=np.float32) / white).clip(0, 1), white


def _why(path: str, error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {2 * Image.MAX_IMAGE_PIXELS:,} pixels; make it smaller first"
    if getattr(error, "strerror", None):  # it cannot even be opened
        return f"{error.strerror.lower()}; give a PNG, JPEG or the like"
    if "\0" not in path and Path(path).expanduser().read_bytes()[4:8] == b"ftyp":
        return "it is HEIC or a film; save it as JPEG first"
    return f"no picture in it ({' '.join(str(error).split())}); give a PNG, JPEG or the like"


def write(picture: np.ndarray, path: str, white: int = 255) -> None:
    """Write a picture in [0, 1] to a file, atomically, in the format that its name asks for. Gray
    keeps a `white` above 8 bits in TIFF and, up to 16 bits, in PNG. Raises UserError for a name
    that asks for no format, and where it cannot be written."""
    target = Path(path).expanduser()
    form = Image.registered_extensions().get(target.suffix.lower())
    if form not in Image.SAVE:
        raise UserError(f"cannot write {path!r}: end its name in .png, .jpg or the like")
    if picture.ndim > 2 or form not in ("PNG", "TIFF"):
        white = 255
    elif form == "PNG" and not 1 < white < 2**16:
        white = 2**16 - 1
    kinds = {1: np.float32, 255: np.uint8, 2**31 - 1: np.int32}
    kind = getattr(white, "dtype", kinds.get(white, np.uint16))
    values = picture.astype(np.float64) * white
    image = Image.fromarray((values if white == 1 else values.round()).astype(kind))
    try:
        with files.replacing(target) as temporary:
            image.save(temporary, format=form)
    except OSError as error:
        raise UserError(f"cannot write {path!r}: {error.strerror or error}") from None


def main(arguments: list[str], denoise: Callable) -> int:
    """Denoise a picture, or every picture below a folder, but for those that fail; exit code."""
    parser = argparse.ArgumentParser(prog="python -P -m fer_lib.denoise", description=main.__doc__)
    parser.add_argument("source", type=Path, help="a picture or a folder of pictures")
    parser.add_argument("target", type=Path, help="where to write")
    parser.add_argument("--network", default="compact", help="a published network")
    parser.add_argument("--device", default=device.best(), help="such as cuda")
    words, failed = parser.parse_args(arguments), 0
    if words.source.is_dir() and words.target.resolve() == words.source.resolve():
        parser.error("source and target are the same folder: give another target")
    paths = [path for path in sorted(words.source.rglob("*")) if path.suffix.lower() in ENDINGS]
    paths = [path for path in paths if words.target not in path.parents] or [words.source]
    with progress.Progress("pictures", len(paths)) as bar:
        for path in paths:
            try:
                picture, white = read(str(path))
                axes = "HW" if picture.ndim == 2 else "HWC"
                clean = denoise(picture, words.network, axes=axes, device=words.device)
                write(clean, str(words.target / path.relative_to(words.source)), white)
            except UserError as error:
                failed = 1
                print(f"error: {error}", file=sys.stderr)
            bar.advance(path.name)
    return failed
