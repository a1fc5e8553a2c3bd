"""Pictures for the front page's viewer: a few faces, with noise and as methods restore them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from PIL import Image

from fer_lib import metrics, pipeline
from fer_lib.noise import PROTOCOLS
from fer_lib.study import Study
from fer_lib.tools import files


def write(
    study: Study, ids: Sequence[int], levels: Sequence[float], methods: dict[str, tuple]
) -> pd.DataFrame:
    """Write viewer/FACE_LEVEL_METHOD.png, 8-bit gray, into the report, and return their table.

    ids: of faces. methods: name -> (label, method), as shown from left to right.
    Returns face, level, method, label, ssim, file; the clean faces come first, as the method
    "clean" at level 0. Noise and scores are those of *camera noise* in chapters 4 and 6."""
    places, camera = np.searchsorted(study.faces.rows["id"], ids), PROTOCOLS["camera noise"]
    clean, rows = pipeline.to_unit(torch.tensor(study.faces.images[places])), []
    shown = [(0, "clean", "clean face", clean)]
    for level in levels:
        noisy = camera.corrupt(clean, level, ids, study.settings.seed)
        for name, (label, method) in methods.items():
            shown.append((level, name, label, method(noisy, camera, level)))
    for level, name, label, images in shown:
        pixels = (images[:, 0].clamp(0, 1) * 255).round().byte().numpy()
        for face, image, ssim in zip(ids, pixels, metrics.ssim(images, clean, 1.0), strict=True):
            file = f"viewer/{face}_{level:g}_{name}.png"
            with files.replacing(study.folder / file) as temporary:
                Image.fromarray(image).save(temporary)
            rows.append((face, level, name, label, ssim.item(), file))
    return pd.DataFrame(rows, columns=["face", "level", "method", "label", "ssim", "file"])
