"""Images that took long to make are kept in work/kept: a chapter that was interrupted goes on."""

import hashlib
from collections.abc import Callable

import numpy as np
import torch

from fer_lib.config import WORK
from fer_lib.tools import files

BATCH = 64


def kept(make: Callable, images: torch.Tensor, *facts) -> torch.Tensor:
    """make(images), float32 of the shape (N, ...) of `images`, batch by batch; a whole batch that
    was made before is read. facts: all that decides, beside the images, what `make` makes. Fewer
    images than a batch are always made, so that they can be timed."""
    made = []
    for batch in images.split(BATCH):
        key = hashlib.sha256(repr((*facts, batch.shape)).encode() + batch.numpy().tobytes())
        path = WORK / "kept" / f"{key.hexdigest()}.npy"
        try:
            found = np.load(path) if len(batch) == BATCH else None
        except (OSError, ValueError, EOFError):  # it is not there, or cut off
            found = make(batch).numpy()
            files.write_array(path, found)
        made.append(make(batch) if found is None else torch.from_numpy(found))
    return torch.cat(made)
