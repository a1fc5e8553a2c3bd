"""Images that took long to make are kept in work/kept: a chapter that was interrupted goes on."""

import hashlib
import json
from collections.abc import Callable

import torch

from fer_lib.config import WORK, UserError
from fer_lib.tools import device, weights

BATCH = 64


def kept(make: Callable, images: torch.Tensor, *facts) -> torch.Tensor:
    """make(images), float32 of the shape (N, ...) of `images`, batch by batch; a whole batch that
    was made before is read. facts: JSON-able, all that decides, beside the images and the versions
    of packages, what `make` makes. Fewer images than a batch are always made, so that they can be
    timed."""
    made, versions = [], device.made_with("float32")
    for batch in images.split(BATCH):
        asked = json.dumps([facts, versions, list(batch.shape), weights.digest(batch.numpy())])
        path = WORK / "kept" / f"{hashlib.sha256(asked.encode()).hexdigest()}{weights.SUFFIX}"
        try:
            found = weights.load(path)[0]["images"] if len(batch) == BATCH else None
        except UserError:  # it is not there, or damaged
            found = make(batch)
            weights.save(path, {"images": found})
        made.append(make(batch) if found is None else found)
    return torch.cat(made)
