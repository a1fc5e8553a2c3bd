"""A user's own picture, read, shown and written. Arrays are (H, W) gray or (H, W, 3)."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageOps, UnidentifiedImageError

from fer_lib.config import UserError
from fer_lib.tools import files, plots

GRAY = ("1", "L", "LA")  # modes of Pillow that hold no colour


def read(path: str, longest: int = 0) -> np.ndarray:
    """The picture in a file, upright, as uint8; its longer side reduced to `longest` pixels.

    0 leaves the size as it is; nothing is enlarged. Raises UserError for what is no picture.
    """
    try:
        with Image.open(Path(path).expanduser()) as image:
            upright = ImageOps.exif_transpose(image)
            colours = upright.convert("RGBA") if upright.mode == "P" else upright
            picture = colours.convert("L" if colours.mode in GRAY else "RGB")
    except (OSError, UnidentifiedImageError) as error:
        why = "no such file" if isinstance(error, FileNotFoundError) else "no picture in it"
        raise UserError(f"cannot read {path!r}: {why}; give a PNG, JPEG or the like") from None
    if longest:
        picture.thumbnail((longest, longest), Image.Resampling.BOX)
    return np.asarray(picture)


def write(picture: np.ndarray, path: str) -> None:
    """Write a picture in [0, 1] to a file, atomically, in the format that its name asks for.

    Raises UserError for a name that asks for none.
    """
    target = Path(path).expanduser()
    form = Image.registered_extensions().get(target.suffix.lower())
    if form not in Image.SAVE:
        raise UserError(f"cannot write {path!r}: end its name in .png, .jpg or the like")
    image = Image.fromarray((picture * 255).round().astype(np.uint8))
    with files.replacing(target) as temporary:
        image.save(temporary, format=form)


def beside(pictures: Sequence[tuple[str, np.ndarray]]) -> Figure:
    """Pictures in [0, 1], each (title, (H, W) or (H, W, 3)), beside each other."""
    height, width = pictures[0][1].shape[:2]
    count = len(pictures)
    figure, axes = plots.panels(count, count, 10 / count * height / width + 0.4)
    for axis, (title, picture) in zip(axes, pictures, strict=True):
        axis.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axis.set_title(title)
        axis.axis("off")
    plt.close(figure)  # or a notebook would show it twice
    return figure
