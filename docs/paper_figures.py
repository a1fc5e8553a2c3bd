"""The paper's figures 6 to 9, measured: do the faces in them give the numbers of table I?

The paper's PDF (authors' repository, commit 085752d5) holds these pictures without loss, as the
code drew them: ten faces, each raw, noisy, and as the network's output. Most raw faces can be found
in FER+, so the SSIM of the pictures themselves can be set beside the ten printed values.
`python docs/paper_figures.py PDF DATA` measures again what stands in paper_figures.csv: numbers
only, since the authors' repository has no licence.
"""

import re
import sys
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from PIL import Image

from fer_lib import data, metrics, paper, pipeline
from fer_lib.audit import remarks
from fer_lib.tools import files

TABLE = Path(__file__).with_name("paper_figures.csv")
#: matplotlib's `subplots(3, 10, figsize=(25, 4))` at 100 dots an inch: left end and step of the
#: columns, top and step of the rows, and the side of a face, in pixels.
LEFT, ACROSS, TOP, DOWN, SIDE = 349.303, 197.034, 48.0, 108.706, 91
#: The authors' files are FER+'s 48x48 faces enlarged to this side; found by comparing the two.
STORED = 112
#: Faces are compared at 24x24, without the lowest rows, which the next title covers in part.
SMALL, ROWS = 24, 20
#: Root mean squared distance, in shown gray values, within which a face is the same face, and how
#: much farther any other face must be: many dark faces are shown as nothing but black.
SAME, FARTHER = 0.06, 0.02


def pictures(pdf: Path) -> list[np.ndarray]:
    """The pictures of figures 6 to 9 in the paper's PDF: (400, 2500, 3) uint8 each."""
    content = pdf.read_bytes()
    pattern = rb"/DeviceRGB[^>]*/Height 400[^>]*/Width 2500[^>]*>>\s*stream\r?\n"
    ends = (match.end() for match in re.finditer(pattern, content))
    streams = (zlib.decompressobj().decompress(content[end:]) for end in ends)
    return [np.frombuffer(stream, np.uint8).reshape(400, 2500, 3) for stream in streams]


def crop(picture: np.ndarray, row: int, column: int) -> torch.Tensor:
    """One face of a picture, as network input is sized: (1, 3, 96, 96) in [0, 1]."""
    top, left = round(TOP + DOWN * row), round(LEFT + ACROSS * column)
    face = picture[top : top + SIDE, left : left + SIDE].transpose(2, 0, 1)[None] / 255
    options = {"size": pipeline.SIZE, "mode": "bicubic", "align_corners": False}
    return F.interpolate(torch.from_numpy(face).float(), **options).clamp(0, 1)


def find(raw: torch.Tensor, shown: torch.Tensor) -> tuple[int, bool] | None:
    """Which face a raw one (1, 3, 96, 96) is: its position and whether it is mirrored; None if no
    face, or more than one, is close enough.

    shown: all faces (N, 1, 24, 24) as matplotlib shows them. Copies of a face count as one.
    """
    small = F.interpolate(raw.mean(dim=1, keepdim=True), size=SMALL, mode="area")
    both = torch.cat([shown, shown.flip(-1)])
    distances = (both - small)[..., :ROWS, :].square().mean(dim=(1, 2, 3)).sqrt()
    best = distances.min()
    others = distances[distances > best + 1e-4]
    if best > SAME or others.min() < best + FARTHER:
        return None
    place = int(distances.argmin())
    return place % len(shown), place >= len(shown)


def measure(drawn: list[np.ndarray], faces: data.Faces) -> pd.DataFrame:
    """One row a face of the pictures `drawn`, one picture a noise factor.

    level, place (0 to 9), id of the face in FER+ (-1 if it was not found), mirrored, the printed
    SSIM, and the columns of `remarks.look`. For faces that were found, SSIM of two pairs: `code`,
    what the authors' code compares, the output in [0, 1] with the raw face in [-1, 1]; `search`,
    the reading that our blind search had put first, with the noisy image in place of the output.
    """
    clean = pipeline.to_unit(torch.tensor(np.asarray(faces.images)))
    shown = F.interpolate(pipeline.normalise(clean).clamp(0, 1), size=SMALL, mode="area")
    rows = []
    for level, picture in zip(paper.LEVELS, drawn, strict=True):
        for place, printed in enumerate(paper.SSIM_SAMPLES[level]):
            raw, noisy, output = (crop(picture, row, place) for row in range(3))
            row = {"level": level, "place": place, "id": -1, "mirrored": False, "printed": printed}
            row |= {k: v.item() for k, v in remarks.look(raw, noisy, output).items()}
            if match := find(raw, shown):
                position, row["mirrored"] = match
                row["id"] = faces.rows["id"].iloc[position]
                face = _as_they_had_it(faces.images[position])
                face = face.flip(-1) if row["mirrored"] else face
                row["code"] = metrics.ssim(output, face, 1.0, "gaussian").item()
                row["search"] = metrics.ssim(noisy, face, 2.0).item()
            rows.append(row)
    return pd.DataFrame(rows)


def _as_they_had_it(face: np.ndarray) -> torch.Tensor:
    """A face (48, 48) as the authors' network saw it: (1, 3, 96, 96) in [-1, 1]."""
    stored = Image.fromarray(face).resize((STORED, STORED), Image.Resampling.BICUBIC)
    resized = stored.resize((pipeline.SIZE, pipeline.SIZE), Image.Resampling.BILINEAR)
    images = pipeline.to_unit(torch.from_numpy(np.array(resized))[None])
    return pipeline.to_rgb(pipeline.normalise(images))


def main() -> None:
    """Measure the figures in a PDF with the faces of a data set, both named on the command line."""
    table = measure(pictures(Path(sys.argv[1])), data.load(sys.argv[2]))
    files.write_text(TABLE, table.to_csv(index=False, float_format="%.4f", lineterminator="\n"))


if __name__ == "__main__":
    main()
