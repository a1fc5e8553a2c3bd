"""Figures in a notebook: saved beside the tables, shown with an alt text and a caption."""

from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
from IPython.display import Image, display

from fer_lib.tools import files

#: A figure's inch is an inch of the page (96 CSS pixels), so 10 point text in it is 10 point
#: text on the page; each CSS pixel has 1.5 of the file's, for sharp screens.
DPI = 144
CSS_DPI = 96


def show(figure, name: str, *, alt: str, caption: str, folder: Path) -> None:
    """Save `figure` as folder/figures/name.png and show those same bytes in the notebook.

    alt: what the figure says, for those who cannot see it.
    caption: below the figure; markdown, so $maths$ works. Both travel in the output's metadata.
    """
    buffer = BytesIO()
    options = {"dpi": DPI, "facecolor": "white", "bbox_inches": "tight"}
    # No "Software" entry: the file depends on the figure only.
    figure.savefig(buffer, format="png", metadata={"Software": None}, **options)
    plt.close(figure)
    with files.replacing(folder / "figures" / f"{name}.png") as temporary:
        temporary.write_bytes(buffer.getvalue())
    pixels = int.from_bytes(buffer.getvalue()[16:20], "big")  # PNG header: the width
    metadata = {"alt": alt, "caption": caption, "width": round(pixels * CSS_DPI / DPI)}
    display(Image(buffer.getvalue(), format="png", metadata=metadata))
